"""The world that an environment's name means.

Job: from `--env_name` to a `SkillWorld`: a game's, or any `module:attribute`; what its trainer can be told; which
packages its jobs need. Place in the data flow: scheduler and jobs open the same one. Left out: what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from gamefleet.errors import ConfigError, MissingDependencyError, nearest
from gamefleet.games import GAMES, open_game
from gamefleet.runs.trackers import require_tracker
from gamefleet.skills.world import SkillWorld, load_world
from gamefleet.topologies.job_graph.settings import GraphSettings
from gamefleet.topologies.skill_trainer.settings import CPU_ENVS, parse_settings

OF_COMPILED = ("jax", "optax")
"""Packages that a compiled world is trained with."""


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


def check_trainer_settings(world: SkillWorld, settings: Mapping[str, Any], num_envs: int) -> None:
    """Fail before anything is trained where the world's trainer could not be told this.

    Args:
        world: Where skills are trained.
        settings: Of `--set`.
        num_envs: Environments; 0 lets the trainer choose.

    Raises:
        ConfigError: A setting does not exist or has a value that it cannot have.
    """
    if world.make_trainer is None:
        parse_settings(settings, num_envs or CPU_ENVS)
        return
    for name in settings:
        if name not in world.trainer_settings:
            remedy = nearest(name, world.trainer_settings) if world.trainer_settings else "It has none."
            raise ConfigError(
                f"The trainer of {world.name} has no such setting", value=name, where="--set", remedy=remedy
            )


def require_packages(world: SkillWorld, settings: GraphSettings) -> None:
    """Fail before anything is proposed where skills could not be verified, trained or mirrored as asked.

    Nothing is imported for it, which would take seconds.

    Args:
        world: Where skills are trained.
        settings: Of the graph.

    Raises:
        MissingDependencyError: A package is not there.
    """
    if settings.use_wandb:
        require_tracker("wandb")
    if missing := missing_packages(world):
        raise MissingDependencyError(
            f"{world.name} needs packages that are not installed: {', '.join(missing)}",
            where="--env_name",
            remedy=how_to_install(world),
        )


def missing_packages(world: SkillWorld) -> list[str]:
    """What is not installed of all that training in a world needs; a world with its own trainer needs nothing."""
    if world.jax_world is None or world.make_trainer is not None:
        return []
    return [name for name in (*OF_COMPILED, *world.packages) if find_spec(name) is None]


def how_to_install(world: SkillWorld) -> str:
    """The remedy for missing packages of a world."""
    return world.install or "`pip install 'gamefleet[jax]'`."
