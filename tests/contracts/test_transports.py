"""Every transport of experience loses nothing, and every transport of weights keeps the newest.

A new transport joins by adding a function to `EXPERIENCE` or `WEIGHTS` that makes both its ends. A transport whose
members come and go (a folder) cannot say that nothing more comes: `ENDING` names those that can.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.waiting import PATIENCE_S

from gamefleet.actors.saved import pack
from gamefleet.experience.chunk_file import ChunkContent, ChunkFacts, StoredChunk, encode
from gamefleet.experience.types import Slots
from gamefleet.files import write_json
from gamefleet.transport.base import (
    Chunk,
    ClosedError,
    ExperienceReceiver,
    ExperienceSender,
    WeightsReceiver,
    WeightsSender,
)
from gamefleet.transport.folder import FolderExperienceReceiver, FolderExperienceSender, PlayedChunk
from gamefleet.transport.folder_sent import SentBounds
from gamefleet.transport.folder_unread import TakingBounds
from gamefleet.transport.folder_weights import SharedWeights
from gamefleet.transport.link import Link
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.link_listener import Listener
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.memory import MemoryExperience, MemoryWeights
from gamefleet.transport.socket import SocketExperienceReceiver, SocketExperienceSender, arrays_of
from gamefleet.transport.socket_arrays import describe
from gamefleet.transport.socket_weights import SocketWeightsReceiver, SocketWeightsSender
from gamefleet.transport.token import new_token
from gamefleet.transport.wire import encode_message
from gamefleet.weights.content import NETWORK, Content
from gamefleet.weights.manifests import Blob, SharedFacts, Version, as_json
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.snapshot import Weights
from gamefleet.weights.store import SharedStore

NUM_CHUNKS = 50

ExperienceEnds = tuple[ExperienceSender, ExperienceReceiver]
WeightsEnds = tuple[WeightsSender, WeightsReceiver]


def experience_in_memory(capacity_chunks: int, folder: Path) -> ExperienceEnds:
    channel = MemoryExperience(capacity_chunks * CHUNK_BYTES)
    return channel, channel


class FolderSender:
    """Sends plain chunks as the files of a member: each source is one of its environments."""

    def __init__(self, sender: FolderExperienceSender) -> None:
        self._sender = sender

    def send(self, chunk: Chunk, timeout_s: float | None = None) -> bool:
        return self._sender.send(played(chunk), timeout_s)

    def finish(self) -> None:
        self._sender.finish()


class FolderReceiver:
    def __init__(self, receiver: FolderExperienceReceiver) -> None:
        self._receiver = receiver

    def receive(self, timeout_s: float | None = None) -> Chunk | None:
        stored = self._receiver.receive(timeout_s)
        return None if stored is None else plain(stored)

    def close(self) -> None:
        self._receiver.close()


def played(chunk: Chunk) -> PlayedChunk:
    env = int(chunk.source.split("/")[2].removeprefix("a"))
    content = ChunkContent(slots=chunk.slots, state=chunk.state, start=pack(chunk.source.encode()))
    return PlayedChunk(env=env, content=content, weights_version=0, epsilon=0.0)


def plain(stored: StoredChunk) -> Chunk:
    env = int(stored.facts.environment.removeprefix("e"))
    return Chunk(source=f"run/m0/a{env}/e0", slots=stored.content.slots, state=stored.content.state)


def experience_in_a_folder(capacity_chunks: int, folder: Path) -> ExperienceEnds:
    paths = SharedPaths(folder)
    for member, kind in (("laptop", "actors"), ("learner", "learner")):
        paths.member(member).mkdir(parents=True)
        write_json(paths.card(member), {"kind": kind})
    chunk_bytes = len(encode(StoredChunk(facts=FACTS, content=played(chunk(0)).content)))
    sender = FolderExperienceSender(
        paths,
        "laptop",
        compatibility="ours",
        bounds=SentBounds(capacity_bytes=int((capacity_chunks + 0.4) * chunk_bytes)),  # files differ by some bytes
    )
    bounds = TakingBounds(quota_chunks=capacity_chunks)
    receiver = FolderExperienceReceiver(paths, "learner", compatibility="ours", bounds=bounds)
    return FolderSender(sender), FolderReceiver(receiver)


def weights_in_memory(folder: Path) -> WeightsEnds:
    channel = MemoryWeights()
    return channel, channel


class FolderMerger:
    """Writes weights as merged versions of a shared folder."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store

    def publish(self, weights: Weights) -> None:
        content = Content(arrays={f"{NETWORK}{name}": array for name, array in weights.arrays.items()})
        blob = Blob(name="", size_bytes=0, xxh3="")
        draft = Version(
            version=weights.version, lineage="", parent=weights.version - 1, kind="merge", rule={}, blob=blob
        )
        self._store.write_version(draft, content, {})

    def close(self) -> None:
        raise AssertionError("a folder is never closed")


