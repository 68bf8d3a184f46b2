"""What the network is told of a game, what it is not told, and which shapes its weights have."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch

from gamefleet.errors import ConfigError
from gamefleet.games.batch import StepRows, empty_rows, with_intent
from gamefleet.games.hanabi.beliefs import Beliefs
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.game import HanabiBatch, make_spec
from gamefleet.games.hanabi.model import HanabiEncoder, make_encoder
from gamefleet.games.hanabi.model_settings import EncoderSettings, defaults, limits_of
from gamefleet.games.hanabi.reading import Reader
from gamefleet.models.recurrent import RecurrentQNetwork
from gamefleet.models.settings import NetworkSettings

SMALL = {"d_model": 16, "num_heads": 2, "num_layers": 2}
TIGHT = {f"max_{name}": 0 for name in ("players", "colors", "ranks", "hand_size", "moves")}
GAMES = [
    HanabiConfig(),
    HanabiConfig(variant="mini", sad=True),
    HanabiConfig(num_players=3, num_colors=3, num_ranks=4, sad=True),
    HanabiConfig(num_players=5, hand_size=3),
    HanabiConfig(variant="very_small"),
]
each_game = pytest.mark.parametrize("config", GAMES, ids=lambda config: f"{config.num_players}p{config.num_colors}c")


def played(config: HanabiConfig, num_games: int = 40, num_moves: int = 9) -> tuple[HanabiBatch, StepRows]:
    """Games some random moves after their deal; those that are over stand still."""
    rng, rows = np.random.default_rng(2), empty_rows(make_spec(config), num_games)
    games = HanabiBatch(config, rows)
    games.reset(np.arange(num_games), range(num_games))
    for _ in range(num_moves):
        playing = np.flatnonzero(~rows.terminated)
        legal = np.unpackbits(rows.obs["legal"][playing], axis=-1, count=config.num_actions)
        action, greedy = ((rng.random(legal.shape) * legal).argmax(-1).astype(np.int16) for _ in range(2))
        games.step(playing, with_intent(action, greedy, config.num_actions) if config.sad else action)
    return games, rows


def tensors(rows: StepRows) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in rows.obs.items()}


def encoder(config: HanabiConfig, **settings: Any) -> HanabiEncoder:
    torch.manual_seed(0)
    made = make_encoder(make_spec(config), {**SMALL, **settings, "game": asdict(config)}, "policy")
    assert isinstance(made, HanabiEncoder)
    return made


def network(config: HanabiConfig, num_heads: int = 1, **settings: Any) -> RecurrentQNetwork:
    return RecurrentQNetwork(
        encoder(config, **settings),
        num_actions=config.num_actions,
        num_heads=num_heads,
        settings=NetworkSettings(core="identity"),
        legal="legal",
    )


@each_game
def test_what_is_read_is_the_situation(config: HanabiConfig) -> None:
    games, rows = played(config)
    state, kinds = games.simulator.state, config.num_kinds
    seen = Reader(config, limits_of(EncoderSettings(**TIGHT), config))(tensors(rows))
    for env in range(len(rows.terminated)):
        seats = (state.seat[env] + np.arange(config.num_players)) % config.num_players
        faces = np.eye(kinds + 1, kinds)[state.hands[env][seats]].reshape(seen.hands.shape[1:])
        assert (seen.hands[env, 0] == 0).all()
        assert (seen.hands[env, 1:].numpy() == faces[1:]).all()
        heights = seen.fireworks[env] @ torch.arange(1.0, config.num_ranks + 1)
        assert heights.tolist() == state.fireworks[env].tolist()
        assert seen.gone[env].flatten().tolist() == state.discarded[env].tolist()
        knowledge = state.knowledge[env][seats]
        assert (seen.plausible[env].flatten(2).numpy() == knowledge[..., :kinds]).all()
        assert (seen.hinted[env].numpy() == knowledge[..., kinds:]).all()
        left = config.num_cards - state.drawn[env]
        counts = [left / 50, state.information[env] / 8, state.lives[env] / 3]
        np.testing.assert_allclose(seen.table[env, :3].numpy(), counts, rtol=1e-6)
    assert seen.moves.shape[1] == config.history_moves


def test_beliefs_are_what_counting_the_cards_out_of_sight_says() -> None:
    config = HanabiConfig(variant="mini")
    games, rows = played(config, num_moves=5)
    state = games.simulator.state
    seen = Reader(config, limits_of(EncoderSettings(**TIGHT), config))(tensors(rows))
    chances, numbers = Beliefs(config)(seen)
    copies = np.tile(config.copies, config.num_colors)
    height = state.fireworks.repeat(config.num_ranks, axis=1)
    rank = np.tile(np.arange(config.num_ranks), config.num_colors)
    for env in np.flatnonzero(~rows.terminated):
        out_of_sight = copies - state.discarded[env] - (rank < height[env])
        other = state.hands[env, (state.seat[env] + 1) % 2]
        own_count = out_of_sight - np.bincount(other[other < config.num_kinds], minlength=config.num_kinds)
        for slot, card in enumerate(state.hands[env, state.seat[env]]):
            if card == config.num_kinds:
                continue
            weights = state.knowledge[env, state.seat[env], slot, : config.num_kinds] * own_count
            wanted = weights / weights.sum()
            np.testing.assert_allclose(chances[env, 0, slot].flatten().numpy(), wanted, atol=1e-6)
            playable, useless = (wanted @ (state.worth[env, :-1] == worth) for worth in (1, 2))
            np.testing.assert_allclose(numbers[env, 0, slot, :2].numpy(), [playable, useless], atol=1e-6)
        faces = [[float(state.worth[env, card] == worth) for worth in (1, 2)] for card in other]
        assert numbers[env, 1, :, 2:].tolist() == faces


@each_game
def test_action_values_do_not_depend_on_hidden_cards(config: HanabiConfig) -> None:
    _, rows = played(config)
    subject, obs = encoder(config), tensors(rows)
    values = subject(obs)
    assert torch.isfinite(values).all()
    assert values.shape == (40, subject.output_size)
    hidden = {**obs, "own_cards": (obs["own_cards"] + 1) % 4}
    assert (subject(hidden) == values).all()


def test_weights_with_wide_limits_play_every_variant() -> None:
    shapes = [{name: value.shape for name, value in network(config).state_dict().items()} for config in GAMES]
    assert all(shape == shapes[0] for shape in shapes)
    tight = sum(value.numel() for value in network(GAMES[1], **TIGHT).state_dict().values())
    assert tight < sum(shape.numel() for shape in shapes[0].values())


@each_game
@pytest.mark.parametrize("num_heads", [1, 2])
def test_every_action_gets_a_value_of_its_own(config: HanabiConfig, num_heads: int) -> None:
    _, rows = played(config)
    subject = network(config, num_heads)
    obs = {name: array.unsqueeze(1) for name, array in tensors(rows).items()}
    nothing = torch.zeros(40, 1)
    q, state = subject(obs, nothing.long(), nothing, nothing.bool(), subject.initial_state(40))
    assert q.shape == (40, 1, num_heads, config.num_actions)
    assert state.shape == (40, 0)
    assert len(q[0, 0, 0].unique()) == config.num_actions


def test_the_auxiliary_loss_asks_only_for_cards_in_hand() -> None:
    config = HanabiConfig(variant="mini")
    subject = encoder(config)
    features = torch.randn(4, 2, subject.output_size)
    labels = torch.tensor([1, 3, 0], dtype=torch.uint8).expand(4, 2, 3)
    loss = subject.auxiliary_loss(features, {"own_cards": labels})
    own = features[..., : 3 * 16].reshape(4, 2, 3, 16)
    log_chances = torch.log_softmax(subject.fate(own), dim=-1)
    torch.testing.assert_close(loss, -(log_chances[:, :, 0, 0] + log_chances[:, :, 1, 2]) / 2)
    none = torch.zeros_like(labels)
    assert (subject.auxiliary_loss(features, {"own_cards": none}) == 0).all()


def test_the_game_fills_in_what_suits_it() -> None:
    suggested = defaults(HanabiConfig(num_players=4))
    assert suggested["learner"]["num_steps"] == 4
    assert suggested["network"]["core"] == "identity"
    config = HanabiConfig(**suggested["network"]["encoder"]["game"])
    assert config == HanabiConfig(num_players=4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_colors": 4}, "max_colors"),
        ({"d_modell": 4}, "d_model"),
        ({"num_heads": 3}, "shared out"),
        ({"num_layers": -1}, "num_layers"),
        ({"beliefs": 1}, "type bool"),
    ],
)
def test_settings_that_make_no_network_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encoder(HanabiConfig(), **settings)


def test_a_network_of_another_game_is_refused() -> None:
    with pytest.raises(ConfigError, match="another game"):
        make_encoder(make_spec(HanabiConfig()), {"game": asdict(HanabiConfig(variant="mini"))}, "policy")


def test_novelty_is_measured_on_the_bits() -> None:
    config = HanabiConfig()
    _, rows = played(config)
    features = make_encoder(make_spec(config), {}, "novelty")(tensors(rows))
    assert (features[:, :658].numpy() == np.unpackbits(rows.obs["bits"], axis=-1, count=658)).all()
