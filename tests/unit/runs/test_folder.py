"""First start, resume, fresh start: nothing is overwritten, everything else is refused with what to do."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gamefleet.errors import IncompatibleError, RunFolderError
from gamefleet.files import read_json
from gamefleet.runs.claim import claim
from gamefleet.runs.folder import open_run, read_resolved
from gamefleet.runs.manifest import Compatibility, RunFacts
from gamefleet.runs.paths import RunPaths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "a"


def test_a_first_start_writes_what_the_run_is(root: Path, facts: RunFacts) -> None:
    with open_run(root, facts) as run:
        assert run.attempt == 1
        assert not run.is_resumed
        assert str(run.identity) == "a/attempt 1/m0/a0"
        run.write_state(status="running", step=5, total_steps=9)

    paths = RunPaths(root)
    manifest = read_json(paths.manifest)
    assert (manifest["format_version"], manifest["game"], manifest["seed"]) == (1, "toy", 3)
    assert manifest["compatibility"]["hash"] == facts.compatibility.hash
    assert {"gamefleet_version", "git_commit", "host", "python_version", "torch_version"} <= manifest.keys()
    assert paths.asked.read_text() == facts.asked
    assert read_resolved(paths) == facts.resolved
    assert read_json(paths.state)["step"] == 5
    assert read_json(paths.attempt(1))["outcome"] == "ended"


def test_a_run_that_exists_is_not_started_again_without_a_word(root: Path, facts: RunFacts) -> None:
    with open_run(root, facts) as run:
        run.write_state(status="running", step=5)

    with pytest.raises(RunFolderError, match=r"The run 'a' exists.*--resume.*--fresh"), open_run(root, facts):
        pass


def test_a_run_that_never_played_is_started_again_with_other_settings(root: Path, facts: RunFacts) -> None:
    with open_run(root, facts):
        pass
    changed = dataclasses.replace(facts, resolved={"run": {"seed": 4}})

    with open_run(root, changed) as run:
        assert run.attempt == 2
        assert not run.is_resumed

    assert read_resolved(RunPaths(root)) == changed.resolved


def test_a_resume_whose_settings_turn_out_not_to_fit_leaves_those_of_the_run(root: Path, facts: RunFacts) -> None:
    with open_run(root, facts):
        pass
    changed = dataclasses.replace(facts, asked="", resolved={"run": {"seed": 4}})

    with pytest.raises(IncompatibleError), open_run(root, changed, start="resume"):
        raise IncompatibleError("The checkpoint has another number of games")

    assert read_resolved(RunPaths(root)) == facts.resolved
    assert RunPaths(root).asked.read_text() == facts.asked


def test_a_resume_is_the_next_attempt_and_names_changed_settings(root: Path, facts: RunFacts) -> None:
    with open_run(root, facts):
        pass
    changed = dataclasses.replace(facts, resolved={"run": {"seed": 3}, "learner": {"batch_size": 8}})

    with open_run(root, changed, start="resume") as run:
        assert run.attempt == 2
        assert run.is_resumed
        assert run.changed_settings == {"learner.batch_size": [4, 8]}
        run.adopt_settings()

    assert read_resolved(RunPaths(root)) == changed.resolved
    assert read_json(RunPaths(root).attempt(2))["changed_settings"] == {"learner.batch_size": [4, 8]}


def test_there_must_be_a_run_to_resume(root: Path, facts: RunFacts) -> None:
    with open_run(root.with_name("abc"), facts):
        pass

    with (
        pytest.raises(RunFolderError, match=r"no run to resume.*Leave out --resume.*Did you mean 'abc'"),
        open_run(root.with_name("abd"), facts, start="resume"),
    ):
        pass
    assert not root.with_name("abd").exists()


def test_a_run_of_another_reward_is_not_resumed(root: Path, facts: RunFacts, compatibility: Compatibility) -> None:
    with open_run(root, facts):
        pass
    other = dataclasses.replace(facts, compatibility=dataclasses.replace(compatibility, reward={"badge": 1.0}))

    with (
        pytest.raises(IncompatibleError, match=r"reward\.badge: 1\.0 here, 5\.0 there"),
        open_run(root, other, start="resume"),
    ):
        pass
    assert len(RunPaths(root).found_attempts()) == 1


def test_a_fresh_start_moves_the_old_run_aside_whole(root: Path, facts: RunFacts) -> None:
    with open_run(root, facts) as run:
        (run.paths.media / "video.mp4").write_bytes(b"film")

    with open_run(root, facts, start="fresh") as run:
        assert run.attempt == 1
        assert run.set_aside is not None
        assert (run.set_aside / "media" / "video.mp4").read_bytes() == b"film"
        assert read_json(RunPaths(run.set_aside).attempt(2))["outcome"] == "set aside"
        assert not (run.paths.media / "video.mp4").exists()


def test_two_fresh_starts_within_a_second_keep_both_old_runs(root: Path, facts: RunFacts) -> None:
    for _ in range(3):
        with open_run(root, facts, start="fresh"):
            pass

    assert len(list(root.parent.glob("a*/manifest.json"))) == 3


def test_a_fresh_start_where_nothing_is_just_starts(root: Path, facts: RunFacts) -> None:
    with open_run(root, facts, start="fresh") as run:
        assert run.set_aside is None


def test_a_folder_of_something_else_is_left_alone(root: Path, facts: RunFacts) -> None:
    root.mkdir(parents=True)
    (root / "thesis.tex").write_text("important")

    for start in ("first", "fresh"):
        with (
            pytest.raises(RunFolderError, match=r"not empty and is not a run.*thesis\.tex.*nothing was touched"),
            open_run(root, facts, start=start),  # type: ignore[arg-type]
        ):
            pass
    assert [path.name for path in root.iterdir()] == ["thesis.tex"]


def test_a_file_where_the_folder_should_be_is_refused(root: Path, facts: RunFacts) -> None:
    root.parent.mkdir()
    root.write_text("")

    with pytest.raises(RunFolderError, match="not a folder"), open_run(root, facts):
        pass


def test_a_folder_that_cannot_be_made_is_explained(tmp_path: Path, facts: RunFacts) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RunFolderError, match=r"Choose a folder you may write to"), open_run(tmp_path / "file/a", facts):
        pass


def test_a_start_that_was_killed_before_its_manifest_can_simply_be_repeated(root: Path, facts: RunFacts) -> None:
    root.mkdir(parents=True)
    claim(RunPaths(root), {}).release()
    (root / ".tmp-manifest.json-123").touch()

    with open_run(root, facts) as run:
        assert run.attempt == 2
        assert not run.is_resumed


def test_an_error_within_the_run_is_passed_on_and_written_into_the_claim(root: Path, facts: RunFacts) -> None:
    with pytest.raises(ZeroDivisionError), open_run(root, facts):
        raise ZeroDivisionError

    assert read_json(RunPaths(root).attempt(1))["outcome"] == "failed"


HOLDER = """
    import sys
    from pathlib import Path
    from gamefleet.runs.folder import open_run
    from gamefleet.runs.manifest import Compatibility, RunFacts

    compatibility = Compatibility(
        game="toy 1", observation={"screen": [3, 4]}, reward={"badge": 5.0}, architecture={"core": "gru", "size": 8}
    )
    facts = RunFacts(game="toy", seed=3, asked="", resolved={}, compatibility=compatibility)
    with open_run(Path(sys.argv[1]), facts):
        print("open", flush=True)
        sys.stdin.readline()
