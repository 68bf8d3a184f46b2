"""`gamefleet replays`: from raw battles to packed files, whatever happens in between."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest
from tests.unit.games.showdown.replay_rows import BATTLE, MODULE, log_of, pokechamp_rows, write_lines
from tests.waiting import PATIENCE_S, until
from typer.testing import CliRunner

from gamefleet.cli.main import make_app
from gamefleet.errors import GamefleetError, WorkerError
from gamefleet.experience.dataset import Dataset
from gamefleet.experience.dataset_format import DatasetError
from gamefleet.games.showdown.replays.pipeline import PLAN_VERSION, Plan, divide, settle
from gamefleet.games.showdown.replays.sources import units_of
from gamefleet.topologies.recorded.parts import make_part, missing_parts, part_folder, put_together, teach
from gamefleet.topologies.recorded.pool import make_parts


@pytest.fixture(autouse=True)
def importable(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers find the test's parser as this process does."""
    monkeypatch.syspath_prepend(str(repository))


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """120 battles in six files."""
    for number in range(6):
        write_lines(tmp_path / "raw" / f"{number}.jsonl.zst", pokechamp_rows(20, 20 * number))
    return tmp_path / "raw"


def plan_in(folder: Path, raw: Path, parser: str = "parse", *, has_dictionary: bool = False) -> Plan:
    folder.mkdir(exist_ok=True)
    plan = Plan(
        version=PLAN_VERSION,
        raw=str(raw),
        parse=f"{MODULE}:{parser} 1",
        min_elo=0,
        formats=[],
        parts=divide(units_of(raw), 1),
    )
    return settle(folder, plan, lambda fresh: teach(folder, fresh) if has_dictionary else "")


def made_at_once(folder: Path, raw: Path, parser: str = "parse") -> dict[str, bytes]:
    plan = plan_in(folder, raw, parser)
    for number in range(len(plan.parts)):
        make_part(folder, plan, number)
    put_together(folder, plan)
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_parts_become_one_dataset_in_the_order_of_the_raw_battles(raw: Path, tmp_path: Path) -> None:
    made_at_once(tmp_path / "out", raw)

    dataset = Dataset(tmp_path / "out", kind="tests 1")
    assert [dataset.read(number).decode() for number in range(120)] == [log_of(number) for number in range(120)]
    assert dataset.manifest.groups == ["gen1ou", "gen4ou", "gen9ou"]
    assert dataset.column("group").tolist() == [number % 3 for number in range(120)]
    assert dataset.column("ratings")[7].tolist() == [1070, 1075]
    assert dataset.manifest.facts["rows"] == 120
    assert not (tmp_path / "out" / "parts").exists()
    dataset.verify()


@pytest.mark.parametrize("num_workers", [1, 3])
def test_processes_in_any_order_make_the_same_bytes(raw: Path, tmp_path: Path, num_workers: int) -> None:
    expected = made_at_once(tmp_path / "once", raw)
    plan = plan_in(tmp_path / "out", raw)

    answers = list(make_parts(tmp_path / "out", list(reversed(range(6))), num_workers))
    put_together(tmp_path / "out", plan)

    assert sorted(answer.part for answer in answers) == list(range(6))
    assert files_of(tmp_path / "out") == expected


def test_a_dictionary_is_learned_once_and_every_process_uses_it(raw: Path, tmp_path: Path) -> None:
    write_lines(raw / "more.jsonl.zst", pokechamp_rows(300))
    expected: list[dict[str, bytes]] = []
    for name in ("one", "two"):
        plan_in(tmp_path / name, raw, has_dictionary=True)
        plan = plan_in(tmp_path / name, raw, has_dictionary=True)
        assert plan.dictionary != ""
        list(make_parts(tmp_path / name, range(len(plan.parts)), 1 + len(expected)))
        put_together(tmp_path / name, plan)
        expected.append(files_of(tmp_path / name))

    assert expected[0] == expected[1]
    dataset = Dataset(tmp_path / "one")
    assert [dataset.read(number).decode() for number in (0, 119, 120, 419)] == [
        log_of(number) for number in (0, 119, 0, 299)
    ]


def test_a_dictionary_that_is_not_the_plans_makes_no_part(raw: Path, tmp_path: Path) -> None:
    write_lines(raw / "more.jsonl.zst", pokechamp_rows(300))
    plan = plan_in(tmp_path / "out", raw, has_dictionary=True)
    (tmp_path / "out" / "dictionary.bin").write_bytes(b"another")

    with pytest.raises(DatasetError, match="not the one that the plan names"):
        make_part(tmp_path / "out", plan, 0)


