"""A copy of what people look at in a folder of another machine.

Job: fetch the small files of runs, fleets and shared folders, again and again, and nothing that is only good for
training: no checkpoints, replays, weights or experience. Place in the data flow: a folder on a cluster -> rsync over
SSH -> a copy that `watch` reads. Left out: showing it; and copies to train with (`sync`).

Times are carried over, so that the age of a sign of life is right where clocks are. Files that only grow are fetched
from where the copy ends; now and then they are compared as a whole, because a run that is started afresh has shorter
ones.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gamefleet.cluster.ssh import Remote
from gamefleet.cluster.sync.copying import Link
from gamefleet.files import read_json

GROWING = ("metrics/*.jsonl", "events/*.jsonl", "visits/*.jsonl")
OF_RUNS = (
    "manifest.json",
    "state.json",
    "resolved.json",
    "run.toml",
    "attempts/attempt-*.json",
    "media/*",
    "fleet/*.json",
    "fleet/places/*.json",
    "fleet/m*/*.json",
    "fleet/m*/submissions/*.json",
    "fleet/m*/legs/*/*.json",
)
OF_FLEETS = (
    "shared.json",
    "merged/*.json",
    "merged/rejected/*.json",
    "merged/verdicts/*.json",
    "members/*/member.json",
    "members/*/heartbeat.json",
)
LEFT_OUT = (".*", "*.tmp", "replay", "checkpoints", "experience", "weights", "trackers", "logs")
KEEP_TIMES = "-t"
LARGEST_MEDIA = "--max-size=64m"
WHOLE_INTERVAL_S = 300.0
MEMBER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}-m\d{1,4}")
MOST_SIBLINGS = 128


@dataclass(slots=True, kw_only=True)
class Mirror:
    """The copy of one folder.

    Args:
        remote: The folder there.
        local: The copy; its name is the folder's, and copies of its siblings lie beside it.
        clock: Seconds that never run backwards.
    """

    remote: Remote
    local: Path
    clock: Callable[[], float] = time.monotonic
    _compared_at: float = field(default=float("-inf"))

    def refresh(self, link: Link) -> None:
        """Fetch what changed.

        Args:
            link: The open way to `remote`.

        Raises:
            SyncError: Not everything came; what came is whole, but for the ends of files that grow.
        """
        self.local.mkdir(parents=True, exist_ok=True)
        is_whole = self.clock() - self._compared_at > WHOLE_INTERVAL_S
        self._fetch(link, is_whole=is_whole)
        for name in siblings(self.local):
            self._sibling(link, name, is_whole=is_whole)
        if is_whole:
            self._compared_at = self.clock()

    def _sibling(self, link: Link, name: str, *, is_whole: bool) -> None:
        folder = str(PurePosixPath(self.remote.folder).parent / name)
        there = Remote(user=self.remote.user, host=self.remote.host, folder=folder)
        here = self.local.parent / name
        here.mkdir(exist_ok=True)
        beside = Link(host=link.host, remote=there, local=here, ssh=link.ssh, dialect=link.dialect, runner=link.runner)
        self._fetch(beside, is_whole=is_whole)

    def _fetch(self, link: Link, *, is_whole: bool) -> None:
        small = [KEEP_TIMES, *([LARGEST_MEDIA] if link.dialect == "full" else [])]
        grows = [KEEP_TIMES] if is_whole or link.dialect != "full" else [KEEP_TIMES, "--append"]
        for names, options in ((OF_RUNS + OF_FLEETS, small), (GROWING, grows)):
            link.move(link.transfer("", both(names), pushes=False, excluded=LEFT_OUT, options=options))


def both(names: Sequence[str]) -> list[str]:
    """Patterns of the folder itself, and of the folders directly below it."""
    return [f"/{name}" for name in names] + [f"/*/{name}" for name in names]


def siblings(local: Path) -> list[str]:
    """Runs of a fleet of several chains: they lie beside its folder, not in it."""
    chains: object = ()
    with suppress(OSError, ValueError):
        chains = read_json(local / "fleet" / "fleet.json").get("chains", ())
    folders = (
        [chain.get("run_folder") for chain in chains if isinstance(chain, dict)] if isinstance(chains, list) else []
    )
    names = [PurePosixPath(folder).name for folder in folders if isinstance(folder, str)]
    return [name for name in names if name != local.name and MEMBER_NAME.fullmatch(name)][:MOST_SIBLINGS]
