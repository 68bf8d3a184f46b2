"""The contract of Hanabi says what the code does."""

from dataclasses import fields
from importlib import resources

import numpy as np

from gamefleet.games.hanabi.config import VARIANTS, HanabiConfig
from gamefleet.games.hanabi.game import make_spec
from gamefleet.games.hanabi.record import Record, encode
from gamefleet.games.hanabi.shuffle import sorted_deck

FOLDER = resources.files("gamefleet.games.hanabi")
README = (FOLDER / "README.md").read_text()
SPEC = make_spec(HanabiConfig())


def test_the_contract_lists_every_array_as_the_spec_has_it() -> None:
    for array in SPEC.observations:
        shape = " x ".join(map(str, array.shape))
        assert f"| `{array.name}` | {shape} | {array.dtype} | {array.meaning} |" in README
    more = make_spec(HanabiConfig(num_players=3, sad=True))
    assert all(f"| `{array.name}` |" in README and array.meaning in README for array in more.observations)


def test_the_contract_lists_every_term_milestone_setting_and_variant() -> None:
    assert all(f"| `{name}` |" in README for name in (*SPEC.reward_terms, *(f.name for f in fields(HanabiConfig))))
    assert ", ".join(f"`{name}`" for name in SPEC.milestones) in README
    assert all(f"`{name}`" in README for name in VARIANTS)


def test_the_contract_names_actions_as_the_spec_does() -> None:
    names = make_spec(HanabiConfig(num_players=3)).actions
    assert {"discard 1", "play 1", "hint +1 red", "hint +2 red", "hint +1 rank 1"} <= set(names)
    assert all(f"`{name}`" in README for name in ("discard 1", "play 1", "hint +1 red", "hint +2 red"))


def test_the_longest_record_is_as_long_as_the_contract_says() -> None:
    configs = [HanabiConfig(num_players=players) for players in (2, 3, 4, 5)]
    sizes = [len(encode(c, Record(deck=sorted_deck(c), moves=np.zeros(c.max_moves, np.int16)))) for c in configs]
    assert f"at most {max(sizes)} bytes" in README


def test_every_file_of_the_folder_is_in_the_table() -> None:
    names = [path.name for path in FOLDER.iterdir() if path.name.endswith(".py") and path.name != "__init__.py"]
    assert [name for name in names if f"[`{name}`]" not in README] == []
