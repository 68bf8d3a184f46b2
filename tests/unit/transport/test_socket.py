"""Experience and weights over a line that breaks and ends that crash."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from gamefleet.experience.types import Slots
from gamefleet.testing.linked_ends import PATIENCE_S, LinkedEnds, accepted, until_connected, until_state
from gamefleet.transport.base import Chunk, ClosedError
from gamefleet.transport.link import REFUSED, Link, Stream
from gamefleet.transport.link_admission import Resume
from gamefleet.transport.socket import SocketExperienceReceiver, SocketExperienceSender
from gamefleet.transport.socket_weights import SocketWeightsReceiver, SocketWeightsSender
from gamefleet.weights.snapshot import Weights


@pytest.fixture
def ends() -> Iterator[LinkedEnds]:
    with LinkedEnds() as opened:
        yield opened


def chunk(number: int) -> Chunk:
    flags = np.zeros(3, np.bool_)
    return Chunk(
        source="run/m0/a0/e0",
        slots=Slots(
            obs={"screen": np.full((3, 20, 18), number % 256, np.uint8)},
            action=np.full(3, number % 9, np.int16),
            reward=np.full(3, number, np.float32),
            is_first=flags,
            is_last=flags,
            is_terminal=flags,
        ),
        state=np.full((3, 5), number, np.float32),
    )


def numbers(receiver: SocketExperienceReceiver, count: int) -> list[int]:
    found = [receiver.receive(PATIENCE_S) for _ in range(count)]
    return [int(one.slots.reward[0]) for one in found if one is not None]


def version(number: int, size: int = 10) -> Weights:
    return Weights(version=number, arrays={"w": np.full(size, number, np.float32)})


def test_a_learner_that_crashes_learns_from_each_chunk_once(ends: LinkedEnds) -> None:
    """Position and what was learned lie in one checkpoint; chunks of no checkpoint come again, others do not."""
    listener = ends.listener()
    sender = SocketExperienceSender(ends.dialer(listener.address).link)
    receiver = SocketExperienceReceiver(accepted(listener), is_durable=True)
    for number in range(10):
        assert sender.send(chunk(number), PATIENCE_S)
    learned = numbers(receiver, 4)
    checkpoint = (list(learned), receiver.position())
    receiver.acknowledge(checkpoint[1])
    learned += numbers(receiver, 3)
    listener.close()

    again = ends.listener(port=listener.address[1], resume=Resume(applied=checkpoint[1]))
    receiver = SocketExperienceReceiver(accepted(again), is_durable=True)
    learned = checkpoint[0] + numbers(receiver, 6)

    assert learned == list(range(10))
    assert receiver.receive(0.1) is None


def test_chunks_outlive_a_line_that_is_cut_again_and_again(ends: LinkedEnds) -> None:
    here, there, line = ends.broken_pair()
    sender, receiver = SocketExperienceSender(here), SocketExperienceReceiver(there)
    found = []
    for number in range(30):
        assert sender.send(chunk(number), PATIENCE_S)
        if number % 5 == 0:
            line.reset()
        if number % 3 == 0:
            found += numbers(receiver, 1)
    found += numbers(receiver, 30 - len(found))

    assert found == list(range(30))
    assert receiver.receive(0.1) is None


BAD = {
    "another kind": ("weights", {"source": "s", "arrays": []}, []),
    "no source": ("chunk", {"arrays": []}, []),
    "no arrays": ("chunk", {"source": "s"}, []),
    "arrays that are missing": ("chunk", {"source": "s", "arrays": []}, []),
    "an object type": ("chunk", {"source": "s", "arrays": [["action", "object", [1]]]}, [bytes(8)]),
    "a size that does not fit": ("chunk", {"source": "s", "arrays": [["action", "int16", [3]]]}, [bytes(8)]),
    "a negative axis": ("chunk", {"source": "s", "arrays": [["action", "int16", [-3]]]}, [bytes(8)]),
    "axes that overflow": ("chunk", {"source": "s", "arrays": [["action", "int16", [2**39, 2**39, 0]]]}, [b""]),
    "a name twice": ("chunk", {"source": "s", "arrays": [["a", "uint8", [1]], ["a", "uint8", [1]]]}, [b"x", b"x"]),
    "a boolean of two": ("chunk", {"source": "s", "arrays": [["is_first", "bool", [1]]]}, [b"\x02"]),
    "a description that is a text": ("chunk", {"source": "s", "arrays": "action"}, []),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_chunk_ends_the_link_with_a_sentence(ends: LinkedEnds, name: str) -> None:
    here, there = ends.pair()
    kind, header, payload = BAD[name]
    assert here.send(kind, header, payload, stream=Stream.BATCHES)
    receiver = SocketExperienceReceiver(there)

    with pytest.raises(ClosedError):
        receiver.receive(PATIENCE_S)

    assert until_state(here, REFUSED).why
    with pytest.raises(ClosedError):
        receiver.receive(0.0)


def test_weights_that_are_no_weights_end_the_link_too(ends: LinkedEnds) -> None:
    here, there = ends.pair()
    receiver = SocketWeightsReceiver(there)
    assert here.send("weights", {"version": -1, "arrays": []}, stream=Stream.WEIGHTS)

    assert until_state(here, REFUSED).why
    assert receiver.newest(after=-1, timeout_s=PATIENCE_S) is None


def test_a_slow_line_carries_few_versions_and_the_last_one(ends: LinkedEnds) -> None:
    here, there, line = ends.broken_pair()
    until_connected(here)
    line.bytes_per_s = 4e6
    sender, receiver = SocketWeightsSender(there), SocketWeightsReceiver(here)
    seen = []
    for number in range(50):
        sender.publish(version(number, 100_000))
    while not seen or seen[-1] < 49:
        found = receiver.newest(after=seen[-1] if seen else -1, timeout_s=PATIENCE_S)
        assert found is not None
        seen.append(found.version)

    assert len(seen) < 10
    assert seen == sorted(seen)


def test_publishing_waits_for_nobody(ends: LinkedEnds) -> None:
    here, _, line = ends.broken_pair()
    line.take_down()
    sender = SocketWeightsSender(here)

    for number in range(1000):
        sender.publish(version(number, 100_000))


def test_a_policy_that_starts_again_is_given_the_newest_weights(ends: LinkedEnds) -> None:
    listener = ends.listener()
    sender = SocketWeightsSender(ends.dialer(listener.address).link)
    sender.publish(version(7))
    assert SocketWeightsReceiver(accepted(listener)).newest(after=6, timeout_s=PATIENCE_S) is not None
    listener.close()

    again: Link = accepted(ends.listener(port=listener.address[1]))
    found = SocketWeightsReceiver(again).newest(after=-1, timeout_s=PATIENCE_S)

    assert found is not None
    assert found.version == 7
