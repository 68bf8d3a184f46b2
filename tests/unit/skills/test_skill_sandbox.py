"""Python skills run locked up or not at all; what they try in there fails, and is told in a sentence."""

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gamefleet.skills.functions import PythonSkillError
from gamefleet.skills.module_text import disagreements, write_module
from gamefleet.skills.sandbox import Sandbox, SandboxMissingError, find_sandbox
from gamefleet.skills.sandbox_check import SourceRefusedError, check_source
from gamefleet.skills.sandbox_process import PythonSkill, SandboxLimits
from gamefleet.skills.skill import Skill, SkillRefusedError
from gamefleet.skills.training import TrainingTask
from gamefleet.skills.verify import SampledStates, sample_states, verify
from gamefleet.testing.crafting import WORLD

NAMES = ("wood", "stone")
NOW = np.arange(12, dtype=np.float32).reshape(6, 2)
BEFORE = np.zeros((6, 2), np.float32)

GOOD = """
import numpy as np

def reward(now, before):
    return np.clip(now["wood"] - before["wood"], -1, 1)

def success(now, before):
    return now["wood"] >= 5
"""


def module(statement: str) -> str:
    """A module whose reward first does something else."""
    success = "def success(now, before):\n    return 0\n"
    return f"import numpy as np\n\ndef reward(now, before):\n    {statement}\n    return 0\n\n{success}"


@pytest.fixture(scope="module")
def sandbox(require_program: Callable[[str, str], str]) -> Sandbox:
    require_program("bwrap", "apt install bubblewrap")
    return find_sandbox()


@pytest.fixture(scope="module")
def states() -> SampledStates:
    return sample_states(WORLD)


def failure_of(source: str, sandbox: Sandbox, **limits: float) -> str:
    """What a module that must not succeed is told."""
    with (
        pytest.raises(PythonSkillError) as failed,
        PythonSkill(source, NAMES, sandbox, SandboxLimits(**limits)) as skill,  # type: ignore[arg-type]
    ):
        skill.evaluate(NOW, BEFORE)
    return str(failed.value)


def test_a_module_answers_batch_after_batch(sandbox: Sandbox) -> None:
    with PythonSkill(GOOD, NAMES, sandbox) as skill:
        for num in (6, 1, 0, 3):
            reward, success = skill.evaluate(NOW[:num], BEFORE[:num])

            np.testing.assert_array_equal(reward, np.clip(NOW[:num, 0], -1, 1))
            np.testing.assert_array_equal(success, NOW[:num, 0] >= 5)
            assert reward.dtype == success.dtype == np.float32


def test_a_large_batch_goes_through(sandbox: Sandbox) -> None:
    states = np.random.default_rng(0).random((200_000, 2), np.float32)
    with PythonSkill(GOOD, NAMES, sandbox) as skill:
        reward, _ = skill.evaluate(states, np.zeros_like(states))

    np.testing.assert_array_equal(reward, states[:, 0])


def test_what_a_module_prints_is_no_answer(sandbox: Sandbox) -> None:
    # `print` is refused by the look at the source; this one gets around that.
    source = module("np.show_config()")

    with PythonSkill(source, NAMES, sandbox) as skill:
        assert skill.evaluate(NOW, BEFORE)[0].tolist() == [0] * 6


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/hostname", str(Path(__file__)), str(Path.home() / ".bashrc")])
def test_a_module_sees_no_files_of_ours(sandbox: Sandbox, path: str) -> None:
    assert "No such file" in failure_of(module(f"np.fromfile({path!r}, np.uint8)"), sandbox)


def test_a_module_can_write_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    for folder in ("", "/tmp", "/usr", str(tmp_path)):
        assert failure_of(module(f"np.ones(10**5).tofile({folder!r} + '/skill.py')"), sandbox)
    assert list(tmp_path.iterdir()) == []


