import numpy as np
import pytest

from gamefleet.errors import ConfigError
from gamefleet.games.pokemon_red.config import RewardWeights
from gamefleet.games.pokemon_red.places import Places
from gamefleet.games.pokemon_red.reward import TERMS, Ledger, level_value, reward_json
from gamefleet.games.pokemon_red.state import State

STARTER, TRAINER, MUSEUM = 34, 1379, 104  # on the main line, beside it, beside it


class Episode:
    """A ledger that is fed with memory images."""

    def __init__(self, memory, weights: RewardWeights | None = None) -> None:
        self.memory = memory
        self.places = Places()
        self.ledger = Ledger(weights or RewardWeights(events=1.0))
        self.start(memory.state())

    def start(self, state: State) -> None:
        self.places = Places()
        self.places.visit(state)
        self.ledger.open(state)

    def step(self) -> dict[str, float]:
        state = self.memory.state()
        is_new = self.places.visit(state)
        terms = self.ledger.settle(state, self.places, is_new_tile=is_new)
        return {name: round(float(term), 5) for name, term in zip(TERMS, terms, strict=True) if term}


def test_nothing_new_pays_nothing(image) -> None:
    assert Episode(image()).step() == {}


def test_an_event_of_the_story_pays_more_than_one_beside_it(image) -> None:
    episode = Episode(image(), RewardWeights(events=2.0, side_event_scale=0.25))
    episode.memory.set_event(STARTER)
    assert episode.step() == {"events": 2.0}
    episode.memory.set_event(TRAINER)
    assert episode.step() == {"events": 0.5}


def test_bits_without_a_name_pay_nothing(image) -> None:
    episode = Episode(image())
    episode.memory.set_event(1)
    assert episode.step() == {}


