"""The fleet rehearsal: two chains of SLURM jobs and two laptops train one agent, and some of them are killed.

Job: show on one machine what guide 1 describes for a cluster and friends' laptops, and that deaths cost little and
break nothing. Place in the data flow: `make fleet-demo`, and in its shorter form a test; everything is done by the
commands that users call, over a real SLURM, a real sshd and rsync. Left out: GPUs, other machines, other users. What
keeps the laptops apart from the cluster is said in `fleet_rehearsal_laptops`.

One laptop only plays and hands over what it played; the other one also learns, and contributes weights. Who is
killed first, when, and which job how (`scancel`, or its node dies) is drawn by chance; the number that repeats the draw
is printed. The laptops lose their power.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gamefleet.testing.fleet_rehearsal_account import died
from gamefleet.testing.fleet_rehearsal_end import Ending, report
from gamefleet.testing.fleet_rehearsal_laptops import Laptop
from gamefleet.testing.fleet_rehearsal_machines import CHAINS, Machines, machines
from gamefleet.testing.rehearsal_chains import PARTITION, is_training, saved_by_itself

TIME_LIMIT = "0:02:00"
WAYS = ("scancel", "node")
GAMES = 2
"""Played by each laptop at a time."""

SETTINGS = (
    "run.total_steps=100_000_000",
    "run.checkpoint_interval_steps=1_500",
    "run.metrics_interval_steps=250",
    "actors.num_envs=4",
    "actors.num_workers=0",
    "learner.learning_starts_steps=500",
    "replay.capacity_steps=20_000",
    "collaboration.enabled=true",
    "collaboration.sync_interval_updates=5",
    "collaboration.experience_capacity_steps=20_000",
    "collaboration.verify_first=4",
    "collaboration.merge.wait_s=10",
    "collaboration.merge.live_s=60",
    "collaboration.merge.grace_s=3600",  # all versions stay: the account goes through every one of them
)
"""On top of the settings file: four members on two cores."""

LEARNING = (
    "collaboration.sync_interval_updates=10",
    "run.checkpoint_interval_steps=1_000",
    "run.metrics_interval_steps=250",
)
"""Of the laptop that learns."""


def laptops_words() -> tuple[tuple[str, ...], ...]:
    """What each laptop says after `gamefleet actors`: one plays, one also learns."""
    games = ("--num-envs", str(GAMES))
    return games, (*games, "--contribute", *(word for setting in LEARNING for word in ("--set", setting)))


def start(fleet: Machines, config: Path) -> None:
    """Start the chains, then the laptops, and wait until all four do their work."""
    words = ["fleet", "start", "--config", str(config), "--run", fleet.chains.name, "--partition", PARTITION]
    words += ["--ddp-world-size", str(len(CHAINS)), "--time-limit", TIME_LIMIT, "--cpus", "2"]
    shown = ("collaboration.enabled=true", f"collaboration.shared_dir={fleet.shared.root}")
    own = (shown[1], f"run.runs_folder={fleet.chains.runs_folder}")
    assignments = [word for setting in (*SETTINGS, *own) for word in ("--set", setting)]
    fleet.chains.gamefleet(*words, *assignments)
    fleet.tell(f"cluster$ {shlex.join(['gamefleet', *words])} --set {' --set '.join(shown)} (and small sizes)")
    fleet.until(lambda: all(is_training(chain, 1) for chain in fleet.chains.look()), "both jobs train")
    fleet.tell(f"both jobs train, and share {fleet.shared.root}")
    for laptop in fleet.laptops:
        laptop.start()
        fleet.tell(f"{laptop.name}$ {shlex.join(laptop.command)}")
    for laptop in fleet.laptops:
        fleet.until(partial(fleet.works, laptop), f"{laptop.name} takes part")
        fleet.tell(f"{laptop.name} takes part: {fleet.deeds(laptop)}")


def kill_job(fleet: Machines, chain: str, way: str) -> None:
    """Kill a job that has trained for a while, at some moment, and see its chain go on."""
    leg = fleet.chains.settled_leg(chain)
    fleet.until_time(fleet.chance.uniform(0.0, 10.0))
    while (newest := fleet.chains.settled_leg(chain))["number"] != leg["number"]:  # its time was over meanwhile
        leg = newest
    member = f"{fleet.chains.name}-{chain}"
    how = f"job {leg['job']} of {member} by {way if way == 'scancel' else 'the death of its node ' + leg['host']}"
    if way == "scancel":
        fleet.chains.slurm.run("scancel", leg["job"])
    else:
        fleet.chains.slurm.kill_node(leg["host"])
    fleet.mourn(died(fleet.shared, member, how, leg=leg["number"], run=fleet.run_folder(member)))
    fleet.until(lambda: is_training(fleet.chains.chain(chain), leg["number"] + 1), f"{member} goes on")
    fleet.tell(f"{member} goes on: leg {leg['number'] + 1} trains")
    if way != "scancel":
        fleet.chains.slurm.start_node(leg["host"])


def kill_laptop(fleet: Machines, laptop: Laptop) -> None:
    """Cut the power of a laptop at some moment, start it again, and see that it takes part again."""
    fleet.until_time(fleet.chance.uniform(0.0, 10.0))
    laptop.check()
    count = laptop.cut_power()
    how = f"{laptop.name} by SIGKILL to its {count} processes"
    run = fleet.run_folder(laptop.name) if laptop.learns else None
    death = died(laptop.copy, laptop.name, how, run=run)
    fleet.mourn(death)
    fleet.until_time(fleet.chance.uniform(2.0, 6.0))
    laptop.start()
    fleet.tell(f"{laptop.name}$ (the same command again)")
    fleet.until(lambda: fleet.works(laptop, death), f"{laptop.name} takes part again")
    fleet.tell(f"{laptop.name} takes part again: {fleet.deeds(laptop)}")


def victims(fleet: Machines, *, short: bool) -> list[tuple[str, str, Laptop]]:
    """Who is killed, by chance: a chain's job, the way of its death, and a laptop; both of each unless it is short."""
    chains, laptops = fleet.chance.sample(CHAINS, 2), fleet.chance.sample(fleet.laptops, 2)
    ways = ["scancel"] if short else fleet.chance.sample(WAYS, 2)
    return list(zip(chains, ways, laptops, strict=False))