def test_a_module_reaches_no_network_not_even_this_machine(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert failure_of(module(f"np.lib.npyio.DataSource(None).open({address!r})"), sandbox)
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_module_sees_no_environment_and_so_no_key(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "very-secret")
    source = module("return np.ctypeslib.ctypes.CDLL(None).getenv(b'OPENAI_API_KEY') + now['wood'] * 0")

    with PythonSkill(source, NAMES, sandbox) as skill:
        assert skill.evaluate(NOW, BEFORE)[0].tolist() == [0] * 6


def test_a_module_sees_no_process_but_its_own(sandbox: Sandbox) -> None:
    with subprocess.Popen(["sleep", "900"]) as other:
        source = module(f"return np.ctypeslib.ctypes.CDLL(None).kill({other.pid}, 9) + now['wood'] * 0")
        with PythonSkill(source, NAMES, sandbox) as skill:
            answer = skill.evaluate(NOW, BEFORE)[0]
        assert other.poll() is None
        other.kill()
    assert answer.tolist() == [-1] * 6


def test_a_module_that_never_ends_is_ended(sandbox: Sandbox) -> None:
    skill = PythonSkill(module("while True: pass"), NAMES, sandbox, SandboxLimits(answer_s=2.0))
    with skill:
        with pytest.raises(PythonSkillError, match="no answer in time"):
            skill.evaluate(NOW, BEFORE)
        with pytest.raises(PythonSkillError, match="was ended"):
            skill.evaluate(NOW, BEFORE)


def test_computing_time_is_limited_whatever_the_number_of_answers(sandbox: Sandbox) -> None:
    assert "ended" in failure_of(module("while True: pass"), sandbox, cpu_s=2, answer_s=120.0)


def test_memory_is_limited(sandbox: Sandbox) -> None:
    assert "MemoryError" in failure_of(module("np.ones(10**9)"), sandbox, memory_bytes=1 << 30)


def test_a_module_that_ends_its_process_or_answers_nonsense_is_found_out(sandbox: Sandbox) -> None:
    libc = "np.ctypeslib.ctypes.CDLL(None)"

    assert "ended" in failure_of(module(f"{libc}.abort()"), sandbox)
    assert "nonsense" in failure_of(module(f"[{libc}.write(fd, b'\\xff' * 64, 64) for fd in range(3, 9)]"), sandbox)
    assert "nonsense" in failure_of(
        module(f"[{libc}.write(fd, b'\\4\\0\\0\\0[[[[', 8) for fd in range(3, 9)]"), sandbox
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (module("return now['gold']"), "KeyError: 'gold'"),
        (module("return np.zeros(5)"), "ValueError"),
        (module("return 'wood'"), "ValueError"),
        (module("1 / 0"), "ZeroDivisionError"),
        ("import numpy.nothing\n" + GOOD, "ModuleNotFoundError"),
        ("x = [][1]\n" + GOOD, "IndexError"),
    ],
)
def test_a_module_that_fails_is_told_why(sandbox: Sandbox, source: str, reason: str) -> None:
    assert reason in failure_of(source, sandbox)


def test_leaving_the_block_ends_the_process(sandbox: Sandbox) -> None:
    with PythonSkill(GOOD, NAMES, sandbox) as skill:
        pid = skill.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_without_bubblewrap_python_skills_are_refused() -> None:
    with pytest.raises(SandboxMissingError, match="apt install bubblewrap"):
        find_sandbox(which=lambda _: None)


@pytest.fixture
def pretender(tmp_path: Path) -> str:
    """A program named like bubblewrap that locks nothing up."""
    path = tmp_path / "bwrap"
    path.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n')
    path.chmod(0o755)
    return str(path)


def test_a_bubblewrap_that_locks_nothing_up_is_found_out_by_trying(pretender: str) -> None:
    with pytest.raises(SandboxMissingError, match="cannot lock a process up"):
        find_sandbox(which=lambda _: pretender)


