"""The world that an environment's name means.

Job: from `--env_name` to a `SkillWorld`: a game's, or any `module:attribute`. Place in the data flow: scheduler and
jobs open the same one. Left out: what is in it.
"""

from __future__ import annotations

from gamefleet.errors import ConfigError
from gamefleet.games import GAMES, open_game
from gamefleet.skills.world import SkillWorld, load_world


def open_world(env_name: str) -> SkillWorld:
    """Open a world.

    Args:
        env_name: What a game calls it, or `module:attribute`, for example `gamefleet.testing.crafting:WORLD`.

    Raises:
        ConfigError: Nobody knows it.
        MissingDependencyError: The game's own packages are not installed.
    """
    if ":" in env_name:
        return load_world(env_name)
    packages = [package for name in GAMES if (package := open_game(name)).skills is not None]
    refusal: ConfigError | None = None
    for package in packages:
        assert package.skills is not None
        try:
            return package.skills(env_name)
        except ConfigError as error:  # another game may know it
            refusal = error
    raise refusal or ConfigError(
        "No game has skills under this name", value=env_name, where="--env_name", remedy="Write module:attribute."
    )
