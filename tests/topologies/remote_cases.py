"""What can happen to a learner and its coordinator, done to real processes, and what it cost.

Each case runs a small run whose result is known from one machine, does something to it, and returns how it went. The
hash of the final weights says whether an update was lost or applied twice.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import xxhash
from tests.topologies.remote_ends import EXACT, QUICK, RUN, RemoteEnds, free_port
from tests.topologies.remote_pair import settings_of, solo, weights_hash
from tests.waiting import until

from gamefleet.files import read_json, write_json
from gamefleet.testing.faulty_line import FaultyLine
from gamefleet.testing.local_ssh import LocalSsh
from gamefleet.testing.network_namespaces import NetworkNamespaces
from gamefleet.transport.link_endpoint import Endpoint
from gamefleet.transport.link_settings import LinkSettings, LinkTimes
from gamefleet.transport.link_state import Peer
from gamefleet.transport.token import new_token
from gamefleet.transport.wire import HEAD, PROTOCOL, FrameKind, Hello, Stream, WireError, frame
from gamefleet.transport.wire_reader import FrameReader

OFTEN: dict[str, Any] = {"run": {"checkpoint_interval_steps": 90}}
"""Joint checkpoints every fifteen steps of the games, so that a run that is killed again and again gets on."""


@dataclass(kw_only=True)
class Found:
    """How a case went.

    Args:
        what: It is.
        times: It was done.
        detected_s: After each, until the coordinator said that it pauses.
        resumed_s: After each end of the trouble, until both worked again.
        is_equal: Whether the result is that of an uncut run.
        is_run: Whether there was a run at all.
        remark: Else worth knowing.
    """

    what: str
    times: int = 1
    detected_s: list[float] = field(default_factory=list)
    resumed_s: list[float] = field(default_factory=list)
    is_equal: bool = False
    is_run: bool = True
    remark: str = ""


@cache
def wanted() -> str:
    """Hash of the weights after the run on one machine."""
    with tempfile.TemporaryDirectory() as folder:
        return weights_hash(solo(settings_of(Path(folder), "alone")))


@contextmanager
def ends(**options: Any) -> Iterator[RemoteEnds]:
    """Both processes with a folder of their own."""
    with tempfile.TemporaryDirectory() as folder, RemoteEnds(Path(folder), **options) as opened:
        yield opened


def begun(both: RemoteEnds) -> None:
    """Start both, and wait until there is a joint checkpoint."""
    both.start_both()
    until(lambda: both.checkpoints("coordinator"), "a joint checkpoint")


def finished(both: RemoteEnds, found: Found) -> Found:
    """Wait for the end of the run."""
    found.is_equal = both.finish() == wanted()
    return found


def killed(who: str, times: int, seed: int = 0) -> Found:
    """`kill -9` at random moments, and another process right after it."""
    rng, found = random.Random(seed), Found(what=f"`kill -9` of the {who}", times=0)
    while found.times < times:
        with ends(**OFTEN) as both:
            both.start_both()
            while found.times < times and both.is_alive("coordinator"):
                before = time.time()
                until(lambda: both.is_alive("learner"), "a learner")
                time.sleep(0.2 + 1.5 * rng.random())
                if not both.is_alive("coordinator"):
                    break
                both.kill(who)
                before = time.time()
                found.times += 1
                (both.start_learner if who == "learner" else both.start_coordinator)()
                both.when("learner", "the coordinator", after=before) if both.is_alive("coordinator") else None
                found.resumed_s.append(time.time() - before)
            is_equal = both.finish() == wanted()
            assert is_equal, "another result"
    found.is_equal = True
    return found


def asleep(seconds: float, times: LinkTimes = QUICK) -> Found:
    """The learner's machine sleeps in the middle of the work."""
    found = Found(what=f"the learner sleeps for {seconds:g} s (SIGSTOP)")
    with ends(times=times, **OFTEN) as both:
        begun(both)
        both.freeze("learner")
        before = time.time()
        found.detected_s.append(both.when("coordinator", "paused:", after=before) - before)
        time.sleep(max(0.0, before + seconds - time.time()))
        both.thaw("learner")
        before = time.time()
        found.resumed_s.append(both.when("coordinator", "is back", after=before) - before)
        return finished(both, found)


def half_open(seconds: float, times: LinkTimes = QUICK) -> Found:
    """Packets are dropped without a word, in both directions."""
    found = Found(what=f"packets are dropped without a word for {seconds:g} s (namespaces)")
    with NetworkNamespaces() as line, ends(line=line, times=times, **OFTEN) as both:
        begun(both)
        line.cut()
        before = time.time()
        found.detected_s.append(both.when("coordinator", "paused:", after=before) - before)
        time.sleep(max(0.0, before + seconds - time.time()))
        line.restore()
        before = time.time()
        found.resumed_s.append(both.when("coordinator", "is back", after=before) - before)
        return finished(both, found)