def weights_in_a_folder(folder: Path) -> WeightsEnds:
    paths = SharedPaths(folder)
    paths.merged.mkdir(parents=True)
    facts = SharedFacts(fleet="f", game_name="g", settings={}, compatibility={"hash": "", "parts": {}}, seed=0)
    write_json(paths.shared, as_json(facts))
    ours, theirs = (SharedStore(paths, clock=lambda: 0.0) for _ in range(2))
    return FolderMerger(ours), SharedWeights(theirs)


@dataclass
class Linked:
    """Both ends of a link over 127.0.0.1."""

    listener: Listener
    dialer: Dialer

    def far(self) -> Link:
        found = self.listener.accept(PATIENCE_S)
        assert found is not None, "no link came for a minute"
        return found


@pytest.fixture(autouse=True)
def opened() -> Iterator[list[Linked]]:
    """What a test opened, closed after it."""
    links: list[Linked] = []
    OPENED.append(links)
    yield links
    OPENED.pop()
    for linked in links:
        linked.dialer.close(linger_s=0.0)
        linked.listener.close()


OPENED: list[list[Linked]] = []


def linked(window_bytes: int) -> Linked:
    token, settings = new_token(), LinkSettings(window_bytes=window_bytes)
    listener = Listener(
        "127.0.0.1", 0, token, name="learner", role="learner", peer_role="coordinator", settings=settings
    )
    dialer = Dialer(
        lambda timeout_s: socket.create_connection(listener.address, timeout_s),
        token,
        name="coordinator",
        role="coordinator",
        peer_role="learner",
        settings=settings,
    )
    OPENED[-1].append(Linked(listener, dialer))
    return OPENED[-1][-1]


def experience_over_a_link(capacity_chunks: int, folder: Path) -> ExperienceEnds:
    facts, parts = describe(arrays_of(chunk(0)))
    size = encode_message("chunk", {"source": chunk(0).source, "arrays": facts}, parts).num_bytes
    ends = linked(int((capacity_chunks + 0.4) * size))
    return SocketExperienceSender(ends.dialer.link), SocketExperienceReceiver(ends.far())


class PatientSender:
    """Publishes, and waits until it has arrived: a line takes a moment, and the tests look at once."""

    def __init__(self, ends: Linked) -> None:
        self._link = ends.dialer.link
        self._sender = SocketWeightsSender(self._link)
        self._receiver = SocketWeightsReceiver(ends.far())
        self._newest = -1

    @property
    def receiver(self) -> WeightsReceiver:
        return self._receiver

    def publish(self, weights: Weights) -> None:
        self._sender.publish(weights)
        self._newest = max(self._newest, weights.version)
        assert self._receiver.newest(after=self._newest - 1, timeout_s=PATIENCE_S) is not None

    def close(self) -> None:
        self._sender.close()


def weights_over_a_link(folder: Path) -> WeightsEnds:
    sender = PatientSender(linked(2**20))
    return sender, sender.receiver


EXPERIENCE: dict[str, Callable[[int, Path], ExperienceEnds]] = {
    "memory": experience_in_memory,
    "folder": experience_in_a_folder,
    "socket": experience_over_a_link,
}
ENDING = ("memory", "socket")
WEIGHTS: dict[str, Callable[[Path], WeightsEnds]] = {
    "memory": weights_in_memory,
    "folder": weights_in_a_folder,
    "socket": weights_over_a_link,
}
ENDING_WEIGHTS = ("memory", "socket")


def chunk(number: int, source: str = "run/m0/a0/e0", num_slots: int = 4) -> Chunk:
    return Chunk(
        source=source,
        slots=Slots(
            obs={"screen": np.full((num_slots, 3), number % 256, np.uint8)},
            action=np.full(num_slots, number % 9, np.int16),
            reward=np.full(num_slots, number, np.float32),
            is_first=np.zeros(num_slots, np.bool_),
            is_last=np.zeros(num_slots, np.bool_),
            is_terminal=np.zeros(num_slots, np.bool_),
        ),
        state=np.full((num_slots, 2), number, np.float32),
    )


CHUNK_BYTES = chunk(0).num_bytes
FACTS = ChunkFacts(member="laptop", environment="e000", seq=0, compatibility="ours", weights_version=0, epsilon=0.0)


def number_of(received: Chunk | None) -> int:
    assert received is not None
    return int(received.slots.reward[0])


