"""A chain survives a thousand histories of faults: one successor, the cap kept, progress to the end.

The scheduler is scripted and time is virtual; the records, the decisions and the legs are the real ones, on disk.
What the real SLURM does is tested beside this.
"""

import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gamefleet.cluster.carrier
import gamefleet.cluster.leg
from gamefleet.cluster.chain_view import ChainView
from gamefleet.cluster.fleet import ChainFacts, write_facts
from gamefleet.cluster.fleet_paths import FleetPaths
from gamefleet.cluster.store import begin_submission
from gamefleet.testing.chain_faults import live
from gamefleet.testing.chain_history import History
from gamefleet.testing.chain_work import HOUR_S, Training
from gamefleet.testing.scripted_slurm import Faults

FOUND = (2693,)
"""Histories beyond the thousand in which something did not hold once."""

NUM_HISTORIES = 1000
PER_TEST = 100


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where there is a place for it: a history writes thousands of small files durably."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Histories are full of warnings."""
    caplog.set_level(logging.CRITICAL)


def broken(folder: Path, seed: int) -> str:
    """Live through a history; returns what did not hold, with what happened before, or nothing."""
    history = History(folder / str(seed), seed)
    try:
        live(history)
    except AssertionError as error:
        return "\n".join([f"history {seed}: {error}", *history.work.happened[-30:]])
    return ""


def test_a_chain_survives_some_histories_of_faults(folder: Path) -> None:
    assert [found for seed in (*range(15), *FOUND) if (found := broken(folder, seed))] == []


@pytest.mark.long
@pytest.mark.parametrize("first", range(15, NUM_HISTORIES + 15, PER_TEST))
def test_a_chain_survives_many_histories_of_faults(folder: Path, first: int) -> None:
    assert [found for seed in range(first, first + PER_TEST) if (found := broken(folder, seed))] == []


@pytest.mark.parametrize("cap", [1, 2, 4])
def test_chains_above_the_cap_follow_one_another_with_nobody_looking(folder: Path, cap: int) -> None:
    """Without faults, and without a user who starts and asks: the last jobs of the first chains are all there is."""
    for seed in range(6):
        history = History(folder / str(seed), seed)
        calm_down(history, cap=cap, chains=cap + 3)
        history.start()
        history.world.run_until(history.world.now + 30 * 24 * HOUR_S)
        assert history.is_done(), f"history {seed}: {history.runs}"


def calm_down(history: History, *, cap: int, chains: int) -> None:
    """No faults, and chains of one length, which end at the same time or nearly so."""
    history.slurm.faults = Faults()
    history.slurm.bystanders.clear()
    history.slurm.max_running = None
    members = [f"m{index}" for index in range(chains)]
    history.runs.clear()
    history.runs.update({member: Training(target=40_000) for member in members})
    chain_facts = tuple(ChainFacts(member=member, run_folder=member, command=("train",)) for member in members)
    history.facts = replace(history.facts, chains=chain_facts, max_jobs=cap)
    write_facts(FleetPaths(history.folder), history.facts)
    history.work.max_jobs = cap


def count_broken(folder: Path, seeds: range) -> int:
    return sum(bool(broken(folder, seed)) for seed in seeds)


@pytest.mark.long
def test_histories_notice_a_submission_that_anybody_may_make(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def anybody(*rest: Any, **named: Any) -> bool:
        begin_submission(*rest, **named)
        return True

    monkeypatch.setattr(gamefleet.cluster.carrier, "begin_submission", anybody)
    monkeypatch.setattr(gamefleet.cluster.leg, "accept_job", lambda paths, number, job, now: job)

    assert count_broken(folder, range(25)) > 0


@pytest.mark.long
def test_histories_notice_a_job_that_does_not_look_for_another_at_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gamefleet.cluster.leg, "may_begin", lambda *rest: "")

    assert count_broken(folder, range(25)) > 0


@pytest.mark.long
def test_histories_notice_a_missing_fence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("chain_work", "chain_faults"):
        monkeypatch.setattr(f"gamefleet.testing.{place}.must_end", lambda fleet, chain, number: False)

    assert count_broken(folder, range(25)) > 0


@pytest.mark.long
def test_histories_notice_a_cap_that_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_have_a_place(fleet: object, views: object, view: ChainView, answer: object) -> ChainView:
        return replace(view, has_place=True)

    monkeypatch.setattr(gamefleet.cluster.carrier, "with_place", all_have_a_place)

    assert count_broken(folder, range(25)) > 0
