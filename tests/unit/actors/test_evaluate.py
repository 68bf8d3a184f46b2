"""Fixed seeds, intervals, tables, frames and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet.actors.compare import compare, mean_interval, paired_difference, rate_interval
from gamefleet.actors.evaluate import EpisodeResult, ScriptedPolicy, evaluate
from gamefleet.actors.policy import RandomPolicy
from gamefleet.actors.record import Frame, record
from gamefleet.actors.vector import InlineVector
from gamefleet.actors.video import captioned, write_video
from gamefleet.errors import ConfigError

SEEDS = range(10)


def corridors(count: int, **config: Any) -> InlineVector:
    from corridor_toy import Corridor, CorridorConfig

    return InlineVector([Corridor(CorridorConfig(**config)) for _ in range(count)])


def scripted(count: int = 1, **config: Any) -> list[EpisodeResult]:
    from corridor_toy import RightWalker

    vector = corridors(count, **config)
    return evaluate(vector, ScriptedPolicy([RightWalker] * count), seeds=SEEDS, max_steps=25)


def test_every_seed_is_played_once_whatever_the_number_of_games() -> None:
    alone, together = scripted(1), scripted(4)
    assert [result.seed for result in alone] == list(SEEDS)

    def key(result: EpisodeResult) -> Any:
        return result.seed, result.summary.total_return, result.summary.num_steps, result.first_steps

    assert [key(result) for result in alone] == [key(result) for result in together]


def test_results_say_when_milestones_were_reached_and_episodes_are_cut() -> None:
    straight = scripted(noise=0.0)
    assert straight[0].first_steps == {"third": 4, "two_thirds": 8, "end": 12}
    assert straight[0].summary.outcome == "terminated"
    long = scripted(noise=0.0, length=50)
    assert (long[0].summary.num_steps, long[0].summary.outcome) == (25, "truncated")


def test_an_evaluation_may_start_from_a_state() -> None:
    from corridor_toy import RightWalker

    vector = corridors(2, noise=0.0)
    game: Any = vector.games[0]
    for _ in range(5):
        game.step(1)
    start = game.save_state()
    results = evaluate(vector, ScriptedPolicy([RightWalker] * 2), seeds=[0, 1], max_steps=25, start=start)
    assert [result.summary.num_steps for result in results] == [7, 7]
    assert results[0].summary.milestones == ("two_thirds", "end")


def test_a_better_player_is_told_from_a_random_one() -> None:
    vector = corridors(3)
    random = evaluate(vector, RandomPolicy(num_actions=2, num_envs=3, seed=0), seeds=SEEDS, max_steps=25)
    table = compare({"scripted": scripted(), "random": random}, vector.spec.milestones)
    assert table.columns == ("measure", "scripted", "random", "scripted - random")
    assert table.rows[0][0] == "milestones"
    assert {len(row) for row in table.rows} == {4}
    lowest = float(table.rows[0][3].split("[")[1].split(",")[0])
    assert lowest > 0


def test_players_of_different_seeds_are_not_compared() -> None:
    with pytest.raises(ValueError, match="same seeds"):
        compare({"a": scripted(), "b": scripted()[1:]}, ())


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    interval = rate_interval(8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-3)
    assert rate_interval(0, 5).low == 0.0
    assert rate_interval(5, 5).high == 1.0


def test_the_bootstrap_interval_agrees_with_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    interval = mean_interval(values.tolist())
    half = 1.96 * values.std() / 20
    assert (interval.low, interval.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_pairing_removes_what_the_seeds_have_in_common() -> None:
    seeds = np.random.default_rng(0).normal(0.0, 100.0, 30)
    interval = paired_difference((seeds + 1.0).tolist(), seeds.tolist())
    assert (interval.low, interval.value, interval.high) == pytest.approx((1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="paired"):
        paired_difference([1.0], [1.0, 2.0])


def frames(max_frames: int = 8) -> list[Frame]:
    policy = RandomPolicy(num_actions=2, num_envs=1, seed=0)
    return list(record(corridors(1), policy, seed=1, max_frames=max_frames))


def test_frames_show_the_start_and_every_step() -> None:
    shown = frames()
    assert [frame.num_steps for frame in shown] == list(range(8))
    assert shown[0].action == ""
    assert shown[1].action in ("left", "right")
    assert shown[3].caption.startswith("step 3  reward ")
    assert shown[0].picture[:, 0].min() == 255


def test_recording_ends_with_the_episode() -> None:
    from corridor_toy import RightWalker

    shown = list(record(corridors(1, noise=0.0), ScriptedPolicy([RightWalker]), seed=0, max_frames=500))
    assert len(shown) == 13


def test_pictures_have_even_sides_and_a_caption() -> None:
    (frame, *_) = frames(1)
    picture = captioned(frame, 3)
    assert [side % 2 for side in picture.shape[:2]] == [0, 0]
    assert picture[-16:].max() > 100


@pytest.mark.parametrize("ending", ["mp4", "gif"])
def test_videos_can_be_read_back(tmp_path: Path, ending: str) -> None:
    import av

    path = tmp_path / f"episode.{ending}"
    assert write_video(path, iter(frames()), scale=8) == 8
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    assert len(decoded) == 8 if ending == "mp4" else len(decoded) >= 2
    assert list(tmp_path.iterdir()) == [path]


def test_unknown_endings_and_empty_videos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Did you mean '\.mp4'"):
        write_video(tmp_path / "x.mp5", iter(frames(1)))
    with pytest.raises(ConfigError, match="no frame"):
        write_video(tmp_path / "x.gif", iter(()))
    assert list(tmp_path.iterdir()) == []
