"""Downloads from a hub on this machine, by the hub's own client, and from files: whole, filtered, resumable."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.unit.games.showdown.replay_hub import REVISION, Hub, serving
from tests.unit.games.showdown.replay_rows import log_of, parquet_of, pokechamp_rows, write_lines

from gamefleet.errors import ConfigError, RunFolderError
from gamefleet.games.showdown.replays.download import download
from gamefleet.games.showdown.replays.download_note import NOTE, Note, Part, Wanted, begin, read_note
from gamefleet.games.showdown.replays.filters import refusal
from gamefleet.games.showdown.replays.hub import HubError, cached, look_up
from gamefleet.games.showdown.replays.licences import SOURCES, source_named
from gamefleet.games.showdown.replays.origins import Files, Origin
from gamefleet.games.showdown.replays.origins import Hub as HubOrigin
from gamefleet.games.showdown.replays.pipeline import divide
from gamefleet.games.showdown.replays.sources import Row, Unit, read_unit, units_of

REPOSITORY = "milkkarten/pokechamp"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """60 battles in two files of three row groups each."""
    files = {f"data/train-{number}.parquet": parquet_of(pokechamp_rows(30, 30 * number)) for number in range(2)}
    with serving({REPOSITORY: {**files, "README.md": b"# battles"}}) as hub:
        from huggingface_hub import constants

        # As if HF_ENDPOINT had been set when the client was imported.
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        yield hub


def note_of(**changes: object) -> Note:
    values = {"source": "pokechamp", "origin": "x at y", "licence": "?", "citation": "?", "min_elo": 0, "formats": []}
    return Note(**{**values, **changes})  # type: ignore[arg-type]


def fetch(folder: Path, origin: Origin, wanted: Wanted = Wanted(), num_workers: int = 2) -> list[Part]:  # noqa: B008
    """A whole download, one unit per part."""
    note = begin(folder, note_of(min_elo=wanted.min_elo, formats=list(wanted.formats)), wanted)
    units = [[unit] for unit in origin.units(wanted.max_games)]
    return list(download(folder, note, origin, units, wanted, num_workers=num_workers))


def logs_in(folder: Path) -> list[str]:
    return [row["log"] for unit in units_of(folder) for row in read_unit(folder, unit) if row]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def from_hub(spare: int = 0) -> HubOrigin:
    return HubOrigin(look_up(REPOSITORY), spare=spare)


def test_every_battle_of_a_collection_arrives_in_its_order(hub: Hub, tmp_path: Path) -> None:
    parts = fetch(tmp_path / "raw", from_hub())

    assert logs_in(tmp_path / "raw") == [log_of(number) for number in range(60)]
    assert [part.kept for part in parts] == [10] * 6
    assert all(wanted.startswith("bytes=") for _, wanted in hub.requests), "only by range"


def test_the_collection_is_read_at_one_revision_and_says_its_licence(hub: Hub) -> None:
    collection = look_up(REPOSITORY)

    assert (collection.revision, collection.licence) == (REVISION, "cc-by-nc-4.0")
    assert [file.name for file in collection.files] == ["data/train-0.parquet", "data/train-1.parquet"]


def test_no_more_is_listed_and_fetched_than_is_wanted(hub: Hub, tmp_path: Path) -> None:
    fetch(tmp_path / "raw", from_hub(spare=2), Wanted(max_games=15), num_workers=1)

    assert logs_in(tmp_path / "raw") == [log_of(number) for number in range(15)]
    assert not any("train-1" in path for path, _ in hub.requests)


def test_ratings_and_formats_are_kept_as_wanted_and_the_rest_is_counted(hub: Hub, tmp_path: Path) -> None:
    parts = fetch(tmp_path / "raw", from_hub(), Wanted(min_elo=1300, formats=("gen9ou",)))

    assert logs_in(tmp_path / "raw") == [log_of(number) for number in range(60) if number % 3 == 2 and number >= 30]
    counts = {
        reason: sum(part.rejects.get(reason, 0) for part in parts) for reason in ("other_format", "rating_too_low")
    }
    assert counts == {"other_format": 40, "rating_too_low": 10}
    assert [part.name for part in parts][:2] == ["", ""], "a part without battles is no file"


class Failing:
    """An origin that breaks down after a few units, as networks do."""

    def __init__(self, inner: Origin, good: int) -> None:
        self._inner, self._good = inner, good

    def units(self, enough: int) -> list[Unit]:
        return self._inner.units(enough)

    def rows(self, unit: Unit, formats: Sequence[str]) -> Iterator[Row | None]:
        self._good -= 1
        if self._good < 0:
            raise HubError("The hub cannot be reached")
        return self._inner.rows(unit, formats)


@pytest.mark.parametrize("good", [0, 1, 3, 5])
def test_a_download_that_broke_off_goes_on_and_ends_with_the_same_files(tmp_path: Path, good: int) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.parquet").write_bytes(parquet_of(pokechamp_rows(60)))
    origin = Files(tmp_path / "in")
    fetch(tmp_path / "whole", origin)
    with pytest.raises(HubError):
        fetch(tmp_path / "raw", Failing(origin, good), num_workers=1)

    again = fetch(tmp_path / "raw", origin)

    assert files_of(tmp_path / "raw") == files_of(tmp_path / "whole")
    assert len(again) == 6 - good


def test_a_file_that_was_damaged_since_is_fetched_again(tmp_path: Path) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", pokechamp_rows(5))
    write_lines(tmp_path / "in" / "b.jsonl", pokechamp_rows(5, 5))
    fetch(tmp_path / "raw", Files(tmp_path / "in"))
    before = files_of(tmp_path / "raw")
    (tmp_path / "raw" / "part-00001.jsonl.zst").write_bytes(b"damaged")

    again = fetch(tmp_path / "raw", Files(tmp_path / "in"))

    assert [part.number for part in again] == [1]
    assert files_of(tmp_path / "raw") == before


def test_asking_for_more_battles_later_gives_what_asking_at_once_gives(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.parquet").write_bytes(parquet_of(pokechamp_rows(60)))
    origin = Files(tmp_path / "in" / "a.parquet")
    fetch(tmp_path / "once", origin, Wanted(max_games=35))

    fetch(tmp_path / "raw", origin, Wanted(max_games=12))
    assert fetch(tmp_path / "raw", origin, Wanted(max_games=12)) == []
    fetch(tmp_path / "raw", origin, Wanted(max_games=35))

    assert files_of(tmp_path / "raw") == files_of(tmp_path / "once")


def enlarged(folder: Path, spare: int = 2, **wanted: object) -> list[Part]:
    """A download as the command makes it: row groups together in parts of about 40 battles."""
    asked = Wanted(**wanted)  # type: ignore[arg-type]
    note = begin(folder, note_of(min_elo=asked.min_elo, formats=list(asked.formats)), asked)
    origin = from_hub(spare)
    return list(download(folder, note, origin, divide(origin.units(asked.max_games), 40), asked))


@pytest.mark.parametrize("formats", [(), ("gen9ou",)])
def test_a_part_that_ended_with_a_shorter_list_is_made_again(
    hub: Hub, tmp_path: Path, formats: tuple[str, ...]
) -> None:
    enlarged(tmp_path / "once", max_games=20, min_elo=1150, formats=formats)
    # Few battles of the first file have this rating, and it alone is listed: a part of 30 battles, none of them left.
    assert [part.rows for part in enlarged(tmp_path / "raw", spare=1, max_games=16, min_elo=1150, formats=formats)] == [
        30
    ]

    again = enlarged(tmp_path / "raw", max_games=20, min_elo=1150, formats=formats)

    assert again[0].number == 0
    assert files_of(tmp_path / "raw") == files_of(tmp_path / "once")


def test_a_list_that_is_shorter_now_costs_nothing(hub: Hub, tmp_path: Path) -> None:
    enlarged(tmp_path / "raw", spare=0, min_elo=1500)
    before = files_of(tmp_path / "raw")

    assert enlarged(tmp_path / "raw", spare=1, max_games=50, min_elo=1500) == []
    assert files_of(tmp_path / "raw") == before


def test_a_note_of_a_newer_gamefleet_is_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", pokechamp_rows(5))
    fetch(tmp_path / "raw", Files(tmp_path / "in"))
    note = json.loads((tmp_path / "raw" / NOTE).read_text())
    (tmp_path / "raw" / NOTE).write_text(json.dumps(note | {"version": 2}))

    with pytest.raises(RunFolderError, match="newer gamefleet, whose notes have version 2"):
        fetch(tmp_path / "raw", Files(tmp_path / "in"))


def test_another_download_into_the_same_folder_is_refused(tmp_path: Path) -> None:
    write_lines(tmp_path / "in" / "a.jsonl", pokechamp_rows(5))
    fetch(tmp_path / "raw", Files(tmp_path / "in"))

    with pytest.raises(ConfigError, match="min_elo 0 then, 1200 now"):
        fetch(tmp_path / "raw", Files(tmp_path / "in"), Wanted(min_elo=1200))


def test_a_note_that_is_damaged_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / NOTE).write_text('{"source": 3')

    with pytest.raises(RunFolderError, match="cannot be told"):
        read_note(tmp_path)


def test_a_hub_that_cannot_be_reached_is_an_error_with_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")

    with pytest.raises(HubError, match=r"cannot be reached.*127\.0\.0\.1:9.*--from.*replays generate"):
        look_up(REPOSITORY)


def test_what_the_hub_refuses_is_said_with_its_status(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(HubError, match="refused a request with status 404"):
        look_up("nobody/nothing")
    origin = from_hub()
    units = origin.units(0)
    hub.status = 403
    with pytest.raises(HubError, match=r"status 403.*hf auth login"):
        list(origin.rows(units[0], ()))


def test_a_data_set_without_parquet_files_is_refused(hub: Hub) -> None:
    hub.files["someone/else"] = {"battles.csv": b"1,2"}

    with pytest.raises(HubError, match="no parquet files"):
        look_up("someone/else")


def test_offline_without_a_copy_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(HubError, match=r"Working offline.*hf download --repo-type dataset"):
        cached(REPOSITORY)


def test_offline_the_copy_that_the_hubs_client_keeps_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    kept = tmp_path / "hub" / f"datasets--{REPOSITORY.replace('/', '--')}"
    snapshot, blob = kept / "snapshots" / REVISION / "data", kept / "blobs" / ("ab" * 32)
    for each in (snapshot, kept / "refs", blob.parent):
        each.mkdir(parents=True)
    (kept / "refs" / "main").write_text(REVISION)
    blob.write_bytes(parquet_of(pokechamp_rows(30, 0)))
    (snapshot / "train-0.parquet").symlink_to(Path("../../../blobs") / blob.name)
    secret = tmp_path / "secret.log"
    secret.write_text("|player|p1|somebody")
    (snapshot / "other.log").symlink_to(secret)

    folder = cached(REPOSITORY)
    units = units_of(folder)

    assert {unit.name for unit in units} == {"data/train-0.parquet"}, "a link out of the copy is not followed"
    assert len(logs_in(folder)) == 30
    assert sum(part.kept for part in fetch(tmp_path / "raw", Files(folder))) == 30


def test_plain_logs_are_of_the_format_that_they_name(tmp_path: Path) -> None:
    rows: list[Row] = [{"log": f"|gametype|singles\n|tier|{tier}\n"} for tier in ("[Gen 9] OU", "[Gen 1] UU")]

    assert [refusal(row, formats=("gen9ou",)) for row in rows] == ["", "other_format"]
    assert refusal({"log": "|gametype|singles\n"}, formats=("gen9ou",)) == "other_format"
    assert refusal({"log": rows[1]["log"], "formatid": "gen9ou"}, formats=("gen9ou",)) == ""


def test_files_that_do_not_exist_and_sources_that_do_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        Files(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="Did you mean 'pokechamp'"):
        source_named("pokechmp")
    assert len({source.name for source in SOURCES}) == len(SOURCES)