def take(receiver: ExperienceReceiver, count: int) -> list[Chunk]:
    """So many chunks, and then no more."""
    received = []
    for _ in range(count):
        found = receiver.receive(PATIENCE_S)
        assert found is not None, "nothing came for a minute"
        received.append(found)
    return received


@pytest.fixture(params=EXPERIENCE)
def experience(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], ExperienceEnds]:
    return lambda capacity_chunks: EXPERIENCE[request.param](capacity_chunks, tmp_path)


@pytest.fixture(params=ENDING)
def ending(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], ExperienceEnds]:
    return lambda capacity_chunks: EXPERIENCE[request.param](capacity_chunks, tmp_path)


@pytest.fixture(params=WEIGHTS)
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> WeightsEnds:
    return WEIGHTS[request.param](tmp_path)


@pytest.fixture(params=ENDING_WEIGHTS)
def ending_weights(request: pytest.FixtureRequest, tmp_path: Path) -> WeightsEnds:
    return WEIGHTS[request.param](tmp_path)


def test_a_chunk_arrives_equal_in_value_type_and_shape(experience: Callable[[int], ExperienceEnds]) -> None:
    sender, receiver = experience(10)
    sent = chunk(7)
    assert sender.send(sent, PATIENCE_S)

    received = receiver.receive(PATIENCE_S)

    assert received is not None
    assert (received.source, received.num_bytes) == (sent.source, sent.num_bytes)
    for name in ("action", "reward", "is_first", "is_last", "is_terminal"):
        found, wanted = getattr(received.slots, name), getattr(sent.slots, name)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
    assert received.slots.obs["screen"].dtype == np.uint8
    np.testing.assert_array_equal(received.slots.obs["screen"], sent.slots.obs["screen"])
    np.testing.assert_array_equal(received.state, sent.state)


@pytest.mark.parametrize("capacity_chunks", [1, 3, 1000])
def test_every_chunk_arrives_once_and_in_order(
    experience: Callable[[int], ExperienceEnds], capacity_chunks: int
) -> None:
    sender, receiver = experience(capacity_chunks)

    def send_all() -> None:
        for number in range(NUM_CHUNKS):
            assert sender.send(chunk(number), PATIENCE_S)

    with ThreadPoolExecutor(1) as thread:
        sending = thread.submit(send_all)
        received = take(receiver, NUM_CHUNKS)
        sending.result(PATIENCE_S)

    assert [number_of(found) for found in received] == list(range(NUM_CHUNKS))
    assert receiver.receive(timeout_s=0.0) is None


def test_chunks_of_several_senders_keep_the_order_of_their_source(experience: Callable[[int], ExperienceEnds]) -> None:
    sender, receiver = experience(2)
    sources = [f"run/m0/a{actor}/e0" for actor in range(4)]

    def send_all(source: str) -> None:
        for number in range(25):
            assert sender.send(chunk(number, source), PATIENCE_S)

    with ThreadPoolExecutor(5) as threads:
        receiving = threads.submit(take, receiver, 100)
        for sending in [threads.submit(send_all, source) for source in sources]:
            sending.result(PATIENCE_S)
        received = receiving.result(PATIENCE_S)

    assert receiver.receive(timeout_s=0.0) is None
    for source in sources:
        assert [number_of(found) for found in received if found.source == source] == list(range(25))


def test_what_was_sent_and_not_received_is_bounded(experience: Callable[[int], ExperienceEnds]) -> None:
    sender, receiver = experience(3)

    accepted = [number for number in range(5) if sender.send(chunk(number), timeout_s=0.0)]

    assert accepted == [0, 1, 2]
    assert number_of(receiver.receive(PATIENCE_S)) == 0
    assert sender.send(chunk(3), PATIENCE_S)
    assert [number_of(found) for found in take(receiver, 3)] == [1, 2, 3]


def test_a_sender_that_waits_goes_on_when_there_is_room(experience: Callable[[int], ExperienceEnds]) -> None:
    sender, receiver = experience(1)
    assert sender.send(chunk(0), PATIENCE_S)

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(sender.send, chunk(1), PATIENCE_S)
        assert number_of(receiver.receive(PATIENCE_S)) == 0
        assert waiting.result(PATIENCE_S)

    assert number_of(receiver.receive(PATIENCE_S)) == 1


def test_a_chunk_larger_than_the_bound_passes_alone(experience: Callable[[int], ExperienceEnds]) -> None:
    sender, receiver = experience(1)

    assert sender.send(chunk(1, num_slots=50), PATIENCE_S)
    assert not sender.send(chunk(2), timeout_s=0.0)
    assert number_of(receiver.receive(PATIENCE_S)) == 1