def older_checkpoint() -> Found:
    """The learner dies and loses the newest checkpoint that it had acknowledged."""
    found = Found(what="the learner starts again from an older checkpoint")
    with ends(**OFTEN) as both:
        both.start_both()
        until(lambda: len(both.checkpoints("coordinator")) > 1, "two joint checkpoints")
        both.freeze("coordinator")  # on a busy machine it might come to its end meanwhile
        both.kill("learner")
        before = time.time()
        joint = both.checkpoints("coordinator")[-1].name
        for newer in [checkpoint for checkpoint in both.checkpoints() if checkpoint.name >= joint]:
            shutil.rmtree(newer)
        both.start_learner()
        both.thaw("coordinator")
        found.resumed_s.append(both.when("coordinator", "going back", after=before) - before)
        return finished(both, found)


def disturbed(times: int, seed: int = 0) -> Found:
    """Pieces of the line's bytes come twice, in another order, or with a bit changed."""
    rng, found = random.Random(seed), Found(what="bytes repeated, exchanged or changed on the line", times=0)
    with ends(**OFTEN) as both, FaultyLine(("127.0.0.1", both.place.port)) as line:
        both.called_port = line.address[1]
        both.start_both()
        both.when("learner", "the coordinator")
        while found.times < times and both.is_alive("coordinator"):
            time.sleep(0.1 + 0.2 * rng.random())
            rng.choice((line.repeat, line.exchange, line.flip))()
            found.times += 1
        finished(both, found)
        found.remark = f"{line.num_connections - 1} new connections"
        return found


def tunnel(times: int) -> Found:
    """The line is an `ssh -R` through a real sshd; its client is killed and started again."""
    found = Found(what="`ssh -R` killed and restarted after 1.5 s", times=times)
    folder = Path(tempfile.mkdtemp())
    try:
        with ends(**OFTEN) as both, LocalSsh(folder) as server:
            both.called_port = free_port()
            forward = f"127.0.0.1:{both.called_port}:127.0.0.1:{both.place.port}"
            options = ["-T", "-o", "ExitOnForwardFailure=yes", "-o", "ConnectionAttempts=5", "-R", forward]
            command = ["ssh", "-F", str(server.config), *options, server.host, "cat"]
            ssh = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            try:
                begun(both)
                for _ in range(times):
                    hung_up(ssh)
                    before = time.time()
                    found.detected_s.append(both.when("coordinator", "paused:", after=before) - before)
                    time.sleep(max(0.0, before + 1.5 - time.time()))
                    ssh = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
                    before = time.time()
                    found.resumed_s.append(both.when("coordinator", "is back", after=before) - before)
                return finished(both, found)
            finally:
                hung_up(ssh)
    finally:
        shutil.rmtree(folder)


def hung_up(ssh: subprocess.Popen[bytes]) -> None:
    """End a process whose input we hold."""
    ssh.kill()
    with ssh:  # waits, and closes the pipe
        pass


def two_coordinators() -> Found:
    """A second process of the same run, which does not know of the first, takes over; the first one must stop."""
    found = Found(what="a second coordinator of the same run (a copy of its folder) takes over")
    with ends(**OFTEN) as first, ends(**OFTEN) as second:
        begun(first)
        first.freeze("coordinator")
        shutil.copytree(first.folder / "runs", second.folder / "runs", dirs_exist_ok=True)
        for claim in (second.folder / "runs" / RUN / "attempts").glob("*.json"):
            write_json(claim, {**read_json(claim), "ended_at": time.time()})  # who copied it believes it has ended
        second.place = replace(second.place, token=first.place.token)
        second.called_port = first.place.port
        before = time.time()
        second.start_coordinator()
        first.when("learner", "the coordinator", after=before)
        before = time.time()
        first.thaw("coordinator")
        until(lambda: not first.is_alive("coordinator"), "the end of the older one")
        found.remark = f"the older one ends {time.time() - before:.0f} s later: {first.said('coordinator')[-1][1]}"
        assert "took over" in found.remark, found.remark
        return finished(second, found)


def taken() -> Found:
    """A coordinator of another run comes to a learner that is at work."""
    found = Found(what="a coordinator of another run, while one is at work")
    with ends(**OFTEN) as both, ends(**OFTEN) as other:
        begun(both)
        other.place = replace(other.place, token=both.place.token)
        other.config = settings_of(other.folder / "runs", "another", remote=EXACT)
        other.called_port = both.place.port
        other.start_coordinator()
        until(lambda: not other.is_alive("coordinator"), "its end")
        found.remark = other.said("coordinator")[-1][1]
        assert RUN in found.remark, found.remark
        return finished(both, found)


def wrong_token() -> Found:
    """Somebody calls with another token, while the run goes on."""
    found = Found(what="a coordinator with another token")
    with ends(**OFTEN) as both, ends(**OFTEN) as stranger:
        begun(both)
        stranger.place = replace(stranger.place, token=new_token().text)
        stranger.called_port = both.place.port
        before = time.time()
        stranger.start_coordinator()
        until(lambda: not stranger.is_alive("coordinator"), "its end")
        found.detected_s.append(both.when("learner", "did not let", after=before) - before)
        found.remark = stranger.said("coordinator")[-1][1]
        assert "token" in found.remark, found.remark
        assert any("token" in text for _, text in both.said("learner")), both.said("learner")
        return finished(both, found)


