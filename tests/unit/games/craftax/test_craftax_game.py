"""Craftax as a game: what it shows is what the package shows, what it pays is what the package pays."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gamefleet.errors import ConfigError, IncompatibleError
from gamefleet.games import open_game
from gamefleet.games.craftax import names
from gamefleet.games.craftax.config import CraftaxConfig
from gamefleet.games.craftax.features import features
from gamefleet.games.craftax.observe import arrays_of, channels_of, observe, symbols_of
from gamefleet.games.craftax.render import draw, picture_shape
from gamefleet.games.craftax.reward import cell_of, points_of, progress_of, terms_of
from gamefleet.games.craftax.saved import pack, unpack
from gamefleet.games.craftax.state import State
from gamefleet.games.craftax.variants import CLASSIC, FULL, Variant
from gamefleet.games.craftax.worlds import skill_world
from gamefleet.skills.skill import Skill
from gamefleet.skills.verify import verify

BOTH = pytest.mark.parametrize("variant", [CLASSIC, FULL], ids=["classic", "full"])


def random_symbols(variant: Variant, seed: int) -> np.ndarray:
    """A symbolic observation as the package could give it."""
    rng = np.random.default_rng(seed)
    channels, shape = channels_of(variant), variant.view
    lit = rng.random((*shape, 1)) < 0.7 if channels.light else np.ones((*shape, 1), bool)
    parts = [np.eye(channels.blocks)[rng.integers(1, channels.blocks, shape)]]
    if channels.items:
        parts.append(np.eye(channels.items)[rng.integers(0, channels.items, shape)])
    parts.append(rng.random((*shape, channels.creatures)) < 0.05)
    tiles = np.concatenate(parts, -1) * lit
    if channels.light:
        tiles = np.concatenate([tiles, lit], -1)
    numbers = rng.random(variant.observation_size - tiles.size)
    return np.concatenate([tiles.reshape(-1), numbers]).astype(np.float32)


def state_of(variant: Variant, seed: int = 0, **changes: Any) -> State:
    values: dict[str, Any] = {
        "symbols": random_symbols(variant, seed),
        "achievements": np.zeros(len(variant.achievements), bool),
        "health": 9.0,
        "position": (30, 31),
        "level": 0,
        "is_dead": False,
    }
    return State(**{**values, **changes})


@BOTH
def test_arrays_hold_all_of_the_symbolic_observation_in_a_few_bytes(variant: Variant) -> None:
    for seed in range(5):
        state = state_of(variant, seed)
        arrays = observe(variant, state)
        assert np.array_equal(symbols_of(variant, arrays), state.symbols)
    specs = arrays_of(variant)
    assert [spec.name for spec in specs] == list(arrays)
    assert all(arrays[spec.name].shape == spec.shape and arrays[spec.name].dtype == spec.dtype for spec in specs)
    assert sum(spec.num_bytes for spec in specs) < 4 * variant.observation_size / 20


@BOTH
def test_a_picture_has_the_size_that_the_spec_promises(variant: Variant) -> None:
    picture = draw(variant, state_of(variant))
    assert picture.shape == (*picture_shape(variant), 3)
    assert all(side % 2 == 0 for side in picture_shape(variant))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 8


def test_a_step_pays_for_achievements_once_and_for_health() -> None:
    config = CraftaxConfig()
    before = state_of(CLASSIC)
    first = np.zeros(22, bool)
    first[[0, 5]] = True
    after = state_of(CLASSIC, achievements=first, health=7.0)

    assert terms_of(config, before, after).tolist() == pytest.approx([2.0, -0.2])
    assert terms_of(config, after, after).tolist() == [0.0, 0.0]
    assert progress_of(CLASSIC, after) == 2.0


def test_the_points_of_all_achievements_are_those_of_the_published_scores() -> None:
    assert points_of(CLASSIC).sum() == 22
    assert points_of(FULL).sum() == 226


def test_cells_differ_by_place_floor_and_achievements() -> None:
    done = np.zeros(22, bool)
    done[3] = True
    states = [state_of(CLASSIC), state_of(CLASSIC, position=(40, 31)), state_of(CLASSIC, achievements=done)]
    assert len({cell_of(state) for state in states}) == 3
    assert cell_of(state_of(CLASSIC, position=(31, 33), health=2.0)) == cell_of(states[0])


def test_saved_states_are_checked_before_they_are_believed() -> None:
    arrays = {"a": np.arange(5, dtype=np.int32), "b": np.float32(3.0)}
    data = pack(CLASSIC, arrays)
    assert {name: array.tolist() for name, array in unpack(CLASSIC, data).items()} == {"a": [0, 1, 2, 3, 4], "b": 3.0}
    for wrong in (data[:-1], data[:20] + b"?" + data[21:], b"", b"GFCX"):
        with pytest.raises(IncompatibleError):
            unpack(CLASSIC, wrong)
    with pytest.raises(IncompatibleError, match="another variant"):
        unpack(FULL, data)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigError, match="Craftax-Classic-Symbolic-v1"):
        CraftaxConfig(env_name="Craftax-Clasic-Symbolic-v1")
    with pytest.raises(ConfigError, match="10000 steps"):
        CraftaxConfig(max_episode_steps=10_001)
    assert CraftaxConfig(env_name=FULL.env_name).max_episode_steps == 100_000


@BOTH
def test_made_up_states_lie_within_the_ranges_and_fresh_worlds_have_nothing(variant: Variant) -> None:
    world = skill_world(variant.env_name)
    low = np.array([row.low for row in world.features])
    high = np.array([row.high for row in world.features])
    for states in (*world.random_pairs(0, 500), world.start_features(0, 500)):
        assert states.shape == (500, len(world.features))
        assert states.dtype == np.float32
        assert (states >= low).all()
        assert (states <= high).all()
    start = world.start_features(1, 100)
    assert all((start[:, world.column(name)] == np.float32(value)).all() for name, value in world.start.items())
    assert world.start["wood"] == 0
    assert start[:, world.column("near_tree")].max() == 1


@BOTH
def test_recorded_play_begins_in_fresh_worlds_and_stays_within_the_ranges(variant: Variant) -> None:
    world = skill_world(variant.env_name)
    assert world.random_play is not None
    play = world.random_play(3, 50, 100)
    again, others = world.random_play(3, 50, 100), world.random_play(4, 50, 100)

    assert play.shape == (101, 50, len(world.features))
    assert play.dtype == np.float32
    assert np.array_equal(play, again)
    assert not np.array_equal(play, others)
    assert (play >= [row.low for row in world.features]).all()
    assert (play <= [row.high for row in world.features]).all()
    for name, value in world.start.items():
        assert play[0][:, world.column(name)] == pytest.approx(value), f"{name} of fresh worlds is in the table"
    assert play[:, :, world.column("wood")].max() >= 1, "some tree was hit by chance"
    with pytest.raises(ConfigError, match="Only 200 steps of 128 worlds"):
        world.random_play(0, 50, 201)


@pytest.mark.long
def test_what_was_recorded_began_in_the_games_own_worlds(require_module: Callable[[str, str], None]) -> None:
    require_module("craftax", "make craftax")
    import jax

    from gamefleet.games.craftax import recorded_play

    jax.config.update("jax_disable_most_optimizations", True)

    # The worlds alone: to play on, a step would be compiled for more than a minute.
    assert np.array_equal(recorded_play.record(CLASSIC, num_steps=0)[0], recorded_play.read(CLASSIC)[0])


def test_a_proposal_that_random_actions_fulfil_is_sent_back() -> None:
    world = skill_world(CLASSIC.env_name)
    easy, harder = (
        Skill(
            name="Collect_Wood",
            gain={"wood": amount},
            reward="gained(wood)",
            success=f"wood >= {amount}",
            max_steps=400,
        )
        for amount in (1.0, 4.0)
    )

    refused, taken = verify(easy, world), verify(harder, world)

    assert any("Random play succeeds in" in reason for reason in refused.reasons)
    assert taken.reasons == ()
    assert taken.statistics["random_success_rate"] < 0.1


def test_the_game_offers_its_worlds_by_the_names_that_users_type() -> None:
    package = open_game("craftax")
    assert package.skills is not None
    for variant in (CLASSIC, FULL):
        world = package.skills(variant.env_name)
        assert world.name == variant.env_name
        assert world.names == tuple(row.name for row in features(variant))
    with pytest.raises(ConfigError):
        package.skills("Crafter")


def test_the_encoder_turns_arrays_into_features() -> None:
    torch = pytest.importorskip("torch")
    package = open_game("craftax")
    for variant in (CLASSIC, FULL):
        spec = package.make_spec(package.config_type(env_name=variant.env_name))
        encoder = package.make_encoder(spec, {"width": 32}, "policy")
        rows = [observe(variant, state_of(variant, seed)) for seed in range(3)]
        batch = {name: torch.as_tensor(np.stack([row[name] for row in rows])) for name in rows[0]}
        assert encoder(batch).shape == (3, encoder.output_size)
    with pytest.raises(ConfigError):
        package.make_encoder(spec, {}, "polcy")


def test_names_are_those_of_the_package(require_module: Callable[[str, str], None]) -> None:
    require_module("craftax", "make craftax")
    import craftax.craftax.constants as full
    import craftax.craftax_classic.constants as classic

    ours = {
        "crafting_table": "table",
        "enchantment_table_fire": "fire_enchantment_table",
        "enchantment_table_ice": "ice_enchantment_table",
        "ladder_down_blocked": "blocked_ladder_down",
    }

    def names_of(kind: Any) -> tuple[str, ...]:
        found = [one.name.lower() for one in sorted(kind, key=lambda one: one.value)]
        return tuple(ours.get(name, name) for name in found)

    assert names_of(classic.Action) == names.CLASSIC_ACTIONS
    assert names_of(full.Action) == names.FULL_ACTIONS
    assert names_of(classic.BlockType) == names.CLASSIC_BLOCKS
    assert names_of(full.BlockType) == names.FULL_BLOCKS
    assert names_of(full.ItemType) == names.ITEMS
    assert names_of(classic.Achievement) == names.CLASSIC_ACHIEVEMENTS
    assert names_of(full.Achievement) == names.FULL_ACHIEVEMENTS
    assert points_of(FULL).tolist() == np.asarray(full.ACHIEVEMENT_REWARD_MAP).tolist()


@pytest.mark.long
def test_steps_show_and_pay_what_the_package_does(require_module: Callable[[str, str], None]) -> None:
    require_module("craftax", "make craftax")
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    from gamefleet.games.craftax.jax_world import load_rules

    package = open_game("craftax")
    game = package.make_game(package.config_type())
    game.reset(5)
    rules = load_rules(CLASSIC)
    theirs = jax.jit(lambda key, state, action: rules.step(key, state, action))
    state = jax.tree.map(lambda leaf: leaf[0], game._world)  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    for number in range(1, 25):
        action = int(rng.integers(len(CLASSIC.actions)))
        key = jax.random.fold_in(np.array([0, 5], np.uint32), number)
        state, reward = theirs(jax.random.split(key, 1)[0], state, action)
        step = game.step(action)
        assert step.reward == pytest.approx(float(reward), abs=1e-5)
        assert np.array_equal(symbols_of(CLASSIC, dict(step.obs)), np.asarray(rules.observe(state), np.float32))
        assert np.array_equal(step.milestones, np.asarray(state.achievements))
