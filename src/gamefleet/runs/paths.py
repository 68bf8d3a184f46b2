"""Every file name of the run folder, in one place.

Job: say where things lie. Place in the data flow: writers and readers of a run ask here, nobody joins paths by hand.
Left out: reading and writing.

    runs/NAME/
    ├─ run.toml  resolved.json  manifest.json  state.json
    ├─ attempts/attempt-001.json            who held the folder, from when to when
    ├─ checkpoints/step-000123456/          model.safetensors optimizer.safetensors ... replay/ state.json MANIFEST.json
    ├─ metrics/<writer>.jsonl  events/<writer>.jsonl  visits/<writer>.jsonl
    ├─ logs/attempt-001/<role>.log
    ├─ stream/                              where those who watch are found
    ├─ fleet/                               the jobs that carry the run, when a fleet does
    ├─ media/
    └─ trackers/                            ids and files of mirrors such as tensorboard
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ATTEMPT_FILE = re.compile(r"attempt-(\d{3,})\.json")
CHECKPOINT_FOLDER = re.compile(r"step-(\d{9,})")
CHECKPOINT_MANIFEST = "MANIFEST.json"
CHECKPOINT_STATE = "state.json"
REPLAY_FOLDER = "replay"
SET_ASIDE_PREFIX = "unreadable-"
PART_SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class RunPaths:
    """The names of one run folder.

    Args:
        root: The folder `runs/NAME`.
    """

    root: Path

    @property
    def name(self) -> str:
        """The run's name."""
        return self.root.name

    @property
    def asked(self) -> Path:
        """The settings as the user asked for them."""
        return self.root / "run.toml"

    @property
    def resolved(self) -> Path:
        """All settings, defaults included."""
        return self.root / "resolved.json"

    @property
    def manifest(self) -> Path:
        """Format version, game, seed, code version, compatibility."""
        return self.root / "manifest.json"

    @property
    def state(self) -> Path:
        """Where the run stands, small and readable."""
        return self.root / "state.json"

    @property
    def attempts(self) -> Path:
        """Folder of the claims, one file per start of the run."""
        return self.root / "attempts"

    @property
    def fleet(self) -> Path:
        """Folder of the fleet whose jobs carry the run; `carried` looks into it, the fleet alone writes."""
        return self.root / "fleet"

    @property
    def stream(self) -> Path:
        """Folder in which players and viewers find each other; `transport.rendezvous` writes and reads it."""
        return self.root / "stream"

    @property
    def logs(self) -> Path:
        """Folder of the logs, of attempts and of jobs."""
        return self.root / "logs"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.root / "checkpoints"

    @property
    def media(self) -> Path:
        """Folder of videos and pictures."""
        return self.root / "media"

    @property
    def metrics_folder(self) -> Path:
        """Folder of the metrics files."""
        return self.root / "metrics"

    @property
    def events_folder(self) -> Path:
        """Folder of the event files."""
        return self.root / "events"

    @property
    def visits_folder(self) -> Path:
        """Folder of the visits files."""
        return self.root / "visits"

    @property
    def trackers(self) -> Path:
        """Folder of what trackers keep."""
        return self.root / "trackers"

    def metrics(self, writer: str) -> Path:
        """The metrics file of one writer."""
        return self.metrics_folder / f"{writer}.jsonl"

    def events(self, writer: str) -> Path:
        """The event file of one writer."""
        return self.events_folder / f"{writer}.jsonl"

    def visits(self, writer: str) -> Path:
        """The file of one writer that says where its players went."""
        return self.visits_folder / f"{writer}.jsonl"

    def attempt(self, number: int) -> Path:
        """The claim of one attempt."""
        return self.attempts / f"attempt-{number:03d}.json"

    def log(self, attempt: int, role: str) -> Path:
        """The log of one role in one attempt."""
        return self.logs / f"attempt-{attempt:03d}" / f"{role}.log"

    def checkpoint(self, step: int) -> Path:
        """The checkpoint of one step."""
        return self.checkpoints / f"step-{step:09d}"

    def found_checkpoints(self) -> list[tuple[int, Path]]:
        """Checkpoint folders that have their final name, as (step, folder), oldest first."""
        return found(self.checkpoints, CHECKPOINT_FOLDER)

    def found_attempts(self) -> list[tuple[int, Path]]:
        """Claims, as (number, file), oldest first."""
        return found(self.attempts, ATTEMPT_FILE)


def found(folder: Path, pattern: re.Pattern[str]) -> list[tuple[int, Path]]:
    """Entries of `folder` whose whole name matches, as (the number in the name, path), smallest number first."""
    if not folder.is_dir():
        return []
    matches = ((pattern.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match.group(1)), path) for match, path in matches if match)
