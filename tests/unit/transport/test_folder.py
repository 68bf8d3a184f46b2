"""A folder of chunks under everything that may lie in it: nothing is lost silently, nothing hurts, nothing blocks."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.actors.saved import pack
from gamefleet.errors import RunFolderError, StorageFullError
from gamefleet.experience.chunk_file import ChunkContent, ChunkFacts, StoredChunk, encode
from gamefleet.experience.types import Slots
from gamefleet.files import read_json, write_json
from gamefleet.transport.base import ClosedError
from gamefleet.transport.folder import FolderExperienceReceiver, FolderExperienceSender, PlayedChunk
from gamefleet.transport.folder_files import read_chunk, write_chunk
from gamefleet.transport.folder_sent import SentBounds
from gamefleet.transport.folder_unread import TakingBounds
from gamefleet.weights.shared_paths import SharedPaths


class Clock:
    """Time that goes on when it is told to, or waited for."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def paths(tmp_path: Path) -> SharedPaths:
    """A shared folder with a laptop and two learners."""
    found = SharedPaths(tmp_path / "shared")
    for member, kind in (("laptop", "actors"), ("m0", "learner"), ("m1", "learner")):
        found.member(member).mkdir(parents=True)
        write_json(found.card(member), {"kind": kind, "token": "t"})
    found.rejected.mkdir(parents=True)
    return found


def content(number: int = 0) -> ChunkContent:
    times = np.arange(5)
    slots = Slots(
        obs={"screen": np.full((5, 3), number % 256, np.uint8)},
        action=np.zeros(5, np.int16),
        reward=np.full(5, number, np.float32),
        is_first=times == 0,
        is_last=times == 4,
        is_terminal=np.zeros(5, np.bool_),
    )
    return ChunkContent(slots=slots, state=np.zeros((5, 2), np.float32), start=pack(b"start"))


def played(number: int = 0, env: int = 0) -> PlayedChunk:
    return PlayedChunk(env=env, content=content(number), weights_version=0, epsilon=0.1)


CHUNK_BYTES = len(
    encode(
        StoredChunk(
            facts=ChunkFacts(
                member="laptop", environment="e000", seq=0, compatibility="ours", weights_version=0, epsilon=0.1
            ),
            content=content(),
        )
    )
)


def sender_of(
    paths: SharedPaths, clock: Clock, *, capacity_chunks: float = 100.0, **changes: Any
) -> FolderExperienceSender:
    bounds = SentBounds(capacity_bytes=int(capacity_chunks * CHUNK_BYTES), grace_s=100.0)
    parts: dict[str, Any] = {"compatibility": "ours", "live_s": 50.0, **changes}
    return FolderExperienceSender(paths, "laptop", bounds=bounds, monotonic=clock, sleep=clock.sleep, **parts)


def receiver_of(paths: SharedPaths, clock: Clock, me: str = "m0", **changes: Any) -> FolderExperienceReceiver:
    bounds = replace(TakingBounds(patience_s=10.0), **changes)
    return FolderExperienceReceiver(paths, me, compatibility="ours", bounds=bounds, monotonic=clock, sleep=clock.sleep)


def numbers(chunks: list[StoredChunk]) -> list[int]:
    return [int(chunk.content.slots.reward[0]) for chunk in chunks]


def send(sender: FolderExperienceSender, *wanted: int, env: int = 0) -> None:
    for number in wanted:
        assert sender.send(played(number, env), timeout_s=0.0)


def folder_of(paths: SharedPaths) -> Path:
    return paths.environment("laptop", 0)


def blob(paths: SharedPaths, seq: int) -> Path:
    (found,) = folder_of(paths).glob(f"{seq:06d}-*.chunk")
    return found


def test_two_learners_each_take_every_chunk_once(paths: SharedPaths, clock: Clock) -> None:
    send(sender_of(paths, clock), 1, 2, 3)
    for me in ("m0", "m1"):
        receiver = receiver_of(paths, clock, me)
        assert numbers(receiver.take()) == [1, 2, 3]
        assert receiver.take() == []
        receiver.acknowledge()
        assert numbers(receiver_of(paths, clock, me).take()) == []
    assert read_json(paths.reading("m1")) == {"laptop": {"e000": 2}}