PARSER = """
import sys
from pathlib import Path
from gamefleet.cli.replays_parse import parse_here
from gamefleet.topologies.recorded.parts import load_plan
parse_here(Path(sys.argv[1]), load_plan(Path(sys.argv[1])), 2)
"""


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PARSER, str(folder)],
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def test_killed_at_any_time_and_run_again_it_gives_the_same_bytes_and_leaves_no_process(
    raw: Path, tmp_path: Path
) -> None:
    expected = made_at_once(tmp_path / "once", raw, "parse_slowly")
    out = tmp_path / "out"
    plan = plan_in(out, raw, "parse_slowly")
    workers: set[int] = set()
    for kept in (1, 3):
        with start(out) as process:
            until(lambda kept=kept: 6 - len(missing_parts(out, plan)) >= kept, "parts", poll_s=0.02)
            workers |= {child.pid for child in psutil.Process(process.pid).children()}
            process.send_signal(signal.SIGKILL)

    # Killed while parts are put together: some files are there, and no manifest.
    (out / "shard-00000.bin").write_bytes(b"half")
    with start(out) as process:
        assert process.wait(PATIENCE_S) == 0

    assert files_of(out) == expected
    until(lambda: not any(psutil.pid_exists(pid) for pid in workers), "the end of all workers")


def test_a_process_that_dies_is_an_error_and_what_is_done_is_kept(raw: Path, tmp_path: Path) -> None:
    plan_in(tmp_path / "out", raw, "parse_and_die")

    with pytest.raises(WorkerError, match=r"died \(exit status -9\)(.|\n)*Run the same command again"):
        list(make_parts(tmp_path / "out", range(6), 1))

    plan = plan_in(tmp_path / "out", raw, "parse_and_die")
    assert missing_parts(tmp_path / "out", plan) == [3, 4, 5]


def test_a_raw_file_that_is_damaged_stops_its_part_with_its_name(raw: Path, tmp_path: Path) -> None:
    plan = plan_in(tmp_path / "out", raw)
    data = (raw / "3.jsonl.zst").read_bytes()
    (raw / "3.jsonl.zst").write_bytes(data[:-40] + bytes(40))

    with pytest.raises(GamefleetError, match=r"3\.jsonl\.zst"):
        list(make_parts(tmp_path / "out", range(6), 1))
    assert missing_parts(tmp_path / "out", plan) == [3, 4, 5]


def test_a_record_that_packed_files_do_not_take_is_counted_and_the_others_are_kept(tmp_path: Path) -> None:
    rows = pokechamp_rows(5)
    rows[2]["uploadtime"] = 10**15
    write_lines(tmp_path / "raw" / "a.jsonl", rows)

    report = make_part(tmp_path / "out", plan_in(tmp_path / "out", tmp_path / "raw"), 0)

    assert (report.rows, report.records, report.rejects) == (5, 4, {"unfit_record": 1})


@pytest.mark.parametrize("name", ["part-00000.bin", "index.bin", "MANIFEST.json"])
def test_a_damaged_part_is_never_merged(raw: Path, tmp_path: Path, name: str) -> None:
    plan = plan_in(tmp_path / "out", raw)
    for number in range(6):
        make_part(tmp_path / "out", plan, number)
    path = part_folder(tmp_path / "out", 4) / name
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")

    with pytest.raises(DatasetError):
        put_together(tmp_path / "out", plan)
    assert not (tmp_path / "out" / "MANIFEST.json").exists()


def test_two_processes_that_make_the_same_part_do_not_disturb_each_other(raw: Path, tmp_path: Path) -> None:
    plan = plan_in(tmp_path / "out", raw, "parse_slowly")
    first = make_parts(tmp_path / "out", [0, 1], 1)
    second = make_parts(tmp_path / "out", [0, 1], 1)

    for _ in range(2):
        assert next(first).report == next(second).report
    list(first), list(second)
    assert missing_parts(tmp_path / "out", plan) == [2, 3, 4, 5]


def battles(folder: Path, count: int = 5) -> Path:
    rows = [{"id": f"gen1ou-{number}", "log": BATTLE.format(rating=1300 + 50 * number)} for number in range(count)]
    write_lines(folder / "raw" / "a.jsonl.zst", [*rows, {"id": "half", "log": BATTLE.split("|turn|2")[0]}])
    return folder