def fuzzed(times: int, seed: int = 0) -> Found:
    """Frames that nobody should send, from somebody who holds the token; in this process, where nothing else grows."""
    rng, found = random.Random(seed), Found(what="impossible, oversized and truncated frames after the greeting")
    before, refused = resident_mb(os.getpid()), 0
    for _ in range(times):
        end = Endpoint(LinkSettings(), Peer(name="", role="a", session="", facts={}), peer_role="b")
        end.greet(Hello(protocol=PROTOCOL, session="s" * 8, name="", role="b", facts={}, first=[1, 1, 1],
                        peer_session="", received=[0, 0, 0], begun=[-1, -1, -1]))  # fmt: skip
        reader = FrameReader()
        try:
            for _ in range(4):
                data = hostile(rng)
                reader.room()[: len(data)] = data
                reader.filled(len(data))
                while (frame := reader.next_frame()) is not None:
                    end.take_in([frame])
                reader.compact()
        except WireError:
            refused += 1
    grown = resident_mb(os.getpid()) - before
    found.times, found.is_equal = times, grown < 64
    found.remark = f"{refused:,} connections ended, memory grew by {max(grown, 0.0):.0f} MB"
    found.is_run = False
    return found


def hostile(rng: random.Random) -> bytes:
    """A head that is right, nearly right or wrong, and a body that does not fit it; or a right message, bent."""
    match rng.randrange(4):
        case 0:
            return rng.randbytes(rng.randrange(1, 2000))
        case 1:
            sizes = (0, 16, 2**18, 2**18 + 1, 2**32 - 1)
            head = (rng.randrange(9), rng.randrange(5), rng.choice((0, 0, 0, 1)), rng.choice(sizes), rng.randrange(4))
            return HEAD.pack(*head) + rng.randbytes(rng.randrange(300))
        case 2:
            kind, stream, number = rng.choice(tuple(FrameKind)), rng.choice(tuple(Stream)), rng.randrange(3)
            return frame(kind, rng.randbytes(rng.randrange(600)), stream=stream, number=number)
    size = rng.choice((10, 2**20, 2**28, 2**40))
    packed = msgspec.msgpack.encode(["kind", {"n": size}, [size] * rng.randrange(1, 9), ""])
    body = bytearray(xxhash.xxh3_128(packed).digest() + packed)
    body[rng.randrange(len(body))] ^= rng.randrange(2)
    return frame(FrameKind.START, body, stream=rng.choice((Stream.CONTROL, Stream.BATCHES)), number=1)


def strangers(times: int, seed: int = 0) -> Found:
    """Plaintext, garbage and half-finished handshakes at the learner's port, while the run goes on."""
    rng, found = random.Random(seed), Found(what="plaintext and garbage at the port", times=times)
    openings = (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-x\r\n", b"\x16\x03\x01\xff\xff", b"\0" * 4096)
    with ends(**OFTEN) as both:
        begun(both)
        before = resident_mb(both.pid("learner"))
        for _ in range(times):
            with suppress(OSError), socket.create_connection(("127.0.0.1", both.place.port), 5.0) as caller:
                caller.sendall(rng.choice((*openings, rng.randbytes(rng.randrange(1, 3000)))))
        grown = resident_mb(both.pid("learner")) - before
        found.remark = f"the learner grew by {max(grown, 0.0):.0f} MB meanwhile, learning included"
        assert grown < 200, found.remark
        return finished(both, found)


def full_disk() -> Found:
    """No room for the learner's checkpoints, for a while."""
    found = Found(what="no room for the learner's checkpoints (a small tmpfs)")
    with ends(**OFTEN) as both:
        disk = both.folder / "learner"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
        try:
            begun(both)
            fill(disk / "filler")
            before = time.time()
            found.detected_s.append(both.when("coordinator", "cannot save", after=before) - before)
            time.sleep(1.0)
            (disk / "filler").unlink()
            before = time.time()
            found.resumed_s.append(both.when("coordinator", "is back", after=before) - before)
            return finished(both, found)
        finally:
            for who in ("coordinator", "learner"):
                if both.is_alive(who):
                    both.kill(who)
            subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(path: Path) -> None:
    """Take all room that there is."""
    with suppress(OSError), path.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(2**16))


def resident_mb(pid: int) -> float:
    """Memory that a process holds."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def is_root() -> bool:
    """Whether this process may make namespaces and mount."""
    return os.geteuid() == 0


def as_row(found: Found) -> Mapping[str, str | float]:
    """Of the table."""
    return {
        "what": found.what,
        "times": str(found.times),
        "noticed after": spread(found.detected_s),
        "went on after": spread(found.resumed_s),
        "result": ("that of an uncut run" if found.is_run else "no run") if found.is_equal else "ANOTHER ONE",
        "remark": found.remark.split(" (127.0.0.1")[0],
    }


def spread(seconds: list[float]) -> str:
    """Smallest and largest."""
    if not seconds:
        return ""
    low, high = min(seconds), max(seconds)
    return f"{low:.1f} s" if high - low < 0.1 else f"{low:.1f} to {high:.1f} s"
