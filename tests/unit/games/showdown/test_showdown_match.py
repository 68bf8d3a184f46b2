"""Matches: both seats are fair, every kind of player can sit down, and faults lose."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from gamefleet.errors import ConfigError
from gamefleet.games.showdown.host.host import BattleHost
from gamefleet.games.showdown.match import MatchPlan, MatchRow, play_match
from gamefleet.games.showdown.model import make_network
from gamefleet.games.showdown.players import SeatFailedError, SeatInfo, scripted_player
from gamefleet.games.showdown.players_network import Memory, NetworkPlayer, SequencePolicy, legal_of, random_policy


@pytest.fixture(scope="module")
def host(simulator: Path) -> Iterator[BattleHost]:
    with BattleHost() as opened:
        yield opened


class Clumsy:
    """A player that chooses what nobody can."""

    name = "clumsy"

    def sit(self, info: SeatInfo) -> "Clumsy":
        return self

    def hear(self, lines: Sequence[str]) -> None:
        """Nothing."""

    def choose(self, asked: Sequence[tuple[Any, Mapping[str, Any]]]) -> list[str]:
        return ["move 9"] * len(asked)


class Deaf(Clumsy):
    """A player that cannot follow."""

    name = "deaf"

    def hear(self, lines: Sequence[str]) -> None:
        raise SeatFailedError("it hears nothing")


def match(host: BattleHost, first: Any, second: Any, **plan: Any) -> list[MatchRow]:
    chosen: dict[str, Any] = {"format": "gen1randombattle", "blocks": range(3)}
    return list(play_match(host, first, second, MatchPlan(**(chosen | plan))))


def test_a_policy_against_itself_wins_exactly_half(host: BattleHost) -> None:
    rows = match(host, scripted_player("max-damage"), scripted_player("max-damage"), blocks=range(5))

    for block in range(5):
        first, second = [row for row in rows if row.block == block]
        assert first.score + second.score == 1
        assert {first.side, second.side} == {0, 1}
        assert first.turns == second.turns


def test_results_do_not_depend_on_what_is_played_beside(host: BattleHost) -> None:
    first, second = NetworkPlayer("network", random_policy), scripted_player("poke-env-random")
    together = match(host, first, second, num_lanes=6)
    alone = [row for block in range(3) for row in match(host, first, second, blocks=[block], num_lanes=1)]

    assert sorted(together, key=lambda row: (row.block, row.side)) == sorted(
        alone, key=lambda row: (row.block, row.side)
    )
    assert not any(row.told for row in together)


@pytest.mark.parametrize("format_name", ["gen4randombattle", "gen9ou"])
def test_players_of_poke_env_play_without_a_server(host: BattleHost, format_name: str) -> None:
    strong, weak = scripted_player("poke-env-heuristics"), scripted_player("poke-env-random")
    rows = match(host, strong, weak, format=format_name)

    assert [row.told for row in rows if row.told] == []
    assert sum(row.score for row in rows) >= 5


def test_a_network_plays_by_its_likeliest_legal_actions(host: BattleHost) -> None:
    torch.manual_seed(0)
    policy = SequencePolicy(make_network({"size": "tiny"}).eval())
    rows = match(host, NetworkPlayer("network", policy), scripted_player("random"), blocks=[0])

    assert len(rows) == 2
    assert [row.told for row in rows if row.told] == []


def test_a_network_says_what_it_thinks_and_does_not_mix_battles_up(host: BattleHost) -> None:
    seen: list[Memory] = []

    def spy(memories: Sequence[Memory]) -> list[int]:
        seen.extend(memories)
        return random_policy(memories)

    match(host, NetworkPlayer("spy", spy), scripted_player("random"), blocks=[0])
    torch.manual_seed(0)
    policy = SequencePolicy(make_network({"size": "tiny"}).eval(), temperature=1.0)
    short = Memory(seed="s", observations=seen[0].observations[:2])
    long = Memory(seed="l", observations=seen[-1].observations[:9])
    together, alone = policy.opinions([short, long]), policy.opinions([short])

    assert together[0].win_chance == pytest.approx(alone[0].win_chance, abs=1e-5)
    assert together[0].probabilities == pytest.approx(alone[0].probabilities, abs=1e-5)
    assert together[1].probabilities.sum() == pytest.approx(1)
    assert legal_of(long.observations[-1])[policy([long])[0]]


@pytest.mark.parametrize(("player", "told"), [(Clumsy(), "Invalid choice"), (Deaf(), "hears nothing")])
def test_who_makes_a_fault_loses_the_battle(host: BattleHost, player: Any, told: str) -> None:
    rows = match(host, scripted_player("random"), player)

    assert all(row.score == 1 and row.faults == (0, 1) and told in row.told for row in rows)
    assert all(row.faults == (1, 0) for row in match(host, player, Deaf(), blocks=[0]) if "hears" not in row.told)


def test_players_that_do_not_exist_are_named() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'max-damage'"):
        scripted_player("max-damag")