"""


def test_a_run_in_use_can_be_neither_resumed_nor_replaced_until_its_process_is_gone(
    start_program: Callable[..., subprocess.Popen[str]], root: Path, facts: RunFacts
) -> None:
    process = start_program(HOLDER, root)
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"

    for start in ("resume", "fresh"):
        with (
            pytest.raises(RunFolderError, match=rf"in use by process {process.pid}"),
            open_run(root, facts, start=start),  # type: ignore[arg-type]
        ):
            pass
    process.send_signal(signal.SIGKILL)
    process.communicate()

    with open_run(root, facts, start="resume") as run:
        assert run.attempt == 2


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (99, r"A newer gamefleet \(7\.0\) wrote this in format 99.*pip install 'gamefleet>=7\.0'"),
        (0, r"An older gamefleet \(7\.0\) wrote this in format 0.*gamefleet==7\.0.*--fresh"),
    ],
)
def test_a_folder_of_another_format_names_the_version_that_can_open_it(
    root: Path, facts: RunFacts, version: int, says: str
) -> None:
    with open_run(root, facts) as run:
        paths = run.paths
    manifest = read_json(paths.manifest) | {"format_version": version, "gamefleet_version": "7.0"}
    paths.manifest.write_text(json.dumps(manifest))

    with pytest.raises(RunFolderError, match=says), open_run(root, facts, start="resume"):
        pass


@pytest.mark.parametrize("name", ["manifest.json", "resolved.json"])
def test_a_damaged_description_is_named(root: Path, facts: RunFacts, name: str) -> None:
    with open_run(root, facts):
        pass
    (root / name).write_text('{"half')

    with pytest.raises(RunFolderError, match=rf"damaged.*{name}"), open_run(root, facts, start="resume"):
        pass


def test_a_folder_in_which_only_a_fleet_has_written_is_free(root: Path, facts: RunFacts) -> None:
    (root / "fleet" / "m0" / "legs" / "0001").mkdir(parents=True)
    (root / "fleet" / "fleet.json").touch()
    (root / "logs").mkdir()
    (root / "logs" / "slurm-1.out").touch()
    (root / "stream").mkdir()
    (root / "stream" / "token").touch()

    with open_run(root, facts, job="12") as run:
        assert run.attempt == 1
        assert run.set_aside is None

    assert (root / "fleet" / "fleet.json").exists()
    assert read_json(RunPaths(root).attempt(1))["job"] == "12"


@pytest.mark.parametrize(("name", "fleet", "member"), [("a", "a", "m0"), ("a-m1", "a", "m1")])
def test_a_run_that_a_fleet_carries_is_not_moved_aside(
    root: Path, facts: RunFacts, name: str, fleet: str, member: str
) -> None:
    root = root.with_name(name)
    with open_run(root, facts):
        pass
    carried = root.with_name(fleet) / "fleet"
    (carried / member).mkdir(parents=True)
    (carried / "fleet.json").touch()

    with (
        pytest.raises(RunFolderError, match=rf"fleet carry the run '{name}'.*gamefleet fleet stop --run {fleet}\b"),
        open_run(root, facts, start="fresh"),
    ):
        pass
    assert len(RunPaths(root).found_attempts()) == 1

    (carried / member / "done.json").touch()
    with open_run(root, facts, start="fresh") as run:
        assert run.set_aside is not None


def test_a_stopped_fleet_is_moved_aside_with_its_run(root: Path, facts: RunFacts) -> None:
    with open_run(root, facts):
        pass
    (root / "fleet").mkdir()
    for name in ("fleet.json", "stop.json"):
        (root / "fleet" / name).touch()

    with open_run(root, facts, start="fresh") as run:
        assert run.set_aside is not None
        assert (run.set_aside / "fleet" / "stop.json").exists()
        assert not run.paths.fleet.exists()
