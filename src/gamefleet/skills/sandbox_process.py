"""A Python skill at work: one process in the sandbox that answers batch after batch.

Job: start it, ask it, and end it as soon as it fails, hangs or answers nonsense. Place in the data flow:
`find_sandbox` -> `PythonSkill` -> the numeric checks of `verify`. Left out: the lock itself (`sandbox`) and what runs
inside (`sandbox_program`).
"""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.skills import sandbox_program
from gamefleet.skills.functions import PythonSkillError
from gamefleet.skills.sandbox import Sandbox, interpreter
from gamefleet.skills.sandbox_check import check_source
from gamefleet.skills.world import States

LONGEST_HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What a Python skill may use.

    Args:
        cpu_s: Seconds of computing, over all batches.
        memory_bytes: Address space.
        answer_s: Seconds for one batch.
        start_s: Seconds for starting; a busy machine takes several to load NumPy.
    """

    cpu_s: int = 600
    memory_bytes: int = 2 << 30
    answer_s: float = 20.0
    start_s: float = 60.0


class PythonSkill:
    """A Python skill in its sandbox; a context manager that ends the process.

    Args:
        source: The module; it has `reward(now, before)` and `success(now, before)`, which get a mapping from features
            to float32[num] arrays each and return one number or bool for every state.
        names: The world's features.
        sandbox: Where it runs.
        limits: What it may use.
        clock: Seconds, for the limit on answers.
    """

    def __init__(
        self,
        source: str,
        names: Sequence[str],
        sandbox: Sandbox,
        limits: SandboxLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        check_source(source)
        self._source = source
        self._names = tuple(names)
        self._sandbox = sandbox
        self._limits = limits or SandboxLimits()
        self._clock = clock

    def __enter__(self) -> PythonSkill:
        settings = {
            "names": self._names,
            "cpu_s": self._limits.cpu_s,
            "memory_bytes": self._limits.memory_bytes,
        }
        with tempfile.TemporaryDirectory(prefix="gamefleet-skill-") as folder:
            module = Path(folder) / "skill.py"
            module.write_text(self._source)
            binds = [
                (module, sandbox_program.MODULE),
                (Path(sandbox_program.__file__), "/program.py"),
                *_package_binds(),
            ]
            inner = [interpreter(), "-s", "-P", "-B", "/program.py", json.dumps(settings)]
            self._process = subprocess.Popen(
                self._sandbox.command(inner, binds),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={},
            )
            try:
                self._receive(0, self._limits.start_s)  # until then it needs its files
            except PythonSkillError:
                self.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id of the sandbox, as seen from outside."""
        return self._process.pid

    def close(self) -> None:
        """End the process, and with it everything that it may have started."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()

    def evaluate(self, now: States, before: States) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Reward and success of a batch of states.

        Args:
            now: float32[num, features] after the action.
            before: float32[num, features] before the action.

        Returns:
            (reward, success), float32[num] each.

        Raises:
            PythonSkillError: It failed or took too long; its process is ended.
        """
        head = json.dumps({"num": len(now)}).encode()
        arrays = b"".join(np.ascontiguousarray(states, "<f4").tobytes() for states in (now, before))
        try:
            self._send(struct.pack("<I", len(head)) + head + arrays)
            body = self._receive(8 * len(now), self._limits.answer_s)
        except PythonSkillError:
            self.close()
            raise
        both = np.frombuffer(body, "<f4").reshape(2, len(now)).astype(np.float32)
        return both[0], both[1]

    def _send(self, data: bytes) -> None:
        stream = self._process.stdin
        if stream is None or stream.closed:
            raise PythonSkillError("The skill's process was ended")
        os.set_blocking(stream.fileno(), False)
        deadline, sent = self._clock() + self._limits.answer_s, 0
        while sent < len(data):
            self._wait(stream.fileno(), deadline, is_write=True)
            try:
                sent += os.write(stream.fileno(), data[sent : sent + 65536])
            except BrokenPipeError as error:
                raise PythonSkillError("The skill's process ended", remedy=_LIMITS_REMEDY) from error

    def _receive(self, num_bytes: int, patience_s: float) -> bytes:
        """The next answer's arrays; what the process says is checked like anything from a stranger."""
        deadline = self._clock() + patience_s
        (length,) = struct.unpack("<I", self._read(4, deadline))
        if length > LONGEST_HEAD_BYTES:
            raise PythonSkillError("The skill's process answered nonsense", value=length)
        try:
            head = json.loads(self._read(length, deadline))
            reason = str(head["reason"])
        except (ValueError, KeyError, TypeError) as error:
            raise PythonSkillError("The skill's process answered nonsense") from error
        if reason:
            raise PythonSkillError("The skill's module failed", value=reason[:300])
        return self._read(num_bytes, deadline)

    def _read(self, num_bytes: int, deadline: float) -> bytes:
        stream = self._process.stdout
        if stream is None or stream.closed:
            raise PythonSkillError("The skill's process was ended")
        found = b""
        while len(found) < num_bytes:
            self._wait(stream.fileno(), deadline, is_write=False)
            part = os.read(stream.fileno(), min(65536, num_bytes - len(found)))
            if not part:
                raise PythonSkillError("The skill's process ended", remedy=_LIMITS_REMEDY)
            found += part
        return found

    def _wait(self, descriptor: int, deadline: float, *, is_write: bool) -> None:
        left = deadline - self._clock()
        watched: tuple[list[Any], list[Any]] = ([], [descriptor]) if is_write else ([descriptor], [])
        if left <= 0 or not any(select.select(*watched, [], left)):
            raise PythonSkillError("The skill gave no answer in time", value=f"{self._limits.answer_s:g} s")


_LIMITS_REMEDY = "It may have used up its time or memory."


def _package_binds() -> list[tuple[Path, str]]:
    """NumPy and what it brings along, and nothing else of what is installed here."""
    folder = Path(np.__file__).parent
    beside = folder.with_name("numpy.libs")
    return [(folder, "/packages/numpy"), *([(beside, "/packages/numpy.libs")] if beside.is_dir() else [])]
