"""The loop alone: an evaluation that goes on is no hang; batches are on their way while ranks wait for each other."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch

from gamefleet.learners.sequence_batch import Mover
from gamefleet.learners.sequence_losses import SUMS
from gamefleet.topologies.ddp.watch import Watch
from gamefleet.topologies.sequence import training
from gamefleet.topologies.sequence.training import SequenceAttempt, carried_step, evaluated

BATCH_S, SHOWING_S, BATCHES = 400.0, 300.0, 5


def test_an_evaluation_is_no_hang_while_its_batches_end(monkeypatch: Any) -> None:
    now, stuck = [0.0], []
    watch = Watch(lambda: now[0])

    def spend(seconds: float) -> None:
        now[0] += seconds
        stuck.append(watch.stuck_s)

    def examine(_batch: Any) -> torch.Tensor:
        spend(BATCH_S)
        return torch.ones(len(SUMS))

    monkeypatch.setattr(training, "begun", lambda _mover, batch: batch)
    learner = SimpleNamespace(network=torch.nn.Linear(1, 1), examine=examine)
    attempt = SimpleNamespace(
        step=7,
        watch=watch,
        mover=Mover(torch.device("cpu")),
        learner=learner,
        aside=lambda: iter(range(BATCHES)),
        group=SimpleNamespace(total=lambda sums: sums),
        speed=SimpleNamespace(note_pause=lambda seconds: None),
        writer=object(),
        show=lambda _learner, _step: spend(SHOWING_S),
    )

    row = evaluated(cast(SequenceAttempt, attempt))

    assert stuck == [*[BATCH_S] * BATCHES, SHOWING_S], "seconds of one batch, and not of all that came before"
    assert row["evaluation/policy_loss"] == 1.0
    assert learner.network.training
    assert np.isfinite(list(row.values())).all()


def test_a_step_s_batches_are_copied_while_ranks_wait_and_learned_from_once_they_are_there(monkeypatch: Any) -> None:
    said: list[str] = []
    batches = [SimpleNamespace(arrays=number, segment=None, position=None, cursor_after=number) for number in range(2)]

    def agree(_attempt: Any, _batches: Any) -> tuple[Any, str]:
        said.append("agree")
        return np.array([3.0, 4.0, 0.0]), ""

    def begin(arrays: int, _segment: Any, _position: Any) -> str:
        said.append(f"begin {arrays}")
        return f"batch {arrays}"

    monkeypatch.setattr(training, "step_batches", lambda _loader: batches)
    monkeypatch.setattr(training, "agreed", agree)
    attempt = SimpleNamespace(
        step=0,
        watch=Watch(),
        loader=None,
        config=SimpleNamespace(run=SimpleNamespace(seed=0)),
        group=SimpleNamespace(place=SimpleNamespace(rank=0), explained=lambda _doing: nullcontext()),
        mover=SimpleNamespace(begin=begin, finish=lambda: said.append("finish")),
        learner=SimpleNamespace(
            device=torch.device("cpu"), update=lambda moved, totals: said.append(f"learn {moved} {totals.tolist()}")
        ),
        speed=SimpleNamespace(note_batches=lambda _batches: None),
        times=SimpleNamespace(note_round=lambda _seconds: False),
        writer=None,
        cursor=None,
        decisions=0,
    )

    assert carried_step(cast(SequenceAttempt, attempt)) == ""

    learned = "learn ['batch 0', 'batch 1'] [3.0, 4.0]"
    assert said == ["begin 0", "begin 1", "agree", "finish", learned]
    assert (attempt.cursor, attempt.decisions) == (1, 4)
