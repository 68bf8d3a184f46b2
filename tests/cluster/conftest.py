"""Real SLURM instances, each started when the first test of a worker asks for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.waiting import until

from gamefleet.errors import MissingDependencyError
from gamefleet.testing.local_slurm import LocalSlurm, LocalSlurmSettings
from gamefleet.testing.local_ssh import LocalSsh


def started(settings: LocalSlurmSettings) -> Iterator[LocalSlurm]:
    """Up while tests use it; where packages are missing tests are skipped, in CI they fail."""
    instance = LocalSlurm(settings)
    try:
        instance.up()
    except MissingDependencyError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    try:
        yield instance
    finally:
        instance.down()


@pytest.fixture(scope="session")
def slurm() -> Iterator[LocalSlurm]:
    """Without accounting: no sacct, no limits per user. Starts in a second."""
    yield from started(LocalSlurmSettings())


@pytest.fixture(scope="session")
def slurm_with_accounts() -> Iterator[LocalSlurm]:
    """With sacct, and a QOS that lets a user run 4 jobs and have 8."""
    yield from started(LocalSlurmSettings(has_accounting=True, max_jobs=4, max_submit=8))


@pytest.fixture(scope="session")
def fast_slurm() -> Iterator[LocalSlurm]:
    """The controller's clock goes tenfold: a limit of one minute ends a job within 6 to 9 seconds."""
    yield from started(LocalSlurmSettings(has_accounting=True, speed=10))


@pytest.fixture(autouse=True)
def no_jobs_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test begins and ends with an empty queue on the instances that it uses."""
    yield
    for name in ("slurm", "slurm_with_accounts", "fast_slurm"):
        if name in request.fixturenames:
            empty_queue(request.getfixturevalue(name))


def empty_queue(instance: LocalSlurm) -> None:
    def is_empty() -> bool:
        if not instance.run("squeue", "-h", "-o", "%i"):
            return True
        instance.run("scancel", "--signal=KILL", "--full", "--me")
        instance.run("scancel", "--me")
        return False

    until(is_empty, "the end of all jobs", poll_s=0.1)


@pytest.fixture
def text_of() -> Callable[[Path], str]:
    """A file's text, empty while it does not exist."""

    def read(path: Path) -> str:
        return path.read_text() if path.exists() else ""

    return read


@pytest.fixture
def serve(tmp_path: Path, require_program: Callable[[str, str], str]) -> Iterator[Callable[..., LocalSsh]]:
    """Call with variables of the host: a running server, stopped after the test."""
    require_program("ssh", "apt-get install openssh-client")
    require_program("rsync", "apt-get install rsync")
    if shutil.which("sshd") is None and not Path("/usr/sbin/sshd").exists():
        require_program("sshd", "apt-get install openssh-server")
    servers: list[LocalSsh] = []

    def start(**environment: str) -> LocalSsh:
        folder = tmp_path / f"ssh-{len(servers)}"
        folder.mkdir(mode=0o700)
        # A home folder of its own: what the tester's shell does when it starts is no part of these tests.
        server = LocalSsh(folder, environment={"HOME": str(folder), **environment})
        servers.append(server)
        return server.__enter__()

    yield start
    for server in servers:
        server.stop()
