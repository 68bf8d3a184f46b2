"""Which wirings a run can carry, and how one is made from settings.

Job: choose by the settings. Place in the data flow: `training` carries what this makes. Left out: the wirings. What
belongs to one of them only is imported when the settings ask for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from gamefleet.games.base import GamePackage
from gamefleet.topologies.build import build_solo
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.solo import Solo

if TYPE_CHECKING:
    from gamefleet.topologies.remote_learner.wiring import RemoteLearner
    from gamefleet.topologies.shared_folder.wiring import SharedFolder

Wiring: TypeAlias = "Solo | SharedFolder | RemoteLearner"


@contextmanager
def built_wiring(package: GamePackage, config: RunConfig, *, log_folder: Path) -> Iterator[Wiring]:
    """Make the wiring that the settings ask for; it ends with the block.

    Args:
        package: The game.
        config: All settings.
        log_folder: Where processes beside this one log.

    Raises:
        ConfigError: Settings that do not fit together or the machine.
        RomError: The game's data is missing.
    """
    with build_solo(package, config, log_folder=log_folder) as solo:
        if not config.collaboration.enabled:
            yield solo
            return
        from gamefleet.topologies.shared_folder.build import share

        with share(solo, package, config, log_folder=log_folder) as shared:
            yield shared
