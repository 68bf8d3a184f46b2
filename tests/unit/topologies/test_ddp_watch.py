"""The watch names who is silent or stuck."""

import json
import time

import torch.distributed as dist
from tests.waiting import until

from gamefleet.topologies.ddp.group import Group
from gamefleet.topologies.ddp.ranks import Place
from gamefleet.topologies.ddp.watch import Beat, Watch, describe, sentence, watched


def beat(rank: int, step: int, doing: str, *, age_s: float = 0.0) -> Beat:
    return Beat(rank=rank, host=f"n{rank}", step=step, doing=doing, since_s=60.0, age_s=age_s)


def test_a_rank_whose_notes_stopped_is_named() -> None:
    beats = {0: beat(0, 7, "waiting for the other ranks"), 1: beat(1, 7, "learning", age_s=55.0)}

    assert describe(beats, 2) == "rank 1 on n1 at step 7, learning for 60 s, silent for 55 s"


def test_a_rank_that_is_behind_is_named_and_not_those_that_wait_for_it() -> None:
    beats = {rank: beat(rank, 8, "waiting for the other ranks") for rank in (0, 2)}
    beats[1] = beat(1, 7, "waiting for a batch")

    assert describe(beats, 3) == "rank 1 on n1 at step 7, waiting for a batch for 60 s"


def test_a_rank_that_never_left_a_note_is_named() -> None:
    assert (
        describe({0: beat(0, 0, "learning")}, 2) == "rank 1 has left no note; rank 0 on n0 at step 0, learning for 60 s"
    )


def test_a_loop_that_does_not_move_is_ended_with_a_sentence() -> None:
    said: list[str] = []
    group = Group(place=Place(host="here"))
    with watched(group, Watch(), timeout_s=0.2, end=said.append):
        until(lambda: said, "the sentence")

    assert said[0].startswith("rank 0 of 1 on here has been starting for")
    assert said[0].endswith("there are no other ranks")


def test_notes_go_through_the_store() -> None:
    store = dist.HashStore()
    group = Group(place=Place(rank=0, world=2, host="here"), store=store)
    watch = Watch()
    watch.note(3, "learning")
    store.set("beat/1", json.dumps({"step": 2, "doing": "waiting for a batch", "since_s": 9.0, "host": "there"}))
    seen = {1: (store.get("beat/1").decode(), time.monotonic())}

    assert "rank 1 on there at step 2, waiting for a batch for 9 s" in sentence(group, watch, seen, timeout_s=1)


def test_a_rank_that_fails_early_tells_the_others_why() -> None:
    store = dist.HashStore()
    first = Group(place=Place(rank=0, world=2, host="here"), store=store)
    other = Group(place=Place(rank=1, world=2, host="there"), store=store)

    assert first.from_first(lambda: {"a": 1}, name="x") == other.from_first(lambda: {"a": 2}, name="x") == {"a": 1}
