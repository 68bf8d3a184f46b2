"""What is in `deploy/`: job files on a real SLURM, interactive sessions, and the set-up of the environment."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.waiting import until

from gamefleet.files import read_json
from gamefleet.runs.paths import RunPaths
from gamefleet.testing.local_slurm import LocalSlurm

TextOf = Callable[[Path], str]

SMALL = {
    "run.checkpoint_interval_steps": 200,
    "run.metrics_interval_steps": 100,
    "game.max_episode_steps": 50,
    "network.hidden_size": 16,
    "learner.batch_size": 2,
    "learner.learning_starts_steps": 100,
    "actors.num_envs": 2,
    "actors.num_workers": 1,
}
QUICK = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
"""Words after a job file or a command: the same run, small enough for a test."""

ENDLESS = ["--total-steps", "100000000"]
SOON = ["--total-steps", "1", "--no-video"]

GUIDE = {
    "slurm_gpu.job": {
        "-p": "gpu-linuxlab", "-G": "1", "--gres": "gpumem:10G", "-t": "04:00:00", "-c": "4", "-J": "slim-dqn-gpu",
    },
    "slurm_cpu.job": {"-p": "linuxlab", "-t": "04:00:00", "-c": "8", "-J": "slim-dqn-cpu"},
}  # fmt: skip
"""What the original guide asks SLURM for."""

OURS = {"-d": "singleton", "--no-requeue": "", "--signal": "B:USR1@180", "-o": "/dev/null"}
"""What the job files add, with the reason beside each."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, so that no conda environment of this machine is found."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for variable in ("CONDA_ENVS_DIRS", "CONDA_PKGS_DIRS", "BASH_ENV", "ENV"):
        monkeypatch.delenv(variable, raising=False)
    return home


