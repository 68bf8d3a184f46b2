"""Every file name of the shared folder, in one place.

Job: know the names, so that nobody else spells them. Place in the data flow: under everything that reads or writes the
shared folder of a fleet: weights, experience, synchronisation. Left out: what the files hold.

    SHARED/
    ├─ shared.json                      what the fleet trains; written once
    ├─ merged/                          made by home processes only; laptops pull it
    │  ├─ 000013.json                   manifest of merged version 13, written after its blob
    │  ├─ 000013-<12 hex>.safetensors   its blob
    │  ├─ rejected/                     what is in quarantine, and why
    │  └─ verdicts/000010.json          what the evaluation gate measured of a version
    └─ members/<id>/                    written by its owner only
       ├─ member.json heartbeat.json reading.json
       ├─ weights/000012.json + 000012-<12 hex>.safetensors
       └─ experience/e003/000034.json + 000034-<12 hex>.chunk
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from gamefleet.errors import ConfigError
from gamefleet.identity import MEMBER_PATTERN
from gamefleet.untrusted import is_real_folder

NUMBERED_PATTERN = re.compile(r"([0-9]{6,12})\.json")
REJECTION_PATTERN = re.compile(r"([a-z0-9][a-z0-9._-]{0,62})-([0-9]{6,12})\.json")


FARTHEST_JUMP = 100_000_000
"""A number so far above the one before is nobody's next one, but a prank or an accident that must not end counting."""


def is_member(name: str) -> bool:
    """Whether this can be the name of a member."""
    # The last two would make file names in `rejected/` that mean something else.
    return MEMBER_PATTERN.fullmatch(name) is not None and not re.search(r"-[0-9]{6,}$|\.experience$", name)


def check_member(member: str) -> str:
    """Give back a member's id, or fail: it becomes a folder's name on every machine of the fleet.

    Raises:
        ConfigError: It is not made of what every file system takes.
    """
    if not is_member(member):
        raise ConfigError(
            "This cannot be the name of a member",
            value=member,
            where="collaboration.member",
            remedy="Use up to 63 lower-case letters, digits, dots, dashes and underscores, beginning with a letter or "
            "a digit, and ending neither in six digits after a dash nor in '.experience'.",
        )
    return member


def numbered(folder: Path) -> list[int]:
    """Numbers of the manifests in a folder, ascending, up to the first absurd one; no folder has none."""
    try:
        names = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    numbers = sorted(int(found[1]) for name in names if (found := NUMBERED_PATTERN.fullmatch(name)))
    jumps = (at for at, (one, other) in enumerate(pairwise([0, *numbers])) if other - one > FARTHEST_JUMP)
    return numbers[: next(jumps, len(numbers))]


@dataclass(frozen=True, slots=True)
class SharedPaths:
    """The names in one shared folder.

    Args:
        root: The folder.
    """

    root: Path

    @property
    def shared(self) -> Path:
        """What the fleet trains."""
        return self.root / "shared.json"

    @property
    def merged(self) -> Path:
        """Folder of the merged versions."""
        return self.root / "merged"

    @property
    def rejected(self) -> Path:
        """Folder of what is in quarantine."""
        return self.merged / "rejected"

    @property
    def verdicts(self) -> Path:
        """Folder of what the evaluation gate measured."""
        return self.merged / "verdicts"

    @property
    def members(self) -> Path:
        """Folder of the members' folders."""
        return self.root / "members"

    def version(self, version: int) -> Path:
        """Manifest of a merged version."""
        return self.merged / f"{version:06d}.json"

    def verdict(self, version: int) -> Path:
        """What the evaluation gate measured of a version."""
        return self.verdicts / f"{version:06d}.json"

    def rejection(self, member: str, seq: int) -> Path:
        """A contribution in quarantine."""
        return self.rejected / f"{member}-{seq:06d}.json"

    def quarantine(self, member: str) -> Path:
        """A whole member's weights in quarantine."""
        return self.rejected / f"{member}.json"

    def experience_quarantine(self, member: str) -> Path:
        """A whole member's experience in quarantine."""
        return self.rejected / f"{member}.experience.json"

    def member(self, member: str) -> Path:
        """A member's folder."""
        return self.members / member

    def card(self, member: str) -> Path:
        """Who a member is."""
        return self.member(member) / "member.json"

    def heartbeat(self, member: str) -> Path:
        """That a member is alive, and how far it is."""
        return self.member(member) / "heartbeat.json"

    def reading(self, member: str) -> Path:
        """Which experience a learner has taken in."""
        return self.member(member) / "reading.json"

    def clock(self, member: str) -> Path:
        """A file that its owner touches to learn the file server's time; readers ignore its name."""
        return self.member(member) / ".tmp-clock"

    def weights(self, member: str) -> Path:
        """Folder of a member's contributions."""
        return self.member(member) / "weights"

    def contribution(self, member: str, seq: int) -> Path:
        """Manifest of a contribution."""
        return self.weights(member) / f"{seq:06d}.json"

    def experience(self, member: str) -> Path:
        """Folder of a member's experience, with one folder per environment."""
        return self.member(member) / "experience"

    def environment(self, member: str, environment: int) -> Path:
        """Folder of the chunks of one environment."""
        return self.experience(member) / f"e{environment:03d}"

    def chunk(self, member: str, environment: int, seq: int) -> Path:
        """Manifest of a chunk."""
        return self.environment(member, environment) / f"{seq:06d}.json"

    def member_ids(self) -> Iterator[str]:
        """Members that have a folder, sorted; what cannot be a member's name is not one, and neither is a link."""
        try:
            names = sorted(path.name for path in self.members.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return
        yield from (name for name in names if is_member(name) and is_real_folder(self.members / name))


def blob_name(number: int, checksum: str, suffix: str) -> str:
    """Name of a blob: its manifest's number, the first 12 hex digits of its checksum, and a suffix with its dot."""
    return f"{number:06d}-{checksum[:12]}{suffix}"
