from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zstandard

from gamefleet.errors import ConfigError, IncompatibleError
from gamefleet.games.pokemon_red import saved, tables
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.game import ACTIONS, VERSION, PokemonRed, make_game
from gamefleet.testing.game_contract import assert_same_step, keep, play

ADDRESS = {name: symbol.address for name, symbol in tables.symbols().items()}


def walk(game: PokemonRed, *buttons: str) -> list:
    return play(game, [ACTIONS.index(button) for button in buttons])


def poke(game: PokemonRed, symbol: str, value: int) -> None:
    game._emulator.write(ADDRESS[symbol], value)


def test_the_cartridge_starts_in_the_first_room(cartridge_game: PokemonRed) -> None:
    step = cartridge_game.reset(0)
    assert cartridge_game.state.map_id in tables.maps()
    assert cartridge_game.state.party == ()
    assert not step.milestones.any()
    assert len(np.unique(cartridge_game.frame())) > 1, "the screen shows something"


def test_walking_changes_the_position_and_marks_the_tile(cartridge_game: PokemonRed) -> None:
    first = keep(cartridge_game.reset(0))
    steps = walk(cartridge_game, "down", "down", "left", "left", "down", "down")
    assert not np.array_equal(steps[-1].obs["position"], first.obs["position"])
    assert sum(float(step.terms[3]) for step in steps) > 0
    assert np.unpackbits(steps[-1].obs["visited"]).sum() > 1


def test_seeds_decide_the_games_random_numbers(cartridge_game: PokemonRed) -> None:
    seeds = set()
    for seed in range(6):
        cartridge_game.reset(seed)
        seeds.add(cartridge_game.read(0xDC00, 2))
    assert len(seeds) == 6


def test_without_randomized_starts_every_seed_is_alike() -> None:
    game = make_game(PokemonRedConfig(randomize_start=False))
    game.reset(1)
    first = game.read(0xDC00, 2)
    game.reset(2)
    assert game.read(0xDC00, 2) == first


def test_an_episode_continues_exactly_in_another_game() -> None:
    rng = np.random.default_rng(5)
    game, other = make_game(PokemonRedConfig()), make_game(PokemonRedConfig())
    game.reset(11)
    play(game, rng.integers(7, size=120).tolist())
    state = game.save_state()
    actions = rng.integers(7, size=80).tolist()
    wanted = play(game, actions)
    other.reset(99)
    other.restore_state(state, new_episode=False)
    for index, (a, b) in enumerate(zip(wanted, play(other, actions), strict=True)):
        assert_same_step(a, b, f"step {index}")
    assert other.save_state() == game.save_state()


def test_a_saved_state_is_small(cartridge_game: PokemonRed) -> None:
    cartridge_game.reset(0)
    assert len(cartridge_game.save_state()) < 20_000


def test_a_fresh_episode_at_a_saved_state_pays_for_new_things_only(cartridge_game: PokemonRed) -> None:
    cartridge_game.reset(0)
    poke(cartridge_game, "wObtainedBadges", 1)
    (paid,) = walk(cartridge_game, "b")
    assert paid.terms[1] == 5.0
    state = cartridge_game.save_state()
    first = keep(cartridge_game.restore_state(state, new_episode=True))
    assert not first.terms.any()
    (step,) = walk(cartridge_game, "b")
    assert step.terms[1] == 0.0
    assert step.progress == 1.0


def test_the_time_limit_truncates_and_a_fresh_episode_starts_its_clock_anew() -> None:
    game = make_game(PokemonRedConfig(max_episode_steps=3))
    game.reset(0)
    steps = walk(game, "b", "b", "b")
    assert [step.truncated for step in steps] == [False, False, True]
    state = game.save_state()
    assert game.restore_state(state, new_episode=False).truncated
    assert not game.restore_state(state, new_episode=True).truncated


def test_a_chosen_milestone_terminates_the_episode_once() -> None:
    game = make_game(PokemonRedConfig(stop_at_milestone="badge_1"))
    game.reset(0)
    poke(game, "wObtainedBadges", 1)
    (step,) = walk(game, "b")
    assert step.terminated
    assert not game.restore_state(game.save_state(), new_episode=True).terminated
    (step,) = walk(game, "b")
    assert not step.terminated