@pytest.fixture
def checkout(tmp_path: Path, repository: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose `.venv` is the environment of these tests, and whose `runs/` is empty; we stand in it."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("deploy", "configs"):
        (folder / name).symlink_to(repository / name)
    (folder / ".venv").symlink_to(sys.prefix)
    # `gamefleet` must come from the environment that the scripts pick, not from the one that pytest runs in.
    own = Path(sys.prefix) / "bin"
    assert (own / "gamefleet").exists(), "install with `make test` or `pip install -e '.[dev]'` into an environment"
    path = [part for part in os.environ["PATH"].split(os.pathsep) if part and Path(part).resolve() != own.resolve()]
    monkeypatch.setenv("PATH", os.pathsep.join(path))
    monkeypatch.chdir(folder)
    return folder


def submit(slurm: LocalSlurm, *words: str) -> str:
    """Returns the job's id. SLURM's environment is made anew, as tests change the variables that it starts from."""
    done = subprocess.run(
        ["sbatch", "--parsable", *words],
        env={**os.environ, "SLURM_CONF": slurm.environment["SLURM_CONF"]},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def ended(slurm: LocalSlurm) -> bool:
    return slurm.run("squeue", "-h") == ""


def facts(slurm: LocalSlurm, job: str) -> dict[str, str]:
    """What SLURM says of a job: name -> value."""
    return dict(re.findall(r"(\S+?)=(\S*)", slurm.run("scontrol", "show", "job", job)))


def asked(script: Path) -> dict[str, str]:
    """The options in a job file, as SLURM reads them: option -> value."""
    lines = re.findall(r"^#SBATCH (.+)$", script.read_text(), re.MULTILINE)
    pairs = [re.split(r"[ =]", line, maxsplit=1) for line in lines]
    return {pair[0]: (pair[1] if len(pair) > 1 else "") for pair in pairs}


@pytest.mark.parametrize("name", GUIDE)
def test_job_files_ask_for_what_the_guide_says(repository: Path, name: str) -> None:
    assert asked(repository / "deploy" / name) == {**GUIDE[name], **OURS}


def test_the_scripts_are_valid_shell(repository: Path) -> None:
    scripts = sorted((repository / "deploy").iterdir())

    assert {path.name for path in scripts} >= {*GUIDE, "activate.sh", "env_setup.sh"}
    for path in scripts:
        if path.suffix in (".sh", ".job"):
            subprocess.run(["bash", "-n", str(path)], check=True, timeout=300)
    assert os.access(repository / "deploy" / "env_setup.sh", os.X_OK)


@pytest.mark.long
@pytest.mark.parametrize(("name", "run"), [("slurm_gpu.job", "slim_gpu"), ("slurm_cpu.job", "slim_cpu")])
def test_a_job_submitted_again_waits_for_the_first_and_goes_on_where_that_was_saved(
    slurm: LocalSlurm, checkout: Path, text_of: TextOf, name: str, run: str
) -> None:
    paths = RunPaths(checkout / "runs" / run)
    first = submit(slurm, f"deploy/{name}", *QUICK, *ENDLESS)
    second = submit(slurm, f"deploy/{name}", *QUICK, *SOON)

    until(lambda: paths.found_checkpoints() or ended(slurm), "the first checkpoint")
    assert facts(slurm, second)["Reason"] == "Dependency", text_of(paths.root / "logs" / f"slurm-{first}.err")
    slurm.run("scancel", "--batch", "--signal=USR1", first)
    until(lambda: ended(slurm), "the end of both jobs")

    said = {
        (job, kind): text_of(paths.root / "logs" / f"slurm-{job}.{kind}")
        for job in (first, second)
        for kind in ("out", "err")
    }
    stopped = re.search(r"stopped at step ([\d,]+): signal SIGUSR1", said[first, "out"])
    assert stopped, said
    assert f"resuming runs/{run} at step {stopped[1]}" in said[second, "err"], said
    assert f"finished at step {stopped[1]}" in said[second, "out"], said
    assert [facts(slurm, job)["JobState"] for job in (first, second)] == ["COMPLETED", "COMPLETED"]
    assert read_json(paths.state)["attempt"] == 2


def test_a_job_without_an_environment_says_how_to_get_one(slurm: LocalSlurm, checkout: Path, text_of: TextOf) -> None:
    (checkout / ".venv").unlink()
    job = submit(slurm, "deploy/slurm_cpu.job")
    until(lambda: ended(slurm), "the job's end")

    assert facts(slurm, job)["ExitCode"] == "1:0"
    errors = text_of(checkout / "runs" / "slim_cpu" / "logs" / f"slurm-{job}.err")
    assert "deploy/env_setup.sh --cpu" in errors
    assert str(checkout / ".venv") in errors


def test_a_job_submitted_from_another_folder_says_so_there(
    slurm: LocalSlurm, checkout: Path, tmp_path: Path, text_of: TextOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    job = submit(slurm, str(checkout / "deploy" / "slurm_gpu.job"))
    until(lambda: ended(slurm), "the job's end")

    assert facts(slurm, job)["ExitCode"] == "1:0"
    assert "repository's root" in text_of(elsewhere / f"slurm-{job}.err")
    assert sorted(path.name for path in elsewhere.iterdir()) == [f"slurm-{job}.err"]


class Terminal:
    """A terminal with a command in it: what is typed goes in, what it shows is kept.

    Args:
        words: The command.
        environment: Its variables.
    """

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        self._here, there = pty.openpty()
        self.process = subprocess.Popen(
            words, env=environment, stdin=there, stdout=there, stderr=there, start_new_session=True
        )
        os.close(there)
        self.text = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                piece = os.read(self._here, 65536)
            except OSError:  # how Linux says that nobody holds the other end any more
                return
            self.text += piece.decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self._here, text.encode())

    def shows(self, condition: Callable[[], object], what: str) -> None:
        """Wait until the condition holds; when it does not, or all has ended, say what the terminal shows."""
        until(lambda: condition() or self.process.poll() is not None, lambda: f"{what}\n{self.text}")
        assert condition(), f"in vain: {what}\n{self.text}"

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join(timeout=300)
        os.close(self._here)


@pytest.fixture
def terminal(slurm: LocalSlurm) -> Iterator[Callable[[str], Terminal]]:
    """Call with a command line of the page: it runs in a terminal of its own."""
    opened: list[Terminal] = []

    def open_terminal(line: str) -> Terminal:
        environment = {**os.environ, "SLURM_CONF": slurm.environment["SLURM_CONF"], "TERM": "dumb"}
        opened.append(Terminal(shlex.split(line), environment))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


@pytest.fixture(scope="module")
def on_the_page(repository: Path) -> list[str]:
    """Command lines of the page about interactive use."""
    page = (repository / "docs" / "guides" / "interactive.md").read_text()
    blocks = re.findall(r"^ *```bash\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines()]


@pytest.mark.long
@pytest.mark.parametrize("partition", ["linuxlab", "gpu-linuxlab"])
def test_in_a_shell_on_a_node_training_is_stopped_by_ctrl_c_and_resumed(
    checkout: Path, terminal: Callable[[str], Terminal], on_the_page: list[str], partition: str
) -> None:
    (session,) = [line for line in on_the_page if re.match(rf"srun -p {partition} .*--pty bash$", line)]
    (activate,) = {line for line in on_the_page if line.startswith("source deploy/activate.sh")}
    start, resume = [line for line in on_the_page if line.startswith("gamefleet train") and "max-runtime" not in line]
    paths = RunPaths(checkout / "runs" / "red1")

    shell = terminal(session)
    shell.type(f"{activate}\n{start} {shlex.join([*QUICK, *ENDLESS])}\n")
    shell.shows(paths.found_checkpoints, "the first checkpoint")
    shell.type("\x03")
    shell.shows(lambda: "stopped at step" in shell.text, "the checkpoint after Ctrl-C")
    stopped = read_json(paths.state)
    shell.type(f"{resume} {shlex.join(SOON)}\nexit\n")
    shell.shows(lambda: shell.process.poll() is not None, "the end of the session")

    assert (stopped["status"], stopped["reason"]) == ("stopped", "signal SIGINT")
    assert f"resuming runs/red1 at step {stopped['step']:,}" in shell.text
    assert shell.process.returncode == 0
    assert read_json(paths.state)["status"] == "finished"


@pytest.mark.long
def test_training_itself_can_be_the_interactive_job(
    checkout: Path, terminal: Callable[[str], Terminal], on_the_page: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = [line for line in on_the_page if "--pty gamefleet train" in line]
    monkeypatch.setenv("PATH", f"{checkout}/.venv/bin:{os.environ['PATH']}")  # what activating does
    paths = RunPaths(checkout / "runs" / "red1")

    training = terminal(f"{line} {shlex.join([*QUICK, *ENDLESS])}")
    training.shows(paths.found_checkpoints, "the first checkpoint")
    training.type("\x03")
    training.shows(lambda: training.process.poll() is not None, "the end of the job")

    assert training.process.returncode == 0
    assert read_json(paths.state)["reason"] == "signal SIGINT"


@pytest.fixture
def copy(tmp_path: Path, repository: Path, repository_files: tuple[Path, ...], home: Path) -> Path:
    """A checkout of its own, without an environment."""
    folder = tmp_path / "copy"
    for path in repository_files:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository / path, target)
    return folder


@pytest.fixture
def only_tools(tmp_path: Path) -> Path:
    """A folder for the PATH: what the scripts need of the system, and nothing else, so neither Python nor conda."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for tool in ("bash", "env", "sh", "dirname", "cat", "cksum", "ls", "rm", "uname", "mkdir", "ln"):
        (folder / tool).symlink_to(shutil.which(tool) or tool)
    return folder


def write_program(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


def set_up(copy: Path, *words: str, path: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up as a user of that copy would."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "HOME", "LANG", "TMPDIR"))}
    command = [str(copy / "deploy" / "env_setup.sh"), *words]
    return subprocess.run(
        command, env={**kept, "PATH": path, **variables}, cwd=copy.parent, capture_output=True, text=True, timeout=1500
    )


def activated(copy: Path, name: str, path: str) -> str:
    """Which `gamefleet` a shell finds after activating."""
    script = f"source deploy/activate.sh {name} >&2 && command -v gamefleet && gamefleet --version"
    done = subprocess.run(
        ["bash", "-c", script], env={"PATH": path, "HOME": os.environ["HOME"]}, cwd=copy, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def test_setting_up_refuses_an_unknown_word_and_says_what_it_knows(copy: Path) -> None:
    done = set_up(copy, "--gpu", path=os.environ["PATH"])

    assert done.returncode == 2
    assert "[--cpu]" in done.stderr


def test_setting_up_with_an_old_python_alone_says_what_to_do(copy: Path, only_tools: Path) -> None:
    write_program(only_tools / "python3", '[ "$1" = -V ] && echo Python 3.9.2 && exit', "exit 1")
    done = set_up(copy, path=str(only_tools))

    assert done.returncode == 1
    assert all(words in done.stderr for words in ("3.11 or newer", "Python 3.9.2", "PYTHON="))
    assert not (copy / ".venv").exists()


def test_activating_without_an_environment_says_how_to_get_one(copy: Path, home: Path) -> None:
    done = subprocess.run(["bash", "-c", "source deploy/activate.sh"], cwd=copy, capture_output=True, text=True)

    assert done.returncode == 1
    assert str(home / "conda_envs" / "pokemon_slim") in done.stderr
    assert "deploy/env_setup.sh" in done.stderr


@pytest.mark.long
def test_setting_up_without_conda_makes_a_venv_and_a_second_time_changes_nothing(copy: Path, only_tools: Path) -> None:
    base = Path(sys.base_prefix) / "bin" / "python3"
    done = set_up(copy, "--cpu", path=str(only_tools), PYTHON=str(base))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("sbatch deploy/slurm_cpu.job")
    assert activated(copy, "pokemon_slim_cpu", str(only_tools)) == str(copy / ".venv" / "bin" / "gamefleet")

    # Without any index to ask, as on a node without a network.
    again = set_up(copy, "--cpu", path=str(only_tools), PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    assert again.returncode == 0, again.stderr
    assert "Installing" not in again.stdout
    assert again.stdout.splitlines()[-1] == done.stdout.splitlines()[-1]


@pytest.mark.long
def test_setting_up_with_conda_makes_an_environment_in_the_home_folder(
    copy: Path, home: Path, only_tools: Path, tmp_path: Path
) -> None:
    """`conda` and `module` are stand-ins here.

    `module load anaconda` puts a small `conda` on the PATH, which knows `create -y -p FOLDER ...` and makes a venv that
    sees the libraries of these tests. So this shows which folders and names the scripts use, and that what was made is
    found; it does not show that the real conda solves `python=3.11 pip`, nor how long it takes.
    """
    base = Path(sys.base_prefix) / "bin" / "python3"
    libraries = subprocess.run(
        [sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    write_program(
        tmp_path / "anaconda" / "conda",
        f'echo "$CONDA_PKGS_DIRS $*" >> {tmp_path}/calls',
        '[ "$1 $2 $3" = "create -y -p" ] || exit 2',
        f'{base} -m venv "$4" || exit 1',
        f'for folder in "$4"/lib/python3*/site-packages; do echo {libraries} > "$folder/tests.pth"; done',
    )
    module = f'() {{ [ "$*" = "load anaconda" ] && PATH="{tmp_path}/anaconda:$PATH"; }}'
    function = {"BASH_FUNC_module%%": module}

    done = set_up(copy, path=str(only_tools), **function)
    assert done.returncode == 0, done.stderr
    again = set_up(copy, path=str(only_tools), **function)
    assert again.returncode == 0, again.stderr

    prefix = home / "conda_envs" / "pokemon_slim"
    assert (tmp_path / "calls").read_text() == f"{home}/conda_pkgs/ create -y -p {prefix} python=3.11 pip\n"
    assert "sbatch deploy/slurm_gpu.job" in done.stdout.splitlines()[-1]
    assert activated(copy, "pokemon_slim", str(only_tools)) == str(prefix / "bin" / "gamefleet")
    assert not (copy / ".venv").exists()