def test_a_new_process_goes_on_with_numbers_that_nobody_has_seen(paths: SharedPaths, clock: Clock) -> None:
    send(sender_of(paths, clock), 1, 2)
    receiver = receiver_of(paths, clock)
    receiver.take()
    receiver.acknowledge()
    for path in folder_of(paths).iterdir():
        path.unlink()  # the laptop's disk was cleaned

    send(sender_of(paths, clock), 3)

    assert numbers(receiver.take()) == [3]
    assert sorted(path.name for path in folder_of(paths).glob("*.json")) == ["000002.json"]


def test_what_all_live_learners_have_read_is_removed_but_never_the_newest(paths: SharedPaths, clock: Clock) -> None:
    sender = sender_of(paths, clock)
    send(sender, 1, 2, 3)
    one, other = receiver_of(paths, clock, "m0"), receiver_of(paths, clock, "m1")
    other.acknowledge()  # says that it reads
    one.take()
    one.acknowledge()
    sender.look()
    assert len(list(folder_of(paths).glob("*.json"))) == 3, "m1 has not read them"
    assert sender.unread_bytes == 0

    other.take()
    other.acknowledge()
    sender.look()

    assert [path.stem for path in folder_of(paths).glob("*.json")] == ["000002"]
    assert len(list(folder_of(paths).iterdir())) == 2


def test_a_learner_that_takes_in_no_play_keeps_nobody_waiting(paths: SharedPaths, clock: Clock) -> None:
    sender = sender_of(paths, clock)
    send(sender, 1, 2, 3)
    reader = receiver_of(paths, clock, "m0")  # m1 is a learner, too, but never says how far it has read
    reader.take()
    reader.acknowledge()
    sender.look()

    assert sender.num_readers == 1
    assert [path.stem for path in folder_of(paths).glob("*.json")] == ["000002"]


def test_a_slow_learner_keeps_chunks_only_for_the_grace_period(paths: SharedPaths, clock: Clock) -> None:
    sender = sender_of(paths, clock, live_s=1e9)
    send(sender, 1, 2)
    receiver = receiver_of(paths, clock, "m0")
    receiver.take()
    receiver.acknowledge()

    clock.now = 101.0
    sender.look()

    assert [path.stem for path in folder_of(paths).glob("*.json")] == ["000001"]
    assert numbers(receiver_of(paths, clock, "m1").take()) == [2], "the other learner begins with what is there"


def test_a_dead_learner_holds_nothing_back(paths: SharedPaths, clock: Clock) -> None:
    sender = sender_of(paths, clock, capacity_chunks=2.5)
    send(sender, 1, 2)
    clock.now = 51.0  # no heartbeat changed meanwhile
    assert not sender.send(played(3), timeout_s=0.0), "nobody has read anything"
    assert sender.num_readers == 0

    receiver = receiver_of(paths, clock, "m0")
    receiver.take()
    receiver.acknowledge()

    assert sender.send(played(3), timeout_s=0.0)
    assert sender.num_readers == 1


def test_a_sender_gives_up_waiting_in_time(paths: SharedPaths, clock: Clock) -> None:
    sender = sender_of(paths, clock, capacity_chunks=1.5)
    send(sender, 1)

    assert not sender.send(played(2), timeout_s=30.0)
    assert clock.now == pytest.approx(30.0)
    sender.finish()
    with pytest.raises(ClosedError):
        sender.send(played(2))


def test_nothing_is_made_where_the_shared_folder_was(paths: SharedPaths, clock: Clock, tmp_path: Path) -> None:
    sender = sender_of(paths, clock)
    send(sender, 1)
    paths.root.rename(tmp_path / "elsewhere")

    with pytest.raises(RunFolderError, match="Cannot write"):
        sender.send(played(2), timeout_s=0.0)
    assert not paths.root.exists()

    (tmp_path / "elsewhere").rename(paths.root)
    send(sender, 2)
    assert numbers(receiver_of(paths, clock).take()) == [1, 2]


