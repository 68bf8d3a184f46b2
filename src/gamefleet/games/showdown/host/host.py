"""The Python end of the simulator's process.

Job: start Node with `battle_host.js`, hand it commands and take its answers. Place in the data flow: generation,
matches and live games ask it; `battle_host.js` says which commands there are. Left out: what answers mean (`lanes`).
"""

from __future__ import annotations

import functools
import itertools
import os
import select
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, Self

import msgspec

from gamefleet.errors import ConfigError, WorkerError
from gamefleet.games.showdown.host.install import SOURCES, find_node, find_package

Command = Mapping[str, Any]
Answer = dict[str, Any]

SILENCE_S = 300.0
"""A host that says nothing for so long is taken for hung; a line of commands takes seconds at most."""


class BattleHost:
    """One process of the simulator. It is closed by `close`, or at the end of a `with` block.

    Args:
        environ: Says where the simulator is installed; the process's own environment if None.
        silence_s: How long to wait for an answer.

    Raises:
        MissingDependencyError: Node or the simulator are not installed.
    """

    def __init__(self, environ: Mapping[str, str] | None = None, *, silence_s: float = SILENCE_S) -> None:
        node, package = find_node(), find_package(os.environ if environ is None else environ)
        self._silence_s = silence_s
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self._process = subprocess.Popen(
            [node, str(SOURCES / "battle_host.js"), str(package)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )
        self._waiting = b""
        self._turn = threading.Lock()
        self._numbers = itertools.count()
        self._end = weakref.finalize(self, _end_process, self._process, self._complaints)

    def __enter__(self) -> Self:
        """The host."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, commands: Sequence[Command]) -> list[Answer]:
        """Carry out commands.

        Returns:
            The answers to all of them, in order.

        Raises:
            ConfigError: A command names a format or policy that does not exist.
            WorkerError: The process died, hung, or failed at a command.
        """
        with self._turn:
            self.send(commands)
            return self.receive()

    def number(self) -> int:
        """A number that nobody else who plays on this host gets, to name lanes with."""
        return next(self._numbers)

    def send(self, commands: Sequence[Command]) -> None:
        """Hand over commands without waiting; every `send` is followed by one `receive`."""
        stream = self._process.stdin
        assert stream is not None
        try:
            stream.write(msgspec.json.encode(commands) + b"\n")
            stream.flush()
        except OSError as error:
            raise self._death() from error

    def receive(self) -> list[Answer]:
        """The answers to the commands that were sent last; raises as `ask`."""
        answers: list[Answer] = msgspec.json.decode(self._line())
        for answer in answers:
            if answer["kind"] == "error":
                raise _refusal(answer["message"], answer.get("stack", ""))
        return answers

    def close(self) -> None:
        """End the process; also done when nobody holds the host any more."""
        self._end()

    def _line(self) -> bytes:
        stream = self._process.stdout
        assert stream is not None
        parts = [self._waiting]
        while b"\n" not in parts[-1]:
            if not select.select([stream], [], [], self._silence_s)[0]:
                raise WorkerError(
                    "The battle host does not answer", value=f"{self._silence_s:g} s", where=f"process {self.pid}"
                )
            part = os.read(stream.fileno(), 1 << 20)
            if not part:
                raise self._death()
            parts.append(part)
        line, _, self._waiting = b"".join(parts).partition(b"\n")
        return line

    def _death(self) -> WorkerError:
        code = self._process.wait()
        self._complaints.seek(0)
        said = self._complaints.read()[-1500:].decode(errors="replace").strip()
        return WorkerError(
            f"The battle host ended with code {code}",
            value=said or None,
            where="node battle_host.js",
            remedy="Node may have run out of memory: play fewer battles at a time.",
        )


def _end_process(process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    complaints.close()


def own_host() -> BattleHost:
    """One host for all single games of this process: starting one takes a second, and much memory."""
    return _host_of(os.getpid())


@functools.lru_cache(maxsize=1)
def _host_of(process: int) -> BattleHost:
    return BattleHost()


def _refusal(message: str, stack: str) -> Exception:
    if "there is no policy" in message or "knows no format" in message or "only singles" in message:
        return ConfigError(f"The simulator refused: {message}", remedy="Name a singles format such as gen1ou.")
    return WorkerError(f"The battle host failed: {message}", where=stack or "battle_host.js")
