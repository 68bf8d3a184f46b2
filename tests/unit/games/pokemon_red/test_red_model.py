import numpy as np
import pytest
import torch
from torch import Tensor

from gamefleet.errors import ConfigError
from gamefleet.games.pokemon_red import model
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.game import make_spec
from gamefleet.games.pokemon_red.observe import unpack_screen

SPEC = make_spec(PokemonRedConfig())


def random_obs(rows: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        array.name: torch.randint(0, 256, (rows, *array.shape), dtype=torch.uint8, generator=generator)
        for array in SPEC.observations
    }


@pytest.mark.parametrize("settings", [{}, {"kind": "standard"}, {"channels": 8, "features": 32, "embedding": 4}])
def test_any_bytes_become_finite_features_of_the_promised_size(settings: dict) -> None:
    encoder = model.make_encoder(SPEC, settings, "policy")
    features = encoder(random_obs(3))
    assert features.shape == (3, encoder.output_size)
    assert torch.isfinite(features).all()


@pytest.mark.parametrize("kind", ["slim", "standard"])
def test_every_weight_learns(kind: str) -> None:
    encoder = model.make_encoder(SPEC, {"kind": kind}, "policy")
    encoder(random_obs(16)).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("name", [array.name for array in SPEC.observations])
def test_every_array_reaches_the_features(name: str) -> None:
    encoder = model.make_encoder(SPEC, {}, "policy")
    obs = random_obs(2)
    changed = {**obs, name: 255 - obs[name]}
    assert not torch.equal(encoder(obs), encoder(changed))


def test_screens_are_unpacked_as_the_game_packs_them() -> None:
    screen = random_obs(2)["screen"]
    wanted = torch.from_numpy(unpack_screen(screen.numpy()).astype(np.float32)) / 3 - 0.5
    assert torch.equal(model.unpack_screen(screen), wanted)
    tiles = model.unpack_tiles(screen)
    for row in range(9):
        for column in range(10):
            patch = wanted[:, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].flatten(1)
            assert torch.equal(tiles[:, row, column], patch)


def test_the_visited_mask_is_unpacked_as_the_game_packs_it() -> None:
    mask = np.random.default_rng(0).integers(2, size=(9, 10)).astype(np.uint8)
    packed = torch.from_numpy(np.packbits(mask))[None]
    assert torch.equal(model.unpack_visited(packed)[0, :, :, 0], torch.from_numpy(mask).float())


def test_named_events_are_picked_out_of_the_array() -> None:
    events = torch.zeros(1, 320, dtype=torch.uint8)
    events[0, 4] = 0b101  # 32 (named) and 34 (the starter)
    known = model.KnownEvents()
    assert known(events).sum() == 2
    assert known(torch.full((1, 320), 255, dtype=torch.uint8)).sum() == 507


def test_novelty_has_no_weights_and_ignores_what_always_changes() -> None:
    embed = model.make_encoder(SPEC, {}, "novelty")
    obs = random_obs(2)
    assert not list(embed.parameters())
    assert embed(obs).shape == (2, embed.output_size)
    calm = {**obs, "bag": 255 - obs["bag"], "party": 255 - obs["party"]}
    assert torch.equal(embed(obs), embed(calm))
    for name in ("screen", "position", "events", "badges", "story"):
        assert not torch.equal(embed(obs), embed({**obs, name: 255 - obs[name]})), name


def test_the_slim_encoder_stays_below_a_million_multiply_adds() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    encoder = model.make_encoder(SPEC, {}, "policy")
    with FlopCounterMode(display=False) as counter:
        encoder(random_obs(1))
    assert counter.get_total_flops() / 2 < 1_000_000


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chanels": 8}, "Did you mean 'channels'"),
        ({"kind": "slimm"}, "Did you mean 'slim'"),
        ({"features": 0}, r"network\.encoder\.features"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        model.make_encoder(SPEC, settings, "policy")


def test_an_unknown_purpose_is_refused() -> None:
    with pytest.raises(ConfigError, match="purpose"):
        model.make_encoder(SPEC, {}, "beauty")