def test_winning_the_game_terminates(cartridge_game: PokemonRed) -> None:
    cartridge_game.reset(0)
    poke(cartridge_game, "wNumHoFTeams", 1)
    (step,) = walk(cartridge_game, "b")
    assert step.terminated


def test_an_unknown_milestone_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'badge_1'"):
        make_game(PokemonRedConfig(stop_at_milestone="badge1"))


def test_skipping_scenes_spends_frames_but_not_steps_and_is_bounded() -> None:
    frames = {}
    for presses in (0, 5):
        game = make_game(PokemonRedConfig(max_skipped_presses=presses))
        game.reset(0)
        poke(game, "wJoyIgnore", 0xFC)
        before = game._emulator._pyboy.frame_count
        walk(game, "b")
        frames[presses] = game._emulator._pyboy.frame_count - before
    assert frames[5] - frames[0] == 5 * 24


def test_encounters_are_thinned_once_per_map() -> None:
    game = make_game(PokemonRedConfig(encounter_scale=0.5))
    game.reset(0)
    poke(game, "wGrassRate", 20)
    game._thin_encounters()
    assert game.read(ADDRESS["wGrassRate"], 1) == bytes([10])
    walk(game, "b", "b")
    assert game.read(ADDRESS["wGrassRate"], 1) == bytes([10])


def test_a_state_of_another_rom_or_version_is_refused(cartridge_game: PokemonRed) -> None:
    state = saved.unpack(cartridge_game.save_state(), game_version=VERSION, rom_sha1=cartridge_game._profile.sha1)
    for changed in ({"rom_sha1": "0" * 40}, {"game_version": "0"}, {"format": "other"}):
        fields = {name: getattr(state, name) for name in state.__struct_fields__} | changed
        with pytest.raises(IncompatibleError, match="another game version or ROM"):
            cartridge_game.restore_state(saved.pack(saved.SavedState(**fields)), new_episode=True)


def test_a_state_that_says_to_be_huge_is_refused_before_memory_is_reserved() -> None:
    # A frame that states 2^45 bytes; see RFC 8878, section 3.1.1 (single segment, content size in 8 bytes).
    frame = bytes.fromhex("28b52ffd") + bytes([0xE0]) + (2**45).to_bytes(8, "little") + bytes.fromhex("010000")
    assert zstandard.get_frame_parameters(frame).content_size == 2**45

    with pytest.raises(IncompatibleError, match="more memory than a state"):
        saved.unpack(frame, game_version="1", rom_sha1="0")


def test_a_truncated_state_is_refused(cartridge_game: PokemonRed) -> None:
    cartridge_game.reset(0)
    state = cartridge_game.save_state()
    with pytest.raises(IncompatibleError, match="not a saved state"):
        cartridge_game.restore_state(state[: len(state) // 2], new_episode=True)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("encounter_scale", 1.5), ("max_episode_steps", 0), ("cell_tiles", 0), ("max_skipped_presses", -1)],
)
def test_a_setting_out_of_range_is_refused_by_name(setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"game\.{setting}"):
        replace(PokemonRedConfig(), **{setting: value})


def test_every_episode_can_start_at_a_state_of_ours_or_of_the_emulator(
    cartridge_game: PokemonRed, tmp_path: Path
) -> None:
    cartridge_game.reset(0)
    walk(cartridge_game, "down", "down", "left", "left")
    wanted = cartridge_game.state
    ours, bare = tmp_path / "ours", tmp_path / "pyboy.state"
    ours.write_bytes(cartridge_game.save_state())
    bare.write_bytes(cartridge_game._emulator.save())
    for path in (ours, bare):
        game = make_game(PokemonRedConfig(start_state=str(path)))
        step = game.reset(1)
        assert (game.state.map_id, game.state.y, game.state.x) == (wanted.map_id, wanted.y, wanted.x)
        assert np.unpackbits(step.obs["visited"]).sum() == 1


def test_a_start_state_that_is_missing_or_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"game\.start_state"):
        make_game(PokemonRedConfig(start_state=str(tmp_path / "gone")))
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"\x1d" * 1000)
    with pytest.raises(IncompatibleError, match="emulator cannot read"):
        make_game(PokemonRedConfig(start_state=str(damaged)))
