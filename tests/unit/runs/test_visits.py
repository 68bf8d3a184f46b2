"""Visits are written like metrics: attempts open with a line, and a resume cuts off what came after its checkpoint."""

from pathlib import Path

from gamefleet.runs.lines import read_lines
from gamefleet.runs.visits import VisitsWriter


def test_each_attempt_opens_with_the_step_from_which_it_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "visits" / "train.jsonl"
    with VisitsWriter(path, attempt=1) as writer:
        writer.write(100, {"0": [12, 3, 4, 7]})
    with VisitsWriter(path, attempt=2, resumed_step=80) as writer:
        pass  # killed before anybody went anywhere: what lies beyond step 80 must not count all the same

    rows = read_lines(path).rows
    assert [(row["attempt"], row.get("resumed_step")) for row in rows] == [(1, -1), (1, None), (2, 80)]
    assert (rows[1]["step"], rows[1]["trails"]) == (100, {"0": [12, 3, 4, 7]})


def test_a_game_whose_player_stands_nowhere_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "visits" / "train.jsonl"
    with VisitsWriter(path, attempt=1) as writer:
        writer.write(100, {})
    assert not path.exists()