def test_an_event_that_is_cleared_and_set_again_pays_once(image) -> None:
    episode = Episode(image())
    episode.memory.set_event(MUSEUM)
    assert episode.step() == {"events": 0.5}
    episode.memory.write("wEventFlags", 0, offset=MUSEUM // 8)
    assert episode.step() == {}
    episode.memory.set_event(MUSEUM)
    assert episode.step() == {}


def test_a_flag_outside_the_array_pays_like_an_event(image) -> None:
    episode = Episode(image())
    episode.memory.write("wStatusFlags1", 0x40)
    assert episode.step() == {"events": 1.0}
    episode.memory.write("wStatusFlags1", 0)
    episode.step()
    episode.memory.write("wStatusFlags1", 0x40)
    assert episode.step() == {}


def test_a_badge_pays_its_own_term_only(image) -> None:
    episode = Episode(image())
    episode.memory.write("wObtainedBadges", 1)
    assert episode.step() == {"badges": 5.0}
    episode.memory.write("wObtainedBadges", 3)
    assert episode.step() == {"badges": 5.0}


def test_levels_above_the_threshold_count_a_quarter() -> None:
    assert level_value(30, 30) == 30
    assert level_value(34, 30) == 31
    assert level_value(0, 30) == 0


def test_levels_pay_once_even_if_a_partner_leaves_and_returns(image) -> None:
    episode = Episode(image().add_partner(level=5, health=9, max_health=9), RewardWeights(levels=1.0))
    episode.memory.add_partner(level=3, health=9, max_health=9)
    assert episode.step() == {"levels": 3.0}
    episode.memory.write("wPartyCount", 1)
    assert episode.step() == {}
    episode.memory.write("wPartyCount", 2)
    assert episode.step() == {}


def test_later_tiles_of_a_map_pay_less_and_a_new_map_pays_extra(image) -> None:
    weights = RewardWeights(exploration=1.0, exploration_half_tiles=2, maps=10.0)
    episode = Episode(image(), weights)
    episode.memory.write("wXCoord", 1)
    assert episode.step() == {"exploration": round(1 / 1.5, 5)}
    episode.memory.write("wXCoord", 2)
    assert episode.step() == {"exploration": 0.5}
    episode.memory.write("wXCoord", 1)
    assert episode.step() == {}
    episode.memory.write("wCurMap", 12)
    assert episode.step() == {"exploration": 1.0, "maps": 10.0}
    episode.memory.write("wCurMap", 0)
    assert episode.step() == {}


def hurt(memory, health: int) -> None:
    memory.write("wPartyMons", 0, health, offset=1)


def test_healing_pays_the_share_that_was_healed(image) -> None:
    episode = Episode(image().add_partner(level=5, health=10, max_health=20), RewardWeights(healing=1.0))
    hurt(episode.memory, 20)
    assert episode.step() == {"healing": 0.5}


def test_getting_hurt_and_healed_over_and_over_pays_no_more_than_once(image) -> None:
    episode = Episode(image().add_partner(level=5, health=20, max_health=20), RewardWeights(healing=1.0))
    total = 0.0
    for _ in range(10):
        hurt(episode.memory, 5)
        episode.step()
        hurt(episode.memory, 20)
        total += episode.step().get("healing", 0.0)
    assert total == pytest.approx(1.0)


def test_progress_refills_the_allowance_for_healing(image) -> None:
    episode = Episode(image().add_partner(level=5, health=20, max_health=20), RewardWeights(healing=1.0))
    for health in (1, 20, 1, 20):
        hurt(episode.memory, health)
        episode.step()
    episode.memory.set_event(STARTER)
    episode.step()
    hurt(episode.memory, 10)
    episode.step()
    hurt(episode.memory, 20)
    assert episode.step() == {"healing": 0.5}


def test_waking_up_at_the_healer_after_a_defeat_is_not_healing(image) -> None:
    episode = Episode(image().add_partner(level=5, health=4, max_health=20))
    hurt(episode.memory, 0)
    episode.step()
    hurt(episode.memory, 20)
    assert episode.step() == {}


def test_a_new_level_is_not_healing(image) -> None:
    episode = Episode(image().add_partner(level=5, health=4, max_health=20), RewardWeights(levels=0.0))
    episode.memory.write("wPartyMons", 6, 0, 25, offset=0x21)
    hurt(episode.memory, 9)
    assert episode.step() == {}


def test_species_pay_once_each(image) -> None:
    episode = Episode(image())
    episode.memory.write("wPokedexSeen", 0b11).write("wPokedexOwned", 0b01)
    assert episode.step() == {"catching": 0.5, "seen": 0.2}
    episode.memory.write("wPokedexSeen", 0)
    episode.step()
    episode.memory.write("wPokedexSeen", 0b11)
    assert episode.step() == {}


def test_standing_still_costs_only_after_a_while(image) -> None:
    episode = Episode(image(), RewardWeights(stuck=1.0, stuck_after_steps=3))
    assert [episode.step() for _ in range(5)] == [{}, {}, {}, {"stuck": -1.0}, {"stuck": -1.0}]
    episode.memory.set_event(STARTER)
    assert "stuck" not in episode.step()
    assert episode.step() == {}


def test_what_the_start_state_has_is_paid_already(image) -> None:
    memory = image().set_event(STARTER).write("wObtainedBadges", 1).add_partner(level=9, health=5, max_health=9)
    memory.write("wPokedexOwned", 7)
    episode = Episode(memory)
    assert episode.step() == {}
    episode.memory.set_event(119)
    assert episode.step() == {"events": 1.0}


def test_accounts_survive_export_and_import(image) -> None:
    first = Episode(image().add_partner(level=5, health=9, max_health=9))
    first.memory.set_event(STARTER)
    first.step()
    second = Episode(image())
    second.memory, second.places = first.memory, first.places
    second.ledger.import_state(first.ledger.export_state(), first.memory.state())
    first.memory.set_event(119)
    hurt(first.memory, 3)
    state = first.memory.state()
    terms = [episode.ledger.settle(state, first.places, is_new_tile=False) for episode in (first, second)]
    assert np.array_equal(*terms)
    assert first.ledger.export_state() == second.ledger.export_state()


def test_a_negative_weight_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"game\.rewards\.healing"):
        RewardWeights(healing=-1.0)


def test_the_compatibility_hash_sees_every_weight() -> None:
    assert reward_json(RewardWeights()) != reward_json(RewardWeights(stuck=0.5))
    assert reward_json(RewardWeights())["terms"] == list(TERMS)
