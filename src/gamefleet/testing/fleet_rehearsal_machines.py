"""The machines of a fleet's rehearsal: a cluster with its shared folder, and two laptops.

Job: put them up, watch them, wait for them, take them down. Place in the data flow: `fleet_rehearsal` lets things
happen to them. Left out: what happens, and what came of it.
"""

from __future__ import annotations

import getpass
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gamefleet.testing.fleet_rehearsal_account import Death, handed_over, taken_in
from gamefleet.testing.fleet_rehearsal_laptops import CLUSTER_NAME, Laptop, draw, set_up
from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings
from gamefleet.testing.local_ssh import LocalSsh
from gamefleet.testing.rehearsal_chains import Chains
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

FLEET = "red"
CHAINS = ("m0", "m1")
PATIENCE_S = 300.0
LOOK_INTERVAL_S = 3.0
PULSE_S = 30.0


@dataclass(slots=True, kw_only=True)
class Machines:
    """All of them, up.

    Args:
        chains: On the cluster.
        shared: The shared folder there.
        laptops: The one that plays, the one that learns.
        chance: Decides who dies.
    """

    chains: Chains
    shared: SharedPaths
    laptops: tuple[Laptop, ...]
    chance: random.Random
    deaths: list[Death] = field(default_factory=list)
    versions_at: dict[str, int] = field(default_factory=dict)
    _pulse_at: float = field(default_factory=time.monotonic)

    def tell(self, text: str) -> None:
        """Say something with the time since the beginning."""
        self.chains.tell(text)

    @property
    def store(self) -> SharedStore:
        """Reads the shared folder."""
        return SharedStore(self.shared, clock=time.time)

    @property
    def learners(self) -> tuple[str, ...]:
        """Members that the chains are."""
        return tuple(f"{self.chains.name}-{chain}" for chain in CHAINS)

    def run_folder(self, member: str) -> Path:
        """Of a member that learns."""
        own = [laptop.runs_folder for laptop in self.laptops if laptop.name == member]
        return (own[0] if own else self.chains.runs_folder) / member

    def works(self, laptop: Laptop, since: Death | None = None) -> bool:
        """Whether something that a laptop did (after a death) has been used by the cluster."""
        chunks = sum(seq + 1 for seq in since.chunks.values()) if since else 0
        contribution = max(since.published, default=0) if since else 0
        head = self.store.head()
        is_merged = head is not None and head.included.get(laptop.name, 0) > contribution
        return self.read_by_one(laptop) > chunks and (is_merged or not laptop.learns)

    def read_by_one(self, laptop: Laptop) -> int:
        """Chunks of a laptop that the learner that is furthest has taken in."""
        return max(taken_in(self.shared, learner, laptop.name) for learner in self.learners)

    def deeds(self, laptop: Laptop) -> str:
        """What a laptop gave so far."""
        head = self.store.head()
        totals = head.totals.get(laptop.name) if head else None
        merged = f", contributions merged {totals.merges}" if totals else ""
        return f"chunks taken in {self.read_by_one(laptop)}{merged}"

    def mourn(self, death: Death) -> None:
        """Write a death down."""
        head = self.store.head()
        self.deaths.append(death)
        self.versions_at[death.how] = head.version if head else 0
        self.tell(f"KILLED {death.how}, at version {self.versions_at[death.how]}")

    def stop(self) -> None:
        """Ctrl-C on the laptops, then the end of the chains."""
        for laptop in self.laptops:
            laptop.end()
            self.tell(f"{laptop.name}: Ctrl-C; it handed over what it had")
        self.chains.stop()

    def until_time(self, seconds: float) -> None:
        """Let time pass."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, "time")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something, saying now and then how far all are.

        Raises:
            RuntimeError: It did not come true, or a laptop ended by itself.
        """
        give_up_at = time.monotonic() + PATIENCE_S
        while not condition():
            for laptop in self.laptops:
                laptop.check()
            if time.monotonic() > give_up_at:
                raise RuntimeError(f"in vain for {PATIENCE_S:.0f} s: {what}")
            if time.monotonic() - self._pulse_at > PULSE_S:
                self._pulse_at = time.monotonic()
                self.pulse()
            time.sleep(LOOK_INTERVAL_S)

    def pulse(self) -> None:
        """One line about where all are."""
        head = self.store.head()
        if head is None:
            return
        merged = ", ".join(f"{member} {totals.samples:,}" for member, totals in sorted(head.totals.items()))
        chunks = ", ".join(
            f"{laptop.name} {sum(seq + 1 for seq in handed_over(self.shared, laptop.name).values())}"
            for laptop in self.laptops
        )
        self.tell(f"    version {head.version}; steps in it: {merged or 'none'}; chunks: {chunks}")


@contextmanager
def machines(
    folder: Path, words: tuple[tuple[str, ...], ...], *, seed: int, has_accounting: bool, say: Callable[[str], None]
) -> Iterator[Machines]:
    """Put up the SLURM, the sshd and the laptops; all of it ends with the block.

    Args:
        folder: Is made; everybody lives in it.
        words: For `gamefleet actors`, of each laptop.
        seed: Decides who dies.
        has_accounting: As in `LocalSlurmSettings`; takes some seconds longer.
        say: Tells whoever watches.
    """
    cluster, server = folder / "cluster", folder / "cluster" / "sshd"
    names = ("alices-laptop", "bobs-laptop")
    for path in (cluster / "runs", cluster / "shared_weights", *(folder / name for name in names)):
        path.mkdir(parents=True)
    server.mkdir(mode=0o700)
    remote = f"{getpass.getuser()}@{CLUSTER_NAME}:{cluster / 'shared_weights'}"
    laptops = tuple(
        Laptop(
            name=name,
            words=more,
            folder=folder / name,
            remote=remote,
            veil=draw([cluster, *(folder / other for other in names if other != name)]),
        )
        for name, more in zip(names, words, strict=True)
    )
    with ExitStack() as stack:
        slurm = stack.enter_context(LocalSlurm(LocalSlurmSettings(has_accounting=has_accounting)))
        sshd = stack.enter_context(LocalSsh(server))
        for laptop in laptops:
            set_up(laptop, sshd)
            stack.callback(laptop.cut_power)
        chains = Chains(slurm=slurm, name=FLEET, runs_folder=cluster / "runs", say=say)
        yield Machines(
            chains=chains, shared=SharedPaths(cluster / "shared_weights"), laptops=laptops, chance=random.Random(seed)
        )