@pytest.mark.parametrize(
    "script", ["echo 'bwrap: No permissions to create new namespace' >&2; exit 1", "exit 0", "exec sleep 300"]
)
def test_a_bubblewrap_that_is_not_allowed_is_refused_with_what_it_said(tmp_path: Path, script: str) -> None:
    path = tmp_path / "bwrap"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)

    def impatient(*args: object, **rest: object) -> object:
        return subprocess.run(*args, **{**rest, "timeout": 0.5})  # type: ignore[call-overload]

    began = time.monotonic()
    with pytest.raises(SandboxMissingError, match="bubblewrap cannot"):
        find_sandbox(which=lambda _: str(path), run=impatient)  # type: ignore[arg-type]
    assert time.monotonic() - began < 200


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import os", "imports os"),
        ("from subprocess import run", "imports subprocess"),
        ("import numpy, socket", "imports socket"),
        ("from . import secrets", "imports "),
        ("x = ().__class__", "private name __class__"),
        ("x = np._core", "private name _core"),
        ("x = eval('1')", "uses eval"),
        ("x = open('x')", "uses open"),
        ("x = getattr", "uses getattr"),
        ("x = __builtins__", "uses __builtins__"),
        ("def", "cannot be read"),
        ("#" * 9000, "more than 8000"),
    ],
)
def test_the_look_at_the_source_gives_quick_reasons(line: str, reason: str) -> None:
    with pytest.raises(SourceRefusedError, match=reason):
        check_source(f"{line}\n{GOOD}")


def test_a_module_without_its_two_functions_is_refused() -> None:
    check_source(GOOD)
    for source in ("", GOOD.replace("success", "done"), GOOD.replace("def reward(now, before)", "def reward(now)")):
        with pytest.raises(SourceRefusedError, match="functions reward"):
            check_source(source)


def python_skill(source: str) -> Skill:
    return Skill.from_json({"name": "Collect_Wood", "gain": {"wood": 5}, "max_steps": 60, "python": source})


def test_a_python_skill_is_read_back_from_what_it_writes() -> None:
    skill = python_skill(GOOD)

    assert Skill.from_json(skill.as_json()) == skill
    with pytest.raises(SkillRefusedError, match="8000"):
        python_skill("#" * 8001)


def test_a_python_skill_is_refused_unless_a_sandbox_was_asked_for(states: SampledStates) -> None:
    verdict = verify(python_skill(GOOD), WORLD, states=states)

    assert verdict.statistics["failed_checks"] == ["python"]
    assert "expressions" in verdict.reasons[0]


def test_a_python_skill_passes_the_same_checks_as_expressions(sandbox: Sandbox, states: SampledStates) -> None:
    good = verify(python_skill(GOOD), WORLD, states=states, sandbox=sandbox)
    early = verify(python_skill(GOOD.replace(">= 5", ">= 0")), WORLD, states=states, sandbox=sandbox)
    broken = verify(python_skill(GOOD.replace("return", "return 1 / 0 +")), WORLD, states=states, sandbox=sandbox)
    hostile = verify(python_skill("import os\n" + GOOD), WORLD, states=states, sandbox=sandbox)

    assert good.reasons == ()
    assert {"success_at_start", "success_holds_gain"} <= set(early.statistics["failed_checks"])
    assert broken.statistics["failed_checks"] == hostile.statistics["failed_checks"] == ["python"]
    assert "ZeroDivisionError" in broken.reasons[0]
    assert "imports os" in hostile.reasons[0]


def test_the_module_of_a_python_skill_is_its_source_under_the_same_head() -> None:
    skill = python_skill(GOOD)
    text = write_module(skill, [0, 4], WORLD.names)
    states = WORLD.start_features(0, 4)

    assert text.startswith("# Auto-generated training module for: Collect_Wood\n# Global expert index: 4\n")
    assert disagreements(text, skill, WORLD.names, states, states) == []
    assert disagreements(text + "import os\n", skill, WORLD.names, states, states) != []


def test_a_python_skill_is_learned_in_the_toy_world(sandbox: Sandbox, tmp_path: Path) -> None:
    assert WORLD.make_trainer is not None
    task = TrainingTask(
        skill=python_skill(GOOD),
        index=0,
        attempt=1,
        seed=0,
        plan=(),
        total_timesteps=200_000,
        num_envs=64,
        folder=tmp_path,
    )

    outcome = WORLD.make_trainer().train(task, lambda _: None, lambda: False)

    assert outcome is not None
    assert outcome.is_success
