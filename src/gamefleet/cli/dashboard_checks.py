"""What the dashboard asks of `doctor`, of metrics and of games.

Job: run the checks one after another for the page, say what metrics mean, and open a game's panels. Place in the data
flow: `doctor`, the tables of metrics, games -> JSON values for `watch`. Left out: the checks themselves.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gamefleet.watch.providers import Panel

Json = dict[str, Any]

STREAM_PORT = 9999
"""Where a viewer listens unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorChecks:
    """The provider of `/api/checks`.

    Args:
        runs_folder: The folder that holds the runs.
        run: The run that is shown; empty for several.
        game: Its game; empty for the usual one.
        shared: The shared folder; None without one.
    """

    runs_folder: Path
    run: str = ""
    game: str = ""
    shared: Path | None = None

    def __call__(self, tell: Callable[[Json], None]) -> None:
        """Run every check and tell each result as it comes."""
        from gamefleet.cli.doctor import Questions, clean, every_check, has_slurm, usual_copy
        from gamefleet.cluster.checks.base import run_checks
        from gamefleet.cluster.checks.programs import Programs
        from gamefleet.cluster.profile import load_profile, resources
        from gamefleet.games import DEFAULT_GAME

        asked = Questions(
            host=None,
            resources=resources(load_profile(None)),
            gpu_memory_bytes=0,
            run=self.run,
            game=self.game or DEFAULT_GAME,
            runs_folder=self.runs_folder,
            shared_folder=self.shared or self.runs_folder,
            host_folder="",
            fleet_folder=self.shared or usual_copy(os.environ),
            environment=os.environ,
            stream_port=STREAM_PORT,
        )
        environment = clean(os.environ)
        with Programs(environment) as programs:
            checks = every_check(asked, programs, has_slurm=has_slurm(asked, programs, environment))
            for check, result in run_checks(checks):
                tell({"name": check.name, "group": check.group, **asdict(result)})


def meanings() -> Mapping[str, tuple[str, str]]:
    """Metric -> unit and meaning."""
    from gamefleet.learners.metric_names import METRICS as LEARNER
    from gamefleet.learners.sequence_metrics import METRICS as SEQUENCE
    from gamefleet.topologies.report import METRICS
    from gamefleet.topologies.sequence.speed import METRICS as TRAINER

    return {**LEARNER, **METRICS, **SEQUENCE, **TRAINER}


def panels(game: str) -> Sequence[Panel]:
    """What a game adds to the pages."""
    from gamefleet.games import open_game
    from gamefleet.watch.providers import Panel

    package = open_game(game)

    def data_of(make: Callable[[Any], Any]) -> Callable[[Path], Any]:
        return lambda folder: make(config_of(package, folder))

    return [Panel(name=one.name, title=one.title, script=one.script, data=data_of(one.data)) for one in package.panels]


def config_of(package: Any, folder: Path) -> Any:
    """A run's settings of its game."""
    from gamefleet.runs.folder import read_resolved
    from gamefleet.runs.paths import RunPaths
    from gamefleet.topologies.sequence.config import any_config

    return any_config(package, read_resolved(RunPaths(folder))).game


def num_milestones(game: str, folder: Path) -> int:
    """How many milestones a run's game has."""
    from gamefleet.games import open_game

    package = open_game(game)
    return len(package.make_spec(config_of(package, folder)).milestones)
