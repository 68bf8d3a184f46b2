"""Skills as free Python, for those who ask for it: in a process that reaches nothing, or not at all.

Job: find out whether this machine can lock a process up (bubblewrap), and run a skill's module in there, batch by
batch. Place in the data flow: an explicit option -> `find_sandbox` -> `PythonSkill` -> the numeric checks of `verify`.
Left out: what the module computes (`sandbox_program` runs it); skills as data, which need none of this.

What locks the module up is the kernel: namespaces of its own (no network, no other process, no home, an empty /tmp),
no capabilities, no environment variables, limits on time, memory and files. The look at its source before
(`sandbox_check`) is hygiene and gives quick reasons; it is no barrier. Where bubblewrap is missing or not allowed, as
in many containers, Python skills are refused; there is no way to run them outside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gamefleet.errors import MissingDependencyError

REMEDY = (
    "Install bubblewrap (`apt install bubblewrap`) on a machine that allows user namespaces; most containers do not. "
    "Skills as expressions need no sandbox."
)
PROBE_S = 20.0
_QUESTION = (
    "import os, socket; print(len(socket.if_nameindex()), len(os.listdir('/tmp')), "
    "sum(name.isdigit() for name in os.listdir('/proc')) <= 2)"
)
"""Asked inside: how many network interfaces (its own loopback), files and processes there are to see."""


class SandboxMissingError(MissingDependencyError):
    """This machine cannot lock a process up, so Python skills are refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A way to lock up that was tried and works.

    Args:
        program: Path of bubblewrap.
        description: One line for people: which layer is active.
    """

    program: str
    description: str

    def command(self, inner: Sequence[str], binds: Sequence[tuple[Path, str]] = ()) -> list[str]:
        """The command that runs another one locked up.

        Args:
            inner: The command, with paths as they are inside.
            binds: Files and folders that are there, read-only: (path, path inside).
        """
        return [self.program, *_LOCKS, *_system_binds(), *_binds(binds), "--chdir", "/tmp", "--", *inner]


_LOCKS = (
    "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL",
    "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--hostname", "sandbox",
    "--setenv", "PYTHONPATH", "/packages", "--setenv", "OPENBLAS_NUM_THREADS", "1",
)  # fmt: skip


def _system_binds() -> list[str]:
    """The system's libraries and this interpreter, read-only; no home, no /etc but the linker's."""
    found = ["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for name in ("bin", "lib", "lib32", "lib64", "sbin"):
        path = Path("/") / name
        if path.is_symlink():
            found += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            found += ["--ro-bind", str(path), str(path)]
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        found += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    return found


def _binds(binds: Sequence[tuple[Path, str]]) -> list[str]:
    return [word for path, inside in binds for word in ("--ro-bind", str(path), inside)]


def interpreter() -> str:
    """This Python's own path, which is the same inside."""
    return os.path.realpath(sys.executable)


def find_sandbox(
    which: Callable[[str], str | None] = shutil.which,
    run: Callable[..., subprocess.CompletedProcess[str]] = subprocess.run,
) -> Sandbox:
    """Try whether a process can be locked up on this machine.

    Args:
        which: Finds programs; `shutil.which`.
        run: Runs commands; `subprocess.run`.

    Returns:
        The sandbox, after a process in it was seen to be alone: no network, no files of ours, no other processes.

    Raises:
        SandboxMissingError: It cannot; Python skills have to be refused.
    """
    program = which("bwrap")
    if program is None:
        raise SandboxMissingError("bubblewrap (bwrap) is not installed", remedy=REMEDY)
    sandbox = Sandbox(program=program, description="bubblewrap: own namespaces, no network, no home, no capabilities")
    command = sandbox.command([interpreter(), "-s", "-P", "-B", "-c", _QUESTION])
    try:
        found = run(command, capture_output=True, text=True, timeout=PROBE_S, env={}, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxMissingError("bubblewrap cannot be started here", value=str(error)[:200], remedy=REMEDY) from error
    if found.returncode != 0 or found.stdout.split() != ["1", "0", "True"]:
        said = (found.stderr or found.stdout).strip()[-200:]
        raise SandboxMissingError("bubblewrap cannot lock a process up here", value=said, remedy=REMEDY)
    return sandbox
