"""Every file name of a fleet, in one place.

Job: say where things lie. Place in the data flow: below the run folder; `store` reads and writes there. Left out:
reading and writing.

    runs/NAME/
    ├─ logs/slurm-JOBID.out  slurm-JOBID.err
    └─ fleet/
       ├─ fleet.json                    what was started: chains, commands, resources
       ├─ identity.json                 its id, written once
       ├─ settings.toml                 the settings that every leg reads
       ├─ stop.json                     the mark that ends all
       ├─ places/0.0003.json             place 0 under the job cap was taken for the third time, by this chain
       └─ m0/                           one chain
          ├─ submissions/0002.json      the second job was about to be handed over
          ├─ submissions/0002.job.json  the one job that counts for it
          ├─ submissions/0002.end.json  why it ended without a leg
          ├─ legs/0002/                 made by mkdir: the fence
          │  └─ leg.json  end.json  alive
          └─ done.json  failed.json  held.json
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = "fleet"
FACTS = "fleet.json"
NUMBERED = re.compile(r"\d{4,}")
MEMBER = re.compile(r"m\d+")
ACCEPTED = "job"
ENDED = "end"


def retry_kind(attempt: int) -> str:
    """What a lost job's next try is called among a submission's records."""
    return f"retry-{attempt}"


def refused_kind(tries: int) -> str:
    """What a refusal is called among a submission's records."""
    return f"refused-{tries}"


def submission_name(number: int, kind: str = "") -> str:
    """The file name of a submission's record, without the folder: a listing says which there are."""
    return f"{number:04d}.{kind}.json" if kind else f"{number:04d}.json"


def leg_name(number: int) -> str:
    """The folder name of a leg."""
    return f"{number:04d}"


def listed(folder: Path | str) -> list[str]:
    """Names in a folder, none while it does not exist: one question to a file server."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def numbers_in(names: Iterable[str], suffix: str = "") -> list[int]:
    """Numbers in names, smallest first."""
    stems = (name.removesuffix(suffix) for name in names if name.endswith(suffix))
    return sorted(int(stem) for stem in stems if NUMBERED.fullmatch(stem))


@dataclass(frozen=True, slots=True)
class ChainPaths:
    """The names of one chain.

    Args:
        root: The folder `runs/NAME/fleet/mK`.
    """

    root: Path

    @property
    def member(self) -> str:
        """The chain's name within its fleet, for example `m0`."""
        return self.root.name

    @property
    def submissions(self) -> Path:
        """Folder of what was handed to the scheduler."""
        return self.root / "submissions"

    @property
    def legs(self) -> Path:
        """Folder of the legs; the highest number holds the run."""
        return self.root / "legs"

    def submission(self, number: int) -> Path:
        """Made before a job is handed over, by the one process that may do so."""
        return self.submissions / submission_name(number)

    def retry(self, number: int, attempt: int) -> Path:
        """Made before a lost job is handed over again."""
        return self.submissions / submission_name(number, retry_kind(attempt))

    def refused(self, number: int, tries: int) -> Path:
        """Why the scheduler said no to one try, from 1."""
        return self.submissions / submission_name(number, refused_kind(tries))

    def accepted(self, number: int) -> Path:
        """The job that counts; all others of the same submission end themselves."""
        return self.submissions / submission_name(number, ACCEPTED)

    def ended(self, number: int) -> Path:
        """Why a job ended without a leg of its own."""
        return self.submissions / submission_name(number, ENDED)

    def leg(self, number: int) -> Path:
        """The fence of one leg."""
        return self.legs / leg_name(number)

    def mark(self, kind: str) -> Path:
        """`done`, `failed` or `held`."""
        return self.root / f"{kind}.json"

    def set_aside_mark(self, kind: str, submission: int) -> Path:
        """A mark that a later start took away; what came up to this submission no longer counts."""
        return self.root / f"{kind}-{submission:04d}.json"

    def numbers(self, folder: Path, suffix: str = "") -> list[int]:
        """Numbers in a folder's names, smallest first."""
        return numbers_in(listed(folder), suffix)


@dataclass(frozen=True, slots=True)
class FleetPaths:
    """The names of one fleet.

    Args:
        root: The folder `runs/NAME`.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """Everything below is the fleet's own."""
        return self.root / FOLDER

    @property
    def facts(self) -> Path:
        """What was started; its presence makes the folder a fleet."""
        return self.folder / FACTS

    @property
    def identity(self) -> Path:
        """Id and birth of the fleet, written once."""
        return self.folder / "identity.json"

    @property
    def settings(self) -> Path:
        """The training settings that every leg reads."""
        return self.folder / "settings.toml"

    @property
    def stop(self) -> Path:
        """The mark that ends all chains."""
        return self.folder / "stop.json"

    @property
    def places(self) -> Path:
        """Folder of the places under the job cap."""
        return self.folder / "places"

    def place(self, index: int, turn: int) -> Path:
        """The place `index`, taken for the `turn`-th time."""
        return self.places / f"{index}.{turn:04d}.json"

    @property
    def scripts(self) -> Path:
        """Folder of the batch scripts, as they were submitted."""
        return self.folder / "scripts"

    @property
    def jobs(self) -> Path:
        """Folder in which jobs without a scheduler are kept."""
        return self.folder / "jobs"

    @property
    def logs(self) -> Path:
        """Folder of the jobs' output."""
        return self.root / "logs"

    def chain(self, member: str) -> ChainPaths:
        """One chain."""
        return ChainPaths(self.folder / member)

    def found_chains(self) -> Iterator[ChainPaths]:
        """The chains that have a folder, in order."""
        names = (path.name for path in self.folder.iterdir() if MEMBER.fullmatch(path.name))
        for name in sorted(names, key=lambda member: int(member[1:])):
            yield self.chain(name)
