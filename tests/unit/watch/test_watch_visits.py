"""Visits are counted by tile and by stretch of the run, in bounded memory."""

from collections import Counter
from pathlib import Path

import pytest

from gamefleet.runs.visits import VisitsWriter
from gamefleet.watch import visits
from gamefleet.watch.visits import RunVisits


def read(path: Path) -> RunVisits:
    found = RunVisits(path)
    catch_up(found)
    return found


def catch_up(found: RunVisits) -> None:
    found.look()
    while found.read_on():
        pass


def counted(tiles: dict[str, list[int]]) -> Counter[tuple[int, int, int]]:
    fours = [(int(area), numbers[at : at + 3]) for area, numbers in tiles.items() for at in range(0, len(numbers), 3)]
    return Counter({(area, x, y): count for area, (x, y, count) in fours})


def test_tiles_and_trails_equal_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "visits" / "train.jsonl"
    with VisitsWriter(path, attempt=1) as writer:
        writer.write(10, {"0": [1, 5, 6, 2, 1, 6, 6, 1], "1": [2, 0, 0, 3]})
        writer.write(20, {"0": [1, 6, 6, 4, 1, 5, 6, 1]})
    view = read(path).view()

    assert counted(view["tiles"]) == {(1, 5, 6): 3, (1, 6, 6): 5, (2, 0, 0): 3}
    assert view["trails"][0] == {"env": "0", "spots": [1, 5, 6, 1, 6, 6, 1, 5, 6]}
    assert (view["first_step"], view["last_step"], view["slices"]) == (10, 20, [10, 20])


def test_the_slider_stands_at_slices_and_shows_what_was_visited_until_then(tmp_path: Path) -> None:
    path = tmp_path / "visits" / "train.jsonl"
    with VisitsWriter(path, attempt=1) as writer:
        for step in range(1, 1001):
            writer.write(step, {"0": [1, step % 7, 0, 1]})
    found = read(path)
    slices = found.view()["slices"]

    assert len(slices) <= visits.MOST_SLICES
    for until in (slices[0], slices[len(slices) // 2], slices[-1]):
        view = found.view(until + 1)
        assert view["until"] == until
        assert counted(view["tiles"]) == Counter((1, step % 7, 0) for step in range(1, until + 1))
        spots = view["trails"][0]["spots"]
        walked = [number for step in range(1, until + 1) for number in (1, step % 7, 0)]
        assert spots == walked[-len(spots) :], "the trail ends where the player was then"
        assert len(spots) >= 3 * min(until, visits.OLDER_TRAIL_SPOTS)


def test_visits_that_a_later_attempt_takes_back_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "visits" / "train.jsonl"
    with VisitsWriter(path, attempt=1) as writer:
        writer.write(10, {"0": [1, 0, 0, 1]})
        writer.write(20, {"0": [1, 1, 0, 1]})
    found = read(path)
    with VisitsWriter(path, attempt=2, resumed_step=10) as writer:
        writer.write(20, {"0": [1, 9, 0, 1]})
    catch_up(found)

    assert counted(found.view()["tiles"]) == {(1, 0, 0): 1, (1, 9, 0): 1}


def test_a_world_without_end_is_bounded_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "MOST_TILES", 100)
    path = tmp_path / "visits" / "train.jsonl"
    with VisitsWriter(path, attempt=1) as writer:
        for step in range(1, 401):
            writer.write(step, {"0": [1, step, 0, 1]})
    found = read(path)

    assert sum(len(piece.tiles) for piece in found.slices) <= 125
    assert "too many different tiles" in found.problem
    assert found.rows == 400


def test_rubbish_is_counted_and_kills_nothing(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(
        '{"attempt":1,"step":1,"trails":{"0":["x"]}}\nnoise\n{"attempt":1,"step":2,"trails":{"0":[1,2,3,4,5]}}\n'
    )
    found = read(path)

    assert counted(found.view()["tiles"]) == {(1, 2, 3): 4}
    assert found.problem == "2 lines could not be read"
