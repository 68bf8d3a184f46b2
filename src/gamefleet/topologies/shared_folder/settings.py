"""Settings of a fleet whose members share a folder, free of heavy imports so that `config show` starts fast.

Job: whether and how a run shares weights and experience. Place in the data flow: section `collaboration` of
`RunConfig`. Left out: how contributions are merged (`weights.settings`), which is nested here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from gamefleet.errors import ConfigError
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import check_member, is_member

DEFAULT_FOLDER = "~/shared_weights"

PART = "member"
"""Name of the checkpoint's part that holds a member's place among the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """How merged versions are tried out, and when an earlier one is taken back.

    Args:
        every_versions: A version whose number is a multiple of this is evaluated; 0 never evaluates.
        episodes: Per evaluation, on seeds that stay the same.
        max_episode_steps: Steps after which such an episode is cut.
        max_drop: A version is taken back when its mean return lies below the median of the last accepted ones by more
            than this share of it.
        least_verdicts: Accepted versions that there must be before one can be taken back.
    """

    every_versions: int = 50
    episodes: int = 4
    max_episode_steps: int = 1_000
    max_drop: float = 0.5
    least_verdicts: int = 3

    def __post_init__(self) -> None:
        """Refuse numbers without meaning.

        Raises:
            ConfigError: Names the setting and its range.
        """
        check_range("gate.every_versions", self.every_versions, 0)
        check_range("gate.episodes", self.episodes, 1)
        check_range("gate.max_episode_steps", self.max_episode_steps, 1)
        check_range("gate.max_drop", self.max_drop, 0.0)
        check_range("gate.least_verdicts", self.least_verdicts, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollaborationSettings:
    """How a run takes part in a fleet.

    Args:
        enabled: Share weights through the folder.
        shared_dir: The folder that the members share.
        member: Name of this member; empty takes the run's name. It stays the same over all attempts of the run.
        may_merge: Whether this process reaches the shared folder itself; False on a copy that is synchronised.
        sync_interval_updates: Updates between two contributions.
        share_weights: Contribute weights and go on from merged ones.
        share_experience: Write what this member plays into the shared folder, for the others' replays.
        accept_experience: Take in what other members played.
        experience_capacity_steps: Slots of others' play that are remembered, apart from one's own.
        max_foreign_share: At most this share of a batch is others' play, 0 to 1.
        chunk_steps: Steps per piece of experience that is handed over.
        verify_first: The first so many pieces of a member are played again before they count.
        verify_share: Share of the later ones that is played again.
        merge: How contributions become merged versions.
        gate: How merged versions are tried out.
    """

    enabled: bool = False
    shared_dir: str = DEFAULT_FOLDER
    member: str = ""
    may_merge: bool = True
    sync_interval_updates: int = 50
    share_weights: bool = True
    share_experience: bool = False
    accept_experience: bool = True
    experience_capacity_steps: int = 200_000
    max_foreign_share: float = 0.5
    chunk_steps: int = 400
    verify_first: int = 20
    verify_share: float = 0.05
    merge: MergeSettings = field(default_factory=MergeSettings)
    gate: GateSettings = field(default_factory=GateSettings)

    def __post_init__(self) -> None:
        """Refuse numbers and names that no member can work with.

        Raises:
            ConfigError: Names the setting and its range.
        """
        check_range("sync_interval_updates", self.sync_interval_updates, 1)
        check_range("experience_capacity_steps", self.experience_capacity_steps, 1)
        check_range("max_foreign_share", self.max_foreign_share, 0.0, 1.0)
        check_range("chunk_steps", self.chunk_steps, 2)
        check_range("verify_first", self.verify_first, 0)
        check_range("verify_share", self.verify_share, 0.0, 1.0)
        if self.member:
            check_member(self.member)

    @property
    def folder(self) -> Path:
        """The shared folder, with `~` put in."""
        return Path(self.shared_dir).expanduser()


def member_name(settings: CollaborationSettings, run_name: str) -> str:
    """The name of a member: as set, or made of the run's name."""
    return settings.member or safe_member_name(run_name)


def safe_member_name(text: str) -> str:
    """A name that a folder of members may have, made of any text, such as a host's name."""
    safe = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:60] or "member"
    return safe if is_member(safe) else f"{safe}-m"


def check_range(name: str, value: float, least: float, most: float = float("inf")) -> None:
    """Raise `ConfigError` unless a setting of the section lies in its range."""
    if not least <= value <= most:
        bounds = f"{least:g} or more" if most == float("inf") else f"a number from {least:g} to {most:g}"
        raise ConfigError(
            "A number is out of its range", value=value, where=f"collaboration.{name}", remedy=f"Choose {bounds}."
        )
