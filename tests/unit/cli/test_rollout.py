"""`gamefleet rollout` shows what a player does: lines, decoded flags, videos, states."""

from pathlib import Path

import pytest

from gamefleet.cli.evaluate import play_all
from gamefleet.cli.rollout import find_player, play, write_videos
from gamefleet.errors import ConfigError
from gamefleet.files import write_json
from gamefleet.runs.manifest import FORMAT_VERSION
from gamefleet.runs.paths import CHECKPOINT_MANIFEST, RunPaths


def test_the_scripted_player_is_shown_reaching_its_first_milestones(capsys: pytest.CaptureFixture[str]) -> None:
    player = find_player("pokemon_red", "scripted", None, None)
    play(player, steps=60, seed=0, epsilon=0.0, show_flags=True, save_state=None)

    shown = capsys.readouterr().out
    assert "milestone got_starter" in shown
    row = next(line for line in shown.splitlines() if "EVENT_GOT_STARTER" in line)
    assert row.split()[:2] == ["34", "1"]
    assert len([line for line in shown.splitlines() if " EVENT_" in line]) == 507


def test_a_saved_state_can_be_the_start_of_another_rollout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = tmp_path / "starter.state"
    play(
        find_player("pokemon_red", "scripted", None, None),
        steps=60,
        seed=0,
        epsilon=0.0,
        show_flags=False,
        save_state=state,
    )
    capsys.readouterr()

    continued = find_player("pokemon_red", "random", None, [f"game.start_state={state}"])
    play(continued, steps=1, seed=0, epsilon=0.0, show_flags=True, save_state=None)
    row = next(line for line in capsys.readouterr().out.splitlines() if "EVENT_GOT_STARTER" in line)
    assert row.split()[:2] == ["34", "1"]


def test_a_video_is_written_as_mp4_and_gif(tmp_path: Path) -> None:
    write_videos(find_player("pokemon_red", "random", None, None), tmp_path, max_frames=12, seed=0, epsilon=0.0)

    assert (tmp_path / "pokemon_red.mp4").read_bytes()[4:8] == b"ftyp"
    assert (tmp_path / "pokemon_red.gif").read_bytes()[:3] == b"GIF"


def test_a_checkpoint_of_nobody_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="There is no checkpoint here"):
        find_player("pokemon_red", str(tmp_path), None, None)


def test_an_unknown_game_is_refused() -> None:
    with pytest.raises(ConfigError, match="No such game"):
        find_player("pokemon_blue", "random", None, None)


def test_a_run_on_records_is_refused_with_who_lets_it_play(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path / "battler")
    paths.checkpoint(1).mkdir(parents=True)
    write_json(paths.resolved, {"game_name": "showdown"})
    write_json(paths.manifest, {"format_version": FORMAT_VERSION})
    write_json(paths.checkpoint(1) / CHECKPOINT_MANIFEST, {})

    for answer in (find_player, compared):
        with pytest.raises(ConfigError, match=r"learned showdown from records.*gamefleet ladder run"):
            answer("showdown", str(paths.checkpoint(1)), None, None)


def compared(game: str, name: str, *_: None) -> object:
    """As `gamefleet evaluate` asks for a player."""
    return play_all([name], game, {}, episodes=1, max_steps=1, epsilon=None)