def test_without_a_chunk_the_receiver_comes_back_empty_handed(experience: Callable[[int], ExperienceEnds]) -> None:
    assert experience(1)[1].receive(timeout_s=0.01) is None


def test_after_the_end_everything_is_received_and_then_the_end(ending: Callable[[int], ExperienceEnds]) -> None:
    sender, receiver = ending(10)
    sender.send(chunk(0), PATIENCE_S)
    sender.finish()

    assert number_of(receiver.receive(PATIENCE_S)) == 0
    for _ in range(2):
        with pytest.raises(ClosedError):
            receiver.receive(PATIENCE_S)
    with pytest.raises(ClosedError):
        sender.send(chunk(1), PATIENCE_S)


def test_the_end_wakes_a_receiver_that_waits(ending: Callable[[int], ExperienceEnds]) -> None:
    sender, receiver = ending(1)

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(receiver.receive, PATIENCE_S)
        sender.finish()
        with pytest.raises(ClosedError):
            waiting.result(PATIENCE_S)


def test_a_receiver_that_goes_away_wakes_senders_that_wait(ending: Callable[[int], ExperienceEnds]) -> None:
    sender, receiver = ending(1)
    assert sender.send(chunk(0), PATIENCE_S)

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(sender.send, chunk(1), PATIENCE_S)
        receiver.close()
        with pytest.raises(ClosedError):
            waiting.result(PATIENCE_S)
    with pytest.raises(ClosedError):
        sender.send(chunk(2), PATIENCE_S)
    with pytest.raises(ClosedError):
        receiver.receive(PATIENCE_S)


def version(number: int) -> Weights:
    return Weights(version=number, arrays={"w": np.full(3, number, np.float32)})


def test_before_the_first_weights_there_are_none(weights: WeightsEnds) -> None:
    assert weights[1].newest(after=-1) is None


def test_published_weights_arrive_equal_in_value_type_and_shape(weights: WeightsEnds) -> None:
    sender, receiver = weights
    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array(3, np.int64)}
    sender.publish(Weights(version=5, arrays=arrays))

    found = receiver.newest(after=4, timeout_s=PATIENCE_S)

    assert found is not None
    assert (found.version, sorted(found.arrays), found.num_bytes) == (5, ["count", "w"], 32)
    for name, array in arrays.items():
        assert (found.arrays[name].dtype, found.arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(found.arrays[name], array)


def test_a_reader_that_was_away_gets_only_the_newest(weights: WeightsEnds) -> None:
    sender, receiver = weights
    for number in range(10):
        sender.publish(version(number))

    found = receiver.newest(after=-1, timeout_s=PATIENCE_S)

    assert found is not None
    assert found.version == 9
    assert receiver.newest(after=9) is None


def test_weights_that_come_late_never_replace_newer_ones(weights: WeightsEnds) -> None:
    sender, receiver = weights
    for number in (3, 7, 5, 7):
        sender.publish(version(number))

    found = receiver.newest(after=3, timeout_s=PATIENCE_S)

    assert found is not None
    assert found.version == 7


def test_a_reader_can_wait_for_newer_weights(weights: WeightsEnds) -> None:
    sender, receiver = weights
    sender.publish(version(1))

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(lambda: receiver.newest(after=1, timeout_s=PATIENCE_S))
        sender.publish(version(2))
        found = waiting.result(PATIENCE_S)

    assert found is not None
    assert found.version == 2


def test_a_closed_sender_wakes_readers_and_leaves_its_newest_weights(ending_weights: WeightsEnds) -> None:
    sender, receiver = ending_weights
    sender.publish(version(1))

    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(lambda: receiver.newest(after=1, timeout_s=PATIENCE_S))
        sender.close()
        assert waiting.result(PATIENCE_S) is None
    found = receiver.newest(after=0, timeout_s=PATIENCE_S)
    assert found is not None
    assert found.version == 1


def test_versions_only_grow_for_every_reader_while_they_are_published(weights: WeightsEnds) -> None:
    sender, receiver = weights

    def read_all() -> list[int]:
        seen = [-1]
        while seen[-1] < 100:
            found = receiver.newest(after=seen[-1], timeout_s=PATIENCE_S)
            assert found is not None, "nothing newer came"
            assert set(found.arrays["w"].tolist()) == {float(found.version)}
            seen.append(found.version)
        return seen

    with ThreadPoolExecutor(3) as threads:
        readers = [threads.submit(read_all) for _ in range(3)]
        for number in range(101):
            sender.publish(version(number))
        for reader in readers:
            seen = reader.result(PATIENCE_S)
            assert seen == sorted(set(seen))
