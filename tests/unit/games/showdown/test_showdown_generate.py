"""Generated battles: the same files however often a generation is cut, and errors where they would not be."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.games.showdown.corpus import FOLDER
from gamefleet.games.showdown.corpus.build import COUNTS, play_format
from gamefleet.games.showdown.host.host import BattleHost
from gamefleet.games.showdown.replays.generate import GenerateSettings, estimate, generate, missing_parts, part_path

pytestmark = pytest.mark.usefixtures("simulator")


def settings_for(folder: Path, **changes: Any) -> GenerateSettings:
    chosen: dict[str, Any] = {
        "output_dir": folder,
        "max_games": 10,
        "formats": ("gen1randombattle",),
        "grades": ("max-damage", "random"),
        "part_battles": 4,
        "uploadtime": 86400,
    }
    return GenerateSettings(**(chosen | changes))


def rows_of(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as stream:
        lines = zstandard.ZstdDecompressor().stream_reader(stream).read().splitlines()
    return [msgspec.json.decode(line) for line in lines]


def contents(settings: GenerateSettings) -> list[bytes]:
    return [part_path(settings, part).read_bytes() for part in range(settings.num_parts)]


@pytest.fixture(scope="module")
def whole(simulator: Path, tmp_path_factory: pytest.TempPathFactory) -> GenerateSettings:
    """A generation that was not cut."""
    settings = settings_for(tmp_path_factory.mktemp("whole"))
    assert list(generate(settings))[-1] == settings.max_games
    return settings


def copied(settings: GenerateSettings, folder: Path) -> GenerateSettings:
    shutil.copytree(settings.output_dir, folder, dirs_exist_ok=True)
    return replace(settings, output_dir=folder)


def test_a_generation_that_was_cut_ends_with_the_same_files(whole: GenerateSettings, tmp_path: Path) -> None:
    cut = replace(whole, output_dir=tmp_path)
    played = generate(cut)
    while len(missing_parts(cut)) == cut.num_parts:
        next(played)
    played.close()
    list(generate(replace(cut, uploadtime=999)))

    assert contents(cut) == contents(whole)
    assert list(generate(whole)) == []
    assert estimate(whole).battles == 0


def test_more_battles_may_be_asked_for_later(whole: GenerateSettings, tmp_path: Path) -> None:
    more = replace(copied(whole, tmp_path), max_games=whole.max_games + 2)
    assert 2 <= estimate(more).battles <= whole.part_battles
    list(generate(more))

    assert contents(more)[:2] == contents(whole)[:2]
    assert len({row["id"] for part in range(3) for row in rows_of(part_path(more, part))}) == more.max_games


def test_logs_show_teams_and_the_truth_as_far_as_was_asked(whole: GenerateSettings, tmp_path: Path) -> None:
    told = replace(whole, output_dir=tmp_path, max_games=2, hides_teams=True, with_truth=True)
    list(generate(told))
    shown, hidden = rows_of(part_path(whole, 0))[0], rows_of(part_path(told, 0))[0]

    assert shown["log"].count("|showteam|") == 2
    assert set(shown) == {"id", "format", "formatid", "players", "log", "uploadtime", "rating"}
    assert hidden["log"] == "\n".join(line for line in shown["log"].split("\n") if not line.startswith("|showteam|"))
    assert ">p1 " in hidden["inputlog"]
    assert hidden["truth"].count("\n") >= hidden["log"].count("\n")


def test_another_generation_into_the_same_folder_is_refused(whole: GenerateSettings) -> None:
    with pytest.raises(ConfigError, match="another seed"):
        list(generate(replace(whole, seed=1)))


def test_a_part_that_changed_is_named(whole: GenerateSettings, tmp_path: Path) -> None:
    changed = copied(whole, tmp_path)
    part_path(changed, 0).write_bytes(b"something else")

    with pytest.raises(RunFolderError, match="has changed"):
        missing_parts(changed)


def test_sizes_must_be_positive(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--max-games"):
        settings_for(tmp_path, max_games=0)


def test_the_battles_that_come_with_gamefleet_can_be_played_again() -> None:
    with BattleHost() as host:
        for format_name in ("gen1ou", "gen9randombattle"):
            assert rows_of(FOLDER / f"{format_name}.jsonl.zst")[:2] == play_format(host, format_name, 2)


def test_the_battles_that_come_with_gamefleet_are_all_there_and_small() -> None:
    files = {path.name.partition(".")[0]: path for path in FOLDER.glob("*.jsonl.zst")}

    assert {name: len(rows_of(path)) for name, path in files.items()} == dict(COUNTS)
    assert sum(path.stat().st_size for path in files.values()) < 400_000
