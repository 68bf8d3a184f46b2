from dataclasses import fields
from importlib import resources

from gamefleet.games.pokemon_red.config import PokemonRedConfig, RewardWeights
from gamefleet.games.pokemon_red.game import make_spec

README = (resources.files("gamefleet.games.pokemon_red") / "README.md").read_text()
SPEC = make_spec(PokemonRedConfig())


def test_the_contract_lists_every_array_as_the_spec_has_it() -> None:
    for array in SPEC.observations:
        shape = " x ".join(map(str, array.shape))
        assert f"| `{array.name}` | {shape} | {array.dtype} | {array.meaning} |" in README
    assert f"{sum(array.num_bytes for array in SPEC.observations):,} bytes" in README


def test_the_contract_lists_every_term_with_its_default_weight() -> None:
    for name in SPEC.reward_terms:
        assert f"| `{name}` | {getattr(RewardWeights(), name)} |" in README
    shapes = {field.name for field in fields(RewardWeights)} - set(SPEC.reward_terms)
    assert all(f"`{name}`" in README or f"{name})" in README for name in shapes)


def test_the_contract_lists_every_action_and_setting() -> None:
    assert ", ".join(f"`{action}`" for action in SPEC.actions) in README
    assert all(f"| `{field.name}` |" in README for field in fields(PokemonRedConfig))
    assert f"lists {len(SPEC.milestones)} milestones" in README


def test_every_file_of_the_folder_is_in_the_table() -> None:
    folder = resources.files("gamefleet.games.pokemon_red")
    names = [
        path.name for path in folder.iterdir() if path.name.endswith(".py") and not path.name.startswith("scripted_")
    ]
    missing = [name for name in names if f"[`{name}`]" not in README]
    assert set(missing) <= {"__init__.py", "config.py", "tables.py"}
