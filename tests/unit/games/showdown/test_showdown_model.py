"""The network knows the rules' tables, sees no future, and has the size that its name says."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gamefleet.errors import ConfigError
from gamefleet.games.base import GameSpec
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.facts import Facts
from gamefleet.games.showdown.model import make_encoder, make_network
from gamefleet.games.showdown.observe import ACTIONS, ARRAYS
from gamefleet.games.showdown.tokens import MOVE_TOKENS, NUM_TOKENS

SMALL = {"size": "tiny", "layers": 2, "width": 32, "heads": 2, "feedforward": 48, "embedding_size": 8}

SPEC = GameSpec(
    name="showdown",
    version="1",
    observations=ARRAYS,
    actions=ACTIONS,
    reward_terms=("win",),
    milestones=("won",),
    max_episode_steps=10,
)


def observations(rows: int, length: int, seed: int = 0) -> dict[str, Tensor]:
    """Anything that has the right form: teams of real species and moves, every action legal."""
    rng = np.random.default_rng(seed)
    obs = {spec.name: np.zeros((rows, length, *spec.shape), spec.dtype) for spec in ARRAYS}
    for team in ("own", "opponent"):
        obs[team][..., at.SPECIES] = rng.integers(1, 1000, obs[team].shape[:3])
        obs[team][..., at.HP_PERMILLE] = rng.integers(0, 1001, obs[team].shape[:3])
        for move in range(at.NUM_MOVES):
            obs[team][..., at.MOVES + move] = rng.integers(1, 900, obs[team].shape[:3])
    obs["moves"][..., 0] = rng.integers(1, 900, obs["moves"].shape[:3])
    obs["sides"][..., : len(at.BOOST_NAMES)] = rng.integers(-6, 7, (*obs["sides"].shape[:3], len(at.BOOST_NAMES)))
    obs["field"][..., at.GENERATION] = 9
    obs["legal"][:] = 255
    return {name: torch.from_numpy(array) for name, array in obs.items()}


def places(rows: int, length: int) -> tuple[Tensor, Tensor]:
    """One trajectory per row."""
    position = torch.arange(length, dtype=torch.int32).expand(rows, length)
    return torch.ones(rows, length, dtype=torch.int32), position


@pytest.mark.parametrize(
    ("generation", "attacking", "defending", "expected"),
    [(9, "electric", ("ground", ""), 0.0), (1, "ghost", ("psychic", ""), 0.0), (9, "ghost", ("psychic", ""), 2.0)],
)
def test_the_type_chart_is_that_of_the_generation(
    generation: int, attacking: str, defending: tuple[str, str], expected: float
) -> None:
    types = tables.types()
    defenders = torch.tensor([[[types.id(name) if name else 0 for name in defending]]])

    through = Facts().multipliers(torch.tensor([[types.id(attacking)]]), defenders, torch.tensor([generation]))

    assert through.item() == expected


def mon(species: str, **columns: int) -> Tensor:
    """One Pokémon, `[1, 1, column]`."""
    block = torch.zeros(1, 1, at.MON_WIDTH, dtype=torch.long)
    block[..., at.SPECIES] = tables.species().id(species)
    for name, value in columns.items():
        block[..., getattr(at, name)] = value
    return block


def blow(attacker: Tensor, move: str, defender: Tensor, generation: int = 9) -> float:
    moves = torch.tensor([[[tables.moves().id(move)]]])
    return float(Facts().blows(attacker, moves, defender, torch.tensor([generation])).item())


def test_a_blow_counts_power_type_bonus_weakness_and_base_stats() -> None:
    stats = dict(zip(tables.species().columns, tables.species().facts[9, tables.species().id("gyarados")], strict=True))

    strength = blow(mon("Pikachu"), "Thunderbolt", mon("Gyarados"))

    assert strength == pytest.approx(0.9 * 1.5 * 4 * 50 / stats["spd"])


def test_changed_types_and_terastallization_change_what_hits() -> None:
    ground, water = tables.types().id("Ground"), tables.types().id("Water")

    assert blow(mon("Pikachu"), "Thunderbolt", mon("Snorlax", TYPES=ground)) == 0
    tera = mon("Snorlax", FLAGS=at.FLAG_TERASTALLIZED, TERA_TYPE=water)
    assert blow(mon("Pikachu"), "Thunderbolt", tera) == pytest.approx(
        2 * blow(mon("Pikachu"), "Thunderbolt", mon("Snorlax"))
    )


def test_what_is_not_known_hits_nothing() -> None:
    assert blow(mon("Pikachu"), "Thunder Wave", mon("Gyarados")) == 0
    assert blow(mon("Pikachu"), "Thunderbolt", mon("no such one")) == 0


@pytest.mark.parametrize(("size", "millions"), [("tiny", 0.53), ("15M", 15), ("50M", 50), ("200M", 200)])
def test_a_size_has_as_many_parameters_as_its_name_says(size: str, millions: float) -> None:
    with torch.device("meta"):  # counted, not filled
        count = make_network({"size": size}).num_parameters() / 1e6

    assert abs(count / millions - 1) < 0.05, f"{count:.1f} M"


def test_later_decisions_change_nothing_about_earlier_ones() -> None:
    network, obs, (segment, position) = make_network(SMALL).eval(), observations(2, 5), places(2, 5)
    _weights_that_say_something(network)
    before = network(obs, segment, position)
    changed = {name: array.clone() for name, array in obs.items()}
    for name, array in observations(2, 5, seed=9).items():
        changed[name][:, 3:] = array[:, 3:]
    after = network(changed, segment, position)

    torch.testing.assert_close(before.logits[:, :3], after.logits[:, :3])
    torch.testing.assert_close(before.value[:, :3], after.value[:, :3])
    assert not torch.allclose(before.value[:, 3:], after.value[:, 3:])


def test_a_trajectory_means_the_same_wherever_it_lies() -> None:
    network, obs = make_network(SMALL).eval(), observations(1, 6)
    _weights_that_say_something(network)
    alone = network({name: array[:, 2:5] for name, array in obs.items()}, *places(1, 3))
    segment = torch.tensor([[1, 1, 2, 2, 2, 0]], dtype=torch.int32)
    position = torch.tensor([[0, 1, 0, 1, 2, 0]], dtype=torch.int32)
    packed = network(obs, segment, position)

    torch.testing.assert_close(packed.logits[:, 2:5], alone.logits, rtol=1e-4, atol=1e-5)


def test_an_action_s_chance_does_not_depend_on_where_its_move_stands() -> None:
    network = make_network(SMALL)
    _weights_that_say_something(network)
    order, tokens = [2, 0, 3, 1], torch.randn(1, NUM_TOKENS, 32)
    shuffled = tokens.clone()
    shuffled[:, MOVE_TOKENS] = tokens[:, MOVE_TOKENS][:, order]

    first, second = (network.actions(one)[0, : at.CHOICE_SWITCH].reshape(3, 4) for one in (tokens, shuffled))

    torch.testing.assert_close(first[:, order], second)


def test_an_encoder_gives_features_of_single_decisions() -> None:
    encoder = make_encoder(SPEC, {"width": 32, "embedding_size": 8}, "policy")
    obs = {name: array[0] for name, array in observations(1, 3).items()}

    assert encoder(obs).shape == (3, encoder.output_size)
    with pytest.raises(ConfigError):
        make_encoder(SPEC, {"depth": 3}, "policy")


def test_illegal_actions_have_no_chance_and_empty_places_are_finite() -> None:
    obs = observations(1, 2)
    obs["legal"][0, 0] = torch.from_numpy(np.packbits(np.arange(at.NUM_CHOICES) == 3))
    obs["legal"][0, 1] = 0
    logits = make_network(SMALL)(obs, *places(1, 2)).logits

    assert torch.isfinite(logits[0, 0]).nonzero().flatten().tolist() == [3]
    assert torch.isfinite(logits[0, 1]).all()


@pytest.mark.parametrize("settings", [{"size": "2B"}, {"size": "tiny", "depth": 3}, {"size": "tiny", "heads": 5}])
def test_a_network_that_cannot_be_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        make_network(settings)


def _weights_that_say_something(network: torch.nn.Module) -> None:
    """The last layers start at zero; random ones show differences."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.5, generator=generator)
