"""Settings, seeds, saved states, records and arrays of Hanabi."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gamefleet.errors import ConfigError, IncompatibleError
from gamefleet.games.batch import StepRows, empty_rows, with_intent
from gamefleet.games.hanabi.actions import action_names
from gamefleet.games.hanabi.config import VARIANTS, HanabiConfig
from gamefleet.games.hanabi.game import HanabiBatch, make_game, make_spec
from gamefleet.games.hanabi.observe import Encoder, layout
from gamefleet.games.hanabi.record import Record, decode, encode, record_of, replay
from gamefleet.games.hanabi.shuffle import decks_of, sorted_deck
from gamefleet.games.hanabi.simulator import Simulator
from gamefleet.games.hanabi.state import OTHER, PLAYABLE, USELESS
from gamefleet.testing.game_contract import check_game

SETTINGS: list[dict[str, Any]] = [
    {},
    {"num_players": 5},
    {"num_players": 3, "sad": True},
    {"variant": "mini", "history_moves": 3, "sad": True},
    {"variant": "very_small"},
]


def make_batch(config: HanabiConfig, num_envs: int) -> tuple[HanabiBatch, StepRows]:
    rows = empty_rows(make_spec(config), num_envs)
    return HanabiBatch(config, rows), rows


def random_actions(config: HanabiConfig, legal: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.int16]:
    bits = np.unpackbits(legal, axis=1, count=config.num_actions)
    chosen = (bits * rng.random(bits.shape)).argmax(axis=1).astype(np.int16)
    return with_intent(chosen, chosen[::-1], config.num_actions) if config.sad else chosen


def play(config: HanabiConfig, num_envs: int, num_moves: int) -> tuple[HanabiBatch, StepRows]:
    """Games after some random moves; those that ended stand where they ended."""
    batch, rows = make_batch(config, num_envs)
    batch.reset(np.arange(num_envs), range(num_envs))
    rng = np.random.default_rng(1)
    for _ in range(num_moves):
        envs = np.flatnonzero(~rows.terminated)
        batch.step(envs, random_actions(config, rows.obs["legal"], rng)[envs])
    return batch, rows


def assert_same_rows(first: StepRows, second: StepRows, envs: slice = slice(None)) -> None:
    for name, array in first.obs.items():
        np.testing.assert_array_equal(array[envs], second.obs[name][envs], name)
    for name in ("terms", "terminated", "truncated", "milestones", "cell", "progress"):
        np.testing.assert_array_equal(getattr(first, name)[envs], getattr(second, name)[envs], name)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_kind_of_game_keeps_the_promises_of_games(settings: dict[str, Any]) -> None:
    from gamefleet.games.hanabi import PACKAGE

    check_game(PACKAGE, HanabiConfig(**settings))


def test_the_standard_game_has_the_sizes_that_everyone_uses() -> None:
    sizes = [(c.num_actions, layout(c).num_bits) for c in (HanabiConfig(num_players=n) for n in (2, 3, 4, 5))]

    assert sizes == [(20, 658), (30, 956), (38, 1041), (48, 1280)]


def test_variants_fill_in_what_is_left_open() -> None:
    assert HanabiConfig(variant="small", num_colors=3).num_colors == 3
    assert HanabiConfig(variant="small", num_colors=3).hand_size == VARIANTS["small"]["hand_size"]
    assert [HanabiConfig(num_players=n).hand_size for n in (2, 3, 4, 5)] == [5, 5, 4, 4]
    assert [HanabiConfig(num_players=n).history_moves for n in (2, 3, 4, 5)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"variant": "mimi"}, "mini"),
        ({"num_players": 6}, "game.num_players"),
        ({"num_colors": -1}, "game.num_colors"),
        ({"num_colors": 1, "num_ranks": 2, "num_players": 2, "hand_size": 3}, "enough cards"),
        ({"max_episode_steps": -1}, "game.max_episode_steps"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        HanabiConfig(**settings)


def test_a_seed_is_a_deck_whoever_else_is_dealt() -> None:
    config = HanabiConfig()
    decks = decks_of(config, range(1000))

    np.testing.assert_array_equal(decks[7], decks_of(config, [7])[0])
    np.testing.assert_array_equal(np.sort(decks, axis=1), np.tile(sorted_deck(config), (1000, 1)))
    assert len({deck.tobytes() for deck in decks}) == 1000
    # Saved runs and published seeds depend on it.
    assert decks[7, :10].tolist() == [9, 15, 4, 24, 18, 18, 5, 22, 6, 15]


def test_every_card_comes_to_every_place_equally_often() -> None:
    config = HanabiConfig(variant="mini")
    decks = decks_of(config, range(20_000))

    shares = np.stack([(decks == kind).mean(axis=0) for kind in range(config.num_kinds)])
    wanted = np.tile(config.copies, config.num_colors)[:, None] / config.num_cards
    assert np.abs(shares - wanted).max() < 0.015


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_saved_games_go_on_exactly_in_any_row_of_any_batch(settings: dict[str, Any]) -> None:
    config = HanabiConfig(**settings)
    batch, rows = play(config, 40, 5)
    other, other_rows = make_batch(config, 40)
    other.reset(np.arange(40), range(100, 140))

    other.restore_states(range(40), batch.save_states(range(40)), [False] * 40)
    assert_same_rows(rows, other_rows)
    rng = np.random.default_rng(2)
    for _ in range(4):
        envs = np.flatnonzero(~rows.terminated)
        actions = random_actions(config, rows.obs["legal"], rng)[envs]
        batch.step(envs, actions)
        other.step(envs, actions)
        assert_same_rows(rows, other_rows)
    assert batch.save_states(range(40)) == other.save_states(range(40))


def test_games_beside_those_that_move_stay_as_they_are() -> None:
    config = HanabiConfig(num_players=3)
    batch, rows = play(config, 6, 3)
    before = {name: array.copy() for name, array in rows.obs.items()}

    some = np.array([4, 1])
    batch.reset(some, [50, 51])
    batch.step(some, random_actions(config, rows.obs["legal"], np.random.default_rng(0))[some])

    for name, array in rows.obs.items():
        np.testing.assert_array_equal(array[[0, 2, 3, 5]], before[name][[0, 2, 3, 5]], name)


def test_a_clone_is_the_same_in_every_array() -> None:
    config = HanabiConfig()
    batch, _ = play(config, 8, 6)
    state = batch.simulator.state
    twin = Simulator(config, 2)

    twin.state.copy_rows(np.array([1]), state, np.array([5]))

    assert record_of(twin, 1).moves.tolist() == record_of(batch.simulator, 5).moves.tolist()
    seen = Encoder(config, twin.state).encode(np.array([1]), twin.state.seat[[1]])
    np.testing.assert_array_equal(seen[0], batch.encoder.encode(np.array([5]), state.seat[[5]])[0])


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_a_record_gives_back_what_every_player_saw(settings: dict[str, Any]) -> None:
    config = HanabiConfig(**settings)
    batch, rows = make_batch(config, 10)
    batch.reset(np.arange(10), range(10))
    rng, seen = np.random.default_rng(3), [_all_seats(batch)]
    while not rows.terminated.all():
        envs = np.flatnonzero(~rows.terminated)
        batch.step(envs, random_actions(config, rows.obs["legal"], rng)[envs])
        seen.append(_all_seats(batch))

    data = [encode(config, record_of(batch.simulator, env)) for env in range(10)]
    again, again_rows = make_batch(config, 10)
    for wanted, _ in zip(seen, replay(again.simulator, [decode(config, one) for one in data]), strict=True):
        np.testing.assert_array_equal(_all_seats(again), wanted)
    assert max(map(len, data)) <= 120
    assert again_rows.obs.keys() == rows.obs.keys()


def _all_seats(batch: HanabiBatch) -> NDArray[np.uint8]:
    envs = np.arange(len(batch.simulator.state.seat))
    return np.stack([batch.encoder.encode(envs, np.full_like(envs, p)) for p in range(batch.config.num_players)])


def test_the_longest_record_of_the_standard_game_is_short() -> None:
    sizes = []
    for players in (2, 3, 4, 5):
        config = HanabiConfig(num_players=players)
        record = Record(deck=sorted_deck(config), moves=np.zeros(config.max_moves, np.int16))
        sizes.append(len(encode(config, record)))

    assert max(sizes) <= 100


def test_damaged_states_are_refused_and_change_nothing() -> None:
    config = HanabiConfig()
    batch, rows = play(config, 3, 4)
    states = batch.save_states(range(3))
    before = rows.obs["bits"].copy()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(states[1])
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        with pytest.raises(IncompatibleError):
            batch.restore_states([0, 1], [states[2], bytes(damaged)], [False, False])
    np.testing.assert_array_equal(rows.obs["bits"], before)
    assert batch.save_states(range(3)) == states


def test_states_of_other_rules_are_refused() -> None:
    batch, _ = play(HanabiConfig(), 1, 3)
    for settings in ({"life_tokens": 2}, {"num_players": 3}, {"sad": True}):
        with pytest.raises(IncompatibleError, match="other rules"):
            make_game(HanabiConfig(**settings)).restore_state(batch.save_states([0])[0], new_episode=False)


@pytest.mark.parametrize(
    ("change", "words"),
    [({"deck": "twice the same card"}, "deck"), ({"moves": "a discard at all tokens"}, "illegal")],
)
def test_records_that_cannot_be_are_refused(change: dict[str, str], words: str) -> None:
    config = HanabiConfig()
    deck = sorted_deck(config).copy()
    if "deck" in change:
        deck[-1] = 0
    data = encode(config, Record(deck=deck, moves=np.zeros(1, np.int16)))

    with pytest.raises(IncompatibleError, match=words):
        for _ in replay(Simulator(config, 1), [decode(config, data)]):
            pass


def test_illegal_moves_are_refused() -> None:
    batch, rows = play(HanabiConfig(), 2, 0)

    with pytest.raises(ValueError, match="game 1: action 0 is not legal"):
        batch.step(np.array([0, 1]), np.array([5, 0], np.int16))
    with pytest.raises(ValueError, match="intent"):
        batch.step(np.array([0]), np.array([5 + 20], np.int16))
    assert not rows.terms.any()


def test_no_episode_begins_where_a_game_is_over() -> None:
    batch, rows = play(HanabiConfig(variant="very_small"), 20, 30)
    over = int(np.flatnonzero(rows.terminated)[0])

    with pytest.raises(IncompatibleError, match="over"):
        batch.restore_states([over], batch.save_states([over]), [True])


def test_the_return_is_the_score_and_nothing_when_the_last_life_is_lost() -> None:
    config = HanabiConfig()
    batch, rows = make_batch(config, 300)
    batch.reset(np.arange(300), range(300))
    rng, returns = np.random.default_rng(5), np.zeros(300)
    while not rows.terminated.all():
        envs = np.flatnonzero(~rows.terminated)
        batch.step(envs, random_actions(config, rows.obs["legal"], rng)[envs])
        returns[envs] += rows.terms[envs].sum(axis=1)
    state = batch.simulator.state

    assert (state.lives == 0).any()
    np.testing.assert_array_equal(returns, np.where(state.lives == 0, 0, rows.progress))


def test_moves_before_the_last_one_are_in_the_history() -> None:
    config = HanabiConfig(num_players=4)
    _, rows = play(config, 30, 4)
    parts = layout(config)
    blocks = np.unpackbits(rows.obs["history"], axis=1, count=parts.history_bits).reshape(30, 2, parts.block_bits)
    _, before_rows = play(config, 30, 3)
    last = np.unpackbits(before_rows.obs["bits"], axis=1, count=parts.num_bits)
    last = last[:, parts["last_actor"].start : parts["last_outcome"].stop]

    segments = {segment.name: segment for segment in parts.block}
    alive = ~before_rows.terminated & ~rows.terminated
    for name, segment in segments.items():
        wanted = last[:, segment.bits]
        if name in ("last_actor", "last_target"):
            # Everybody moved one seat away from the observer, who is the next one.
            wanted = np.roll(wanted, -1, axis=1)
        np.testing.assert_array_equal(blocks[alive, 0][:, segment.bits], wanted[alive], name)
    assert alive.sum() > 10


def test_intents_are_heard_by_those_who_move_next() -> None:
    config = HanabiConfig(num_players=3, sad=True)
    batch, rows = make_batch(config, 1)
    batch.reset(np.array([0]), [1])
    for action, greedy in ((5, 11), (6, 3)):
        batch.step(np.array([0]), with_intent(np.array([action], np.int16), np.array([greedy], np.int16), 30))

    heard = np.unpackbits(rows.obs["intent"][0], count=60).reshape(2, 30)
    assert np.argwhere(heard).tolist() == [[0, 3], [1, 11]]


def test_own_cards_are_labelled_by_what_they_are_worth() -> None:
    config = HanabiConfig(variant="mini", num_players=2)
    # Cards: red 1 2 3, yellow 1 2 3 are 0 to 5; three 1s, two 2s, one 3 of each.
    dealt = [2, 1, 3, 0, 0, 4]
    rest = sorted_deck(config).tolist()
    for card in dealt:
        rest.remove(card)
    batch, rows = make_batch(config, 1)
    batch.deal(np.array([0]), np.array([dealt + rest], np.int8))
    assert rows.obs["own_cards"][0].tolist() == [OTHER, OTHER, PLAYABLE]

    names = action_names(config)
    for name in ("hint +1 red", "play 1"):
        batch.step(np.array([0]), np.array([names.index(name)], np.int16))
    assert rows.obs["own_cards"][0].tolist() == [OTHER, PLAYABLE, PLAYABLE]
    for name in ("discard 1", "hint +1 rank 1"):
        batch.step(np.array([0]), np.array([names.index(name)], np.int16))
    # The only red 3 is gone; the second red 1 is of no use since the first was played.
    assert batch.simulator.state.worth[0].tolist() == [USELESS, PLAYABLE, USELESS, PLAYABLE, OTHER, OTHER, 0]


def test_what_is_hidden_cannot_be_told_from_the_other_arrays() -> None:
    """Two decks that differ only in the mover's hand and in the order of the rest look the same to the mover."""
    config = HanabiConfig()
    deck = decks_of(config, [3])[0]
    swapped = deck.copy()
    swapped[[*range(5), *range(10, 50)]] = deck[[*range(5), *range(10, 50)]][::-1]
    batch, rows = make_batch(config, 2)

    batch.deal(np.arange(2), np.stack([deck, swapped]))

    for name in ("bits", "legal"):
        np.testing.assert_array_equal(rows.obs[name][0], rows.obs[name][1], name)
    assert rows.obs["own_cards"][0].tolist() != rows.obs["own_cards"][1].tolist()