def see_limits(fleet: Machines, number: int) -> None:
    """Wait until so many jobs of each chain have ended before their time limit, saved, and were followed."""

    def are_seen() -> bool:
        return all(sum(map(saved_by_itself, chain["legs"][:-1])) >= number for chain in fleet.chains.look())

    fleet.until(are_seen, f"{number} time limits of each chain")
    fleet.tell(f"time limits that each chain has gone across: {number}; jobs saved, ended, and were followed")


def rehearse(config: Path, folder: Path, *, seed: int, short: bool, say: Callable[[str], None]) -> Ending:
    """Go through all of it.

    Args:
        config: Settings file.
        folder: Is made; the cluster and the laptops live in it.
        seed: Decides who dies.
        short: One death of each kind, no time limits.
        say: Tells whoever watches.

    Raises:
        RuntimeError: Something did not happen in time.
    """
    with machines(folder, laptops_words(), seed=seed, has_accounting=not short, say=say) as fleet:
        fleet.tell(f"a SLURM with four nodes and an sshd are up; chance decides by --seed {seed}")
        hidden = all(laptop.veil.is_drawn for laptop in fleet.laptops)
        how = "the cluster's folders are hidden from them" if hidden else "this system allows no hiding of folders"
        fleet.tell(f"two laptops, with homes and keys of their own ({how}), in {folder}")
        start(fleet, config)
        if not short:
            see_limits(fleet, 1)
        for chain, way, laptop in victims(fleet, short=short):
            kill_job(fleet, chain, way)
            kill_laptop(fleet, laptop)
        if not short:
            see_limits(fleet, 2)
        fleet.stop()
        return Ending(
            chains=fleet.chains.look(),
            seconds=fleet.chains.seconds,
            runs={
                member: fleet.run_folder(member) for member in (*fleet.learners, *(one.name for one in fleet.laptops))
            },
            shared=fleet.shared,
            laptops=fleet.laptops,
            deaths=tuple(fleet.deaths),
            versions_at=fleet.versions_at,
            unfinished=GAMES * 400,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse, print the account, and fail if anything is not as it must be."""
    parser = argparse.ArgumentParser(description="Rehearse a fleet of jobs and laptops on this machine.")
    parser.add_argument("--config", type=Path, default=Path("configs/demo.toml"))
    parser.add_argument("--folder", type=Path, default=Path("runs") / f"fleet-demo-{time.strftime('%Y%m%d-%H%M%S')}")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000, help="decides who is killed")
    parser.add_argument("--short", action="store_true", help="one death of each kind, no time limits")
    asked = parser.parse_args(arguments)

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    folder = asked.folder.absolute()
    try:
        ending = rehearse(asked.config.absolute(), folder, seed=asked.seed, short=asked.short, say=say)
    except RuntimeError as error:
        say(f"The rehearsal failed: {error}\nWhat everybody wrote is in {folder}.")
        return 1
    troubles = report(ending, say)
    if troubles:
        say(f"The rehearsal failed: {troubles[0]}. What everybody wrote is in {folder}.")
    return int(bool(troubles))


if __name__ == "__main__":
    sys.exit(main())
