"""Mirrors of the metrics: Weights & Biases, TensorBoard, trackio.

Job: pass rows on to services that users like. Place in the data flow: behind the run's own metrics files, which are
written whatever happens here. Left out: reading back.

A mirror never stops a run: its first failure is reported, and it is left alone afterwards; one that cannot even be
opened, for want of a login, likewise. Only a package that is missing is an error, said before anything trains. At
Weights & Biases all attempts of a run share one run id, which lies in the run folder.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from gamefleet.errors import MissingDependencyError
from gamefleet.files import write_bytes
from gamefleet.runs.paths import RunPaths
from gamefleet.runs.settings import TrackerSettings

log = logging.getLogger(__name__)


class Tracker(Protocol):
    """One mirror."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Pass one row on."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class TensorboardTracker:
    """Event files for TensorBoard in `trackers/tensorboard`.

    Args:
        paths: The run folder.
        resumed_step: TensorBoard hides what earlier attempts wrote beyond this step.
    """

    def __init__(self, paths: RunPaths, resumed_step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise _missing("tensorboard") from error
        folder = str(paths.trackers / "tensorboard")
        purge = resumed_step + 1 if resumed_step >= 0 else None
        self._writer: Any = SummaryWriter(folder, purge_step=purge)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker.write`."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """See `Tracker.close`."""
        self._writer.close()


class WandbTracker:
    """A run at Weights & Biases, online or as files that `wandb sync` sends later.

    Args:
        paths: The run folder; holds the run id.
        settings: Mode and project.
        config: The resolved settings, shown there.
    """

    def __init__(self, paths: RunPaths, settings: TrackerSettings, config: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError as error:
            raise _missing("wandb") from error
        paths.trackers.mkdir(exist_ok=True)
        self._run: Any = wandb.init(
            project=settings.project,
            name=paths.name,
            id=stored_id(paths.trackers / "wandb-id.txt"),
            resume="allow",
            mode="offline" if settings.wandb == "offline" else "online",
            dir=str(paths.trackers),
            config=dict(config),
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker.write`; steps that an earlier attempt sent are refused there, which keeps its curve."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """See `Tracker.close`."""
        self._run.finish()


class TrackioTracker:
    """A run in trackio's local store.

    Args:
        paths: The run folder.
        settings: Project.
        config: The resolved settings, shown there.
    """

    def __init__(self, paths: RunPaths, settings: TrackerSettings, config: Mapping[str, Any]) -> None:
        try:
            import trackio
        except ImportError as error:
            raise _missing("trackio") from error
        self._run: Any = trackio.init(project=settings.project, name=paths.name, resume="allow", config=dict(config))

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """See `Tracker.write`."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """See `Tracker.close`."""
        self._run.finish()


class Trackers:
    """All mirrors of a run, none of which can hurt it.

    Args:
        mirrors: Name -> mirror.
        on_failure: Told the name and the error of a mirror that failed, once.
    """

    def __init__(self, mirrors: Mapping[str, Tracker], on_failure: Callable[[str, Exception], None]) -> None:
        self._mirrors = dict(mirrors)
        self._on_failure = on_failure

    def open(self, name: str, make: Callable[[], Tracker]) -> None:
        """Add a mirror, if it can be had.

        Args:
            name: Of the mirror.
            make: Makes it.

        Raises:
            MissingDependencyError: It is not installed.
        """

        def add() -> None:
            self._mirrors[name] = make()

        self._each({name: add})

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Pass one row on to every mirror that has not failed."""
        self._each({name: partial(mirror.write, step, values) for name, mirror in self._mirrors.items()})

    def close(self) -> None:
        """Close them all."""
        self._each({name: mirror.close for name, mirror in self._mirrors.items()})

    def _each(self, actions: Mapping[str, Callable[[], None]]) -> None:
        """Do something with mirrors by name, and leave those alone with which it fails."""
        for name, action in actions.items():
            try:
                action()
            except MissingDependencyError:
                raise
            except Exception as error:  # noqa: BLE001 - services fail in ways of their own; training must go on
                self._mirrors.pop(name, None)
                log.warning("the tracker %s failed and is left alone from now on: %s", name, error)
                self._on_failure(name, error)


def make_trackers(
    paths: RunPaths,
    settings: TrackerSettings,
    *,
    config: Mapping[str, Any],
    resumed_step: int,
    on_failure: Callable[[str, Exception], None],
) -> Trackers:
    """The mirrors that the settings ask for and that can be had.

    Args:
        paths: The run folder.
        settings: Which.
        config: The resolved settings, for those that show them.
        resumed_step: See `TensorboardTracker`.
        on_failure: Told the name and the error of a mirror that failed, once; also of one that could not be opened.

    Raises:
        MissingDependencyError: One of them is not installed; said at the start, not after an hour.
    """
    trackers = Trackers({}, on_failure)
    if settings.tensorboard:
        trackers.open("tensorboard", lambda: TensorboardTracker(paths, resumed_step))
    if settings.wandb != "off":
        trackers.open("wandb", lambda: WandbTracker(paths, settings, config))
    if settings.trackio:
        trackers.open("trackio", lambda: TrackioTracker(paths, settings, config))
    return trackers


def require_tracker(name: str) -> None:
    """Fail where a mirror's package is not there, without importing it, which takes seconds.

    Args:
        name: `wandb` or `trackio`: of the mirror and of its package.

    Raises:
        MissingDependencyError: It is not installed.
    """
    if find_spec(name) is None:
        raise _missing(name)


def stored_id(path: Path) -> str:
    """An id that is made once and found again by later attempts."""
    if not path.exists():
        write_bytes(path, secrets.token_hex(8).encode())
    return path.read_text().strip()


def _missing(extra: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"The tracker {extra} is not installed", where=f"trackers.{extra}", remedy=f"pip install 'gamefleet[{extra}]'"
    )
