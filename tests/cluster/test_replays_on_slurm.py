"""Parsing as an array on a real SLURM: every part once, merged afterwards, whatever became of the tasks."""

import os
from pathlib import Path

import pytest
from tests.unit.games.showdown.replay_rows import MODULE, log_of, pokechamp_rows, write_lines
from tests.waiting import until

from gamefleet.cli.replays_slurm import submit
from gamefleet.errors import SubmitRefusedError
from gamefleet.experience.dataset import Dataset
from gamefleet.games.showdown.replays.pipeline import PLAN_VERSION, Plan, divide, settle
from gamefleet.games.showdown.replays.sources import units_of
from gamefleet.testing.local_slurm import LocalSlurm
from gamefleet.topologies.recorded.array import SlurmWishes
from gamefleet.topologies.recorded.parts import is_merged

NUM_FILES, ROWS = 6, 5
WISHES = SlurmWishes(time_limit_s=600)


@pytest.fixture(autouse=True)
def environment(slurm: LocalSlurm, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs are handed to this SLURM, and find the test's parser."""
    monkeypatch.setenv("SLURM_CONF", slurm.environment["SLURM_CONF"])
    monkeypatch.setenv("PYTHONPATH", str(repository))


def planned(folder: Path, parser: str = "parse") -> Plan:
    for number in range(NUM_FILES):
        write_lines(folder / "raw" / f"{number}.jsonl.zst", pokechamp_rows(ROWS, ROWS * number))
    (folder / "out").mkdir(exist_ok=True)
    plan = Plan(
        version=PLAN_VERSION,
        raw=str(folder / "raw"),
        parse=f"{MODULE}:{parser} 1",
        min_elo=0,
        formats=[],
        parts=divide(units_of(folder / "raw"), 1),
    )
    return settle(folder / "out", plan)


def outputs(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted((folder / "out" / "jobs" / "logs").glob("*")))


def test_an_array_parses_every_part_and_the_job_after_it_merges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = planned(tmp_path)

    submit(tmp_path / "out", plan, tasks=2, wishes=WISHES)
    until(lambda: is_merged(tmp_path / "out", plan) and not (tmp_path / "out" / "parts").exists(), "it is merged")

    dataset = Dataset(tmp_path / "out")
    assert [dataset.read(number).decode() for number in range(30)] == [log_of(number) for number in range(30)]
    assert "6 of 6 parts in 2 array tasks" in capsys.readouterr().out
    assert all(f"part {number}: 5 of 5 battles" in outputs(tmp_path) for number in range(NUM_FILES))
    until(lambda: "30 of 30 battles" in outputs(tmp_path), "the last job says what there is")
    submit(tmp_path / "out", plan, tasks=2, wishes=WISHES)
    assert "Everything is in" in capsys.readouterr().out


def test_what_array_tasks_left_undone_is_done_by_the_job_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned(tmp_path, "parse_unless_in_an_array")

    submit(tmp_path / "out", plan, tasks=2, wishes=WISHES)
    until(lambda: is_merged(tmp_path / "out", plan), "it is merged")

    assert len(Dataset(tmp_path / "out")) == 30
    assert "killed in an array" in outputs(tmp_path)


def test_a_partition_that_does_not_exist_is_refused_in_slurms_words(tmp_path: Path) -> None:
    with pytest.raises(SubmitRefusedError, match="partition"):
        submit(tmp_path / "out", planned(tmp_path), tasks=2, wishes=SlurmWishes(partition="nowhere"))
    assert "SLURM_CONF" in os.environ