def call(*words: object) -> str:
    result = CliRunner().invoke(make_app(), ["replays", *map(str, words)])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_raw_battles_are_parsed_by_the_games_own_parser_and_shown(tmp_path: Path) -> None:
    battles(tmp_path)

    said = call("parse", "--input-dir", tmp_path, "--num-workers", 1)
    again = call("parse", "--input-dir", tmp_path / "raw", "--output-dir", tmp_path / "processed")

    assert "5 of 6 battles" in said
    assert "1 unfinished" in said
    assert "by 6 battles parsed just now" in said
    assert "5 of 6 battles" in again
    assert "1 files of raw battles" in call("show", tmp_path)
    assert "gen1ou 5" in call("show", tmp_path)
    assert "All checksums are right" in call("show", tmp_path / "processed", "--verify")
    one = call("show", tmp_path, "--battle", 2)
    assert "gen1ou, 2 turns, side 1 won" in one
    assert "ratings: 1400 against 1450" in one
    assert "tauros" in one


def test_an_array_task_without_time_is_refused(tmp_path: Path) -> None:
    battles(tmp_path)
    words = ("parse", "--input-dir", tmp_path, "--slurm", "--time-limit-hours", 0)

    result = CliRunner().invoke(make_app(), ["replays", *map(str, words)])

    assert result.exit_code == 2
    assert "--time-limit-hours" in result.output


def test_ratings_are_those_of_the_log(tmp_path: Path) -> None:
    battles(tmp_path)

    said = call("parse", "--input-dir", tmp_path, "--min-elo", 1460, "--num-workers", 1)

    assert "1 of 6 battles" in said
    assert "4 rating_too_low" in said


def test_a_sample_is_reported_on_and_nothing_is_written(tmp_path: Path) -> None:
    battles(tmp_path)

    said = call("parse", "--input-dir", tmp_path, "--test-mode")

    assert "5 parsed" in said
    assert "bytes per battle" in said
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_what_was_parsed_is_what_the_loader_reads(tmp_path: Path) -> None:
    from gamefleet.experience.loader import Loader, LoaderSettings
    from gamefleet.experience.packing import PackingSettings
    from gamefleet.experience.selection import Selection, choose
    from gamefleet.games.showdown import RECORDED

    battles(tmp_path)
    call("parse", "--input-dir", tmp_path, "--num-workers", 1)
    dataset = Dataset(tmp_path / "processed")
    settings = LoaderSettings(num_workers=0)
    chosen = choose(dataset, Selection(min_rating=1400))

    with Loader(dataset, chosen, RECORDED.read_view, packing=PackingSettings(), settings=settings) as loader:
        batch = next(loader)

    assert len(chosen) == 3 + 5
    assert {"action", "outcome"} <= batch.arrays.keys()
    is_there = batch.segment > 0
    assert np.isin(batch.arrays["outcome"][is_there], (0, 1)).all()


def test_files_are_taken_over_with_their_licence_and_then_parsed(tmp_path: Path) -> None:
    rows = [{"text": BATTLE.format(rating=1500), "gamemode": "gen1ou", "battle_id": "1-2025-03-02"}]
    write_lines(tmp_path / "in" / "a.jsonl", rows)

    said = call("download", "--output-dir", tmp_path / "out", "--from", tmp_path / "in")
    call("parse", "--input-dir", tmp_path / "out", "--num-workers", 1)

    assert "Licence:" in said
    assert "Cite: Karten" in said
    assert Dataset(tmp_path / "out" / "processed").column("day").tolist() == [20149]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("parse",), "--input-dir"),
        (("parse", "--input-dir", "nowhere"), "does not exist"),
        (("show", "."), "no battles"),
        (("show", ".", "--verify"), "no packed battles"),
        (("download", "--output-dir", "x", "--source", "logs"), "Name them with --from"),
        (("download", "--output-dir", "x", "--source", "log"), "Did you mean 'logs'"),
    ],
)
def test_mistakes_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(GamefleetError, match=message):
        call(*words)


def test_a_plan_is_readable_json(raw: Path, tmp_path: Path) -> None:
    plan_in(tmp_path / "out", raw)

    assert msgspec.json.decode((tmp_path / "out" / "PLAN.json").read_bytes())["parts"][0][0]["name"] == "0.jsonl.zst"