def test_a_full_disk_is_said_and_the_chunk_can_be_sent_later(
    paths: SharedPaths, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = sender_of(paths, clock)
    send(sender, 1)
    with monkeypatch.context() as full:

        def refuse(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        full.setattr(os, "fsync", refuse)
        with pytest.raises(StorageFullError):
            sender.send(played(2), timeout_s=0.0)

    send(sender, 2)

    assert numbers(receiver_of(paths, clock).take()) == [1, 2]


def test_a_chunk_of_which_a_part_has_arrived_is_waited_for_and_keeps_its_place(
    paths: SharedPaths, clock: Clock
) -> None:
    send(sender_of(paths, clock), 1, 2, 3)
    whole = blob(paths, 1).read_bytes()
    blob(paths, 1).write_bytes(whole[:40])
    receiver = receiver_of(paths, clock)

    assert numbers(receiver.take()) == [1]
    blob(paths, 1).write_bytes(whole)

    assert numbers(receiver.take()) == [2, 3]
    assert receiver.refusals() == []


def test_a_chunk_that_never_becomes_whole_is_passed_over_after_a_while(paths: SharedPaths, clock: Clock) -> None:
    send(sender_of(paths, clock), 1, 2, 3)
    name = blob(paths, 1)
    name.unlink()
    receiver = receiver_of(paths, clock)
    assert numbers(receiver.take()) == [1]
    assert numbers(receiver.take()) == []

    clock.now = 11.0

    assert numbers(receiver.take()) == [3]
    (refusal,) = receiver.refusals()
    assert (refusal.kind, refusal.seq) == ("damaged", 1)
    assert "its data is not" in refusal.reason


def test_a_number_that_is_missing_is_waited_for_and_then_passed_over(paths: SharedPaths, clock: Clock) -> None:
    send(sender_of(paths, clock), 1, 2, 3, 4)
    receiver = receiver_of(paths, clock, quota_chunks=1)
    assert numbers(receiver.take()) == [1]
    for missing, following in ((1, 2), (2, 3)):
        manifest = folder_of(paths) / f"{missing:06d}.json"
        aside = manifest.rename(manifest.with_name("aside"))
        assert numbers(receiver.take()) == []
        if missing == 1:
            aside.rename(manifest)
        else:
            clock.now += 11.0
        assert numbers(receiver.take()) == [following if missing == 1 else 4]

    (refusal,) = receiver.refusals()
    assert (refusal.kind, refusal.seq) == ("gap", 2)


def test_bits_that_flipped_are_named_and_the_rest_is_taken(paths: SharedPaths, clock: Clock) -> None:
    send(sender_of(paths, clock), 1, 2, 3)
    data = bytearray(blob(paths, 1).read_bytes())
    data[50] ^= 1
    blob(paths, 1).write_bytes(data)
    receiver = receiver_of(paths, clock)

    assert numbers(receiver.take()) == [1, 3]
    (refusal,) = receiver.refusals()
    assert (refusal.member, refusal.environment, refusal.seq) == ("laptop", "e000", 1)
    assert "checksum" in refusal.reason


@pytest.mark.parametrize(
    "change",
    [
        {"member": "somebody-else"},
        {"seq": 7},
        {"environment": "e009"},
        {"compatibility": "theirs"},
    ],
)
def test_a_chunk_that_is_not_what_its_place_says_is_refused(
    paths: SharedPaths, clock: Clock, change: dict[str, Any]
) -> None:
    facts = ChunkFacts(member="laptop", environment="e000", seq=0, compatibility="ours", weights_version=0, epsilon=0.1)
    folder_of(paths).mkdir(parents=True)
    write_chunk(folder_of(paths), 0, encode(StoredChunk(facts=replace(facts, **change), content=content())))
    receiver = receiver_of(paths, clock)

    assert receiver.take() == []
    assert [refusal.kind for refusal in receiver.refusals()] == ["refused"]


def test_links_pipes_and_folders_in_place_of_files_hold_nobody_up(paths: SharedPaths, clock: Clock) -> None:
    send(sender_of(paths, clock), 1)
    secret = paths.root / "secret"
    secret.write_bytes(b"not yours")
    folder = folder_of(paths)
    os.mkfifo(folder / "000001.json")
    (folder / "000002.json").mkdir()
    (folder / "000003.json").symlink_to(secret)
    (folder / "000004.json").write_text("[" * 5000)
    manifest = {"blob": "../../../secret", "bytes": 9, "xxh3": "0" * 32}
    (folder / "000005.json").write_text(json.dumps(manifest))
    (folder / "000006.json").write_text(json.dumps({**manifest, "blob": f"000006-{'0' * 12}.chunk", "bytes": 10**15}))
    (paths.members / "..bad").mkdir()
    (paths.members / "a-file").write_text("no folder")
    receiver = receiver_of(paths, clock)

    taken = numbers(receiver.take())
    for _ in range(7):
        clock.now += 11.0
        taken += numbers(receiver.take())

    assert taken == [1]
    assert {refusal.seq for refusal in receiver.refusals()} == {1, 2, 3, 4, 5, 6}


def test_a_file_that_goes_between_listing_and_reading_is_no_error(paths: SharedPaths, tmp_path: Path) -> None:
    assert read_chunk(folder_of(paths) / "000000.json", max_bytes=100).kind == "gone"


def test_a_busy_member_takes_no_more_than_its_quota_and_starves_no_environment(
    paths: SharedPaths, clock: Clock
) -> None:
    sender = sender_of(paths, clock)
    send(sender, *range(10), env=0)
    send(sender, *range(10, 20), env=1)
    paths.member("friend").mkdir()
    write_json(paths.card("friend"), {"kind": "actors", "token": "f"})
    friend = FolderExperienceSender(paths, "friend", compatibility="ours", monotonic=clock, sleep=clock.sleep)
    send(friend, 77)
    receiver = receiver_of(paths, clock, quota_chunks=4)

    assert numbers(receiver.take()) == [77, 0, 10, 1, 11]
    assert numbers(receiver.take()) == [2, 12, 3, 13]
    assert numbers(receiver.take(skip={"laptop"})) == []


def test_a_member_whose_experience_is_in_quarantine_is_not_read(paths: SharedPaths, clock: Clock) -> None:
    send(sender_of(paths, clock), 1)
    write_json(paths.experience_quarantine("laptop"), {"reason": "it cheats"})

    assert receiver_of(paths, clock).take() == []
    paths.experience_quarantine("laptop").unlink()
    assert numbers(receiver_of(paths, clock).take()) == [1]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"laptop": 3}', '{"laptop": {"e000": "x"}}', '{"laptop": {"e000": 1e300}}', "[" * 9999]
)
def test_a_learners_word_that_cannot_be_read_counts_for_nothing(paths: SharedPaths, clock: Clock, text: str) -> None:
    paths.reading("m0").write_text(text)
    sender = sender_of(paths, clock, capacity_chunks=1.5)

    send(sender, 1)
    assert not sender.send(played(2), timeout_s=0.0)
    assert numbers(receiver_of(paths, clock).take()) == [1]


def test_a_learner_that_claims_numbers_that_do_not_exist_does_no_harm(paths: SharedPaths, clock: Clock) -> None:
    write_json(paths.reading("m0"), {"laptop": {"e000": 2**60}})

    send(sender_of(paths, clock), 1)

    assert [path.name for path in folder_of(paths).glob("*.json")] == ["000000.json"]


@given(data=st.binary(max_size=400))
def test_whatever_bytes_lie_in_the_folder_nothing_but_an_answer_comes_out(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("chunks")
    (folder / "000000.json").write_bytes(data)

    assert read_chunk(folder / "000000.json", max_bytes=1000).kind in ("arriving", "damaged")
