"""The tables: look-ups, facts that differ between generations, and that they are what the simulator says."""

import os
from importlib import resources

import pytest

from gamefleet.errors import MissingDependencyError
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.host.install import find_package
from gamefleet.games.showdown.tables.build import tables as written_by_the_simulator


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("Mr. Mime", "mrmime"),
        ("Farfetch\u2019d", "farfetchd"),
        ("Type: Null", "typenull"),
        ("Flabébé", "flabb"),
        ("", ""),
    ],
)
def test_names_become_ids_as_in_the_simulator(written: str, key: str) -> None:
    assert tables.to_id(written) == key


def test_a_thing_is_found_however_its_name_is_written() -> None:
    moves = tables.moves()

    assert moves.id("U-turn") == moves.id("uturn") == moves.id("U-Turn") > 0
    assert moves.keys[moves.id("U-turn")] == "uturn"
    assert moves.id("No Such Move") == tables.UNKNOWN


def test_looks_that_change_nothing_share_an_id() -> None:
    assert tables.species().id("Gastrodon-East") == tables.species().id("Gastrodon")


def test_formes_know_what_they_are_formes_of() -> None:
    species = tables.species()
    bases = species.column("base")

    assert bases[species.id("Charizard-Mega-X")] == species.id("Charizard")
    assert bases[species.id("Charizard")] == species.id("Charizard")


def test_facts_are_those_of_the_generation() -> None:
    moves, types, species = tables.moves(), tables.types(), tables.species()

    assert moves.column("category", 3)[moves.id("Crunch")] == 2  # special by its type until the fourth generation
    assert moves.column("category", 4)[moves.id("Crunch")] == 1
    assert species.column("type1", 5)[species.id("Clefable")] == types.id("Normal")
    assert species.column("type1", 6)[species.id("Clefable")] == types.id("Fairy")
    assert types.column("from_ghost", 1)[types.id("Psychic")] == 0  # the first generation's famous mistake
    assert types.column("from_ghost", 2)[types.id("Psychic")] == 200


def test_none_is_known_to_be_none() -> None:
    assert tables.items().id("none") == tables.abilities().id("noability") == tables.NONE


def test_the_files_are_small() -> None:
    folder = resources.files("gamefleet.games.showdown.tables")

    assert sum(len(file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".tsv")) < 1_500_000


def test_the_files_are_what_the_simulator_says() -> None:
    try:
        package = find_package(os.environ)
    except MissingDependencyError as error:
        pytest.skip(str(error))
    folder = resources.files("gamefleet.games.showdown.tables")

    for name, text in written_by_the_simulator(package).items():
        assert folder.joinpath(f"{name}.tsv").read_text(encoding="utf-8") == text, name
