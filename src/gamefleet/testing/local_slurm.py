"""A real SLURM on this machine, for tests and rehearsals.

Job: start and stop `local_slurm.sh`, and let its nodes and its controller fail. Place in the data flow: tests and the
rehearsal hand its `environment` to whatever speaks to SLURM. Left out: cgroups, so memory, CPUs and GPUs are counted
but not enforced; anything that needs root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from gamefleet.errors import ClusterError, MissingDependencyError

SCRIPT = Path(__file__).with_name("local_slurm.sh")

PACKAGES_MISSING_STATUS = 4

COMMAND_TIMEOUT_S = 240.0
"""A first start with accounting makes a database, which takes seconds on a quiet machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSlurmSettings:
    """How the local SLURM is built.

    Args:
        nodes: Number of nodes `n1`, `n2`, ..., at most 16; all are this machine.
        cpus: Per node, as declared; they need not exist.
        gpus: Per node, at most 6; device files that exist everywhere stand in for them.
        gpu_memory: The countable resource `gpumem` of a node; SLURM counts with 1024.
        has_accounting: With slurmdbd and a private MariaDB: `sacct`, QOS and limits per user.
        max_jobs: Running jobs per user; needs accounting; 0 for no limit.
        max_submit: Running and waiting jobs per user; needs accounting; 0 for no limit.
        speed: How many times faster the controller's clock goes; times that SLURM reports run ahead accordingly.
        has_normal_scheduler: SLURM's own scheduler settings instead of ones that start jobs at once.
        kill_wait_s: Between SIGTERM and SIGKILL, seconds; SLURM's default is 30.
        further_lines: Further lines of `slurm.conf`, for example another partition.
    """

    nodes: int = 4
    cpus: int = 8
    gpus: int = 2
    gpu_memory: str = "80G"
    has_accounting: bool = False
    max_jobs: int = 4
    max_submit: int = 0
    speed: int = 1
    has_normal_scheduler: bool = False
    kill_wait_s: int = 5
    further_lines: str = ""

    def variables(self) -> dict[str, str]:
        """What the script reads."""
        return {
            "NODES": str(self.nodes),
            "CPUS": str(self.cpus),
            "GPUS": str(self.gpus),
            "GPUMEM": self.gpu_memory,
            "DB": str(int(self.has_accounting)),
            "MAXJOBS": str(self.max_jobs),
            "MAXSUBMIT": str(self.max_submit),
            "SPEED": str(self.speed),
            "SCHED": "normal" if self.has_normal_scheduler else "fast",
            "KILLWAIT": str(self.kill_wait_s),
            "EXTRA_CONF": self.further_lines,
        }


class LocalSlurm:
    """One SLURM in one folder, up within a `with` block; it goes down with this process even if that is killed.

    Args:
        settings: How it is built.
        folder: Where it lives; by default a temporary one, removed at the end. Sockets keep names below 80 characters.
        base: The environment variables that commands start from; by default this process's.
    """

    def __init__(
        self,
        settings: LocalSlurmSettings | None = None,
        *,
        folder: Path | None = None,
        base: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings or LocalSlurmSettings()
        self._base = dict(os.environ if base is None else base)
        self._is_temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="slurm-", dir=short_temporary_folder()))

    def __enter__(self) -> LocalSlurm:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def environment(self) -> dict[str, str]:
        """Variables for commands that shall speak to this SLURM, `SLURM_CONF` among them."""
        return {**self._base, "SLURM_CONF": str(self.folder / "etc" / "slurm.conf")}

    def up(self) -> None:
        """Start all daemons and wait until every node answers; nothing to do where they run already.

        Raises:
            MissingDependencyError: Packages are missing; names them.
            ClusterError: A daemon did not start; shows the ends of the logs.
        """
        try:
            self._script("up")
        except (ClusterError, MissingDependencyError):
            self.down()
            raise

    def down(self) -> None:
        """End all jobs and daemons, and remove the folder if it is a temporary one."""
        self._script("down")
        if self._is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.with_name(f"{self.folder.name}.lock").unlink(missing_ok=True)

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon, as a cut cable does: the processes of its jobs go on."""
        self._script("kill-node", node)

    def start_node(self, node: str) -> None:
        """Start a node's daemon again; what its jobs left behind is then ended by SLURM."""
        self._script("start-node", node)

    def stop_controller(self) -> None:
        """Let every command go unanswered; jobs go on."""
        self._script("stop-controller")

    def start_controller(self) -> None:
        """Answer again, knowing all jobs."""
        self._script("start-controller")

    def run(self, *words: str, timeout_s: float = 60.0) -> str:
        """Run a command against this SLURM.

        Returns:
            Its standard output, stripped.

        Raises:
            ClusterError: It failed; carries its standard error.
        """
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=timeout_s)
        if done.returncode:
            raise ClusterError(f"{words[0]} failed: {done.stderr.strip()}", value=" ".join(words), where=self.folder)
        return done.stdout.strip()

    def _script(self, command: str, *words: str) -> None:
        variables = {**self._base, **self.settings.variables(), "OWNER": str(os.getpid())}
        variables["ABANDON"] = str(int(self._is_temporary))
        # Daemons inherit what is not redirected: with pipes, a daemon that lives on would keep this call waiting.
        with tempfile.TemporaryFile(mode="w+") as output:
            done = subprocess.run(
                ["bash", str(SCRIPT), command, str(self.folder), *words],
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=COMMAND_TIMEOUT_S,
            )
            output.seek(0)
            said = output.read().strip()
        if done.returncode == PACKAGES_MISSING_STATUS:
            packages = said.rpartition(": ")[2]
            raise MissingDependencyError(
                "The local SLURM needs packages that are not installed",
                value=packages,
                remedy=f"On Debian or Ubuntu: apt-get install --no-install-recommends {packages}",
            )
        if done.returncode:
            raise ClusterError(
                f"The local SLURM could not {command}: {said}",
                where=self.folder,
                remedy=f"Its daemons said last: {self.last_words()}",
            )

    def last_words(self) -> str:
        """The ends of the daemons' logs."""
        logs = sorted((self.folder / "log").glob("*.log"))
        return " | ".join(f"{log.stem}: {log.read_text(errors='replace').strip()[-300:]}" for log in logs)


def short_temporary_folder() -> str | None:
    """A folder whose name leaves room for socket names (108 bytes in all); None for the system's default."""
    usual = tempfile.gettempdir()
    return usual if len(usual) <= 40 else next((name for name in ("/dev/shm", "/var/tmp") if Path(name).is_dir()), None)
