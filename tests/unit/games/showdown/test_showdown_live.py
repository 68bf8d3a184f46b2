"""Live battles: at every decision the state is the one that the parser finds afterwards in the spectator's log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gamefleet.errors import ConfigError
from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import observe, tables
from gamefleet.games.showdown.host.host import BattleHost
from gamefleet.games.showdown.live import LiveBattle, LiveDecision
from gamefleet.games.showdown.players import SeatInfo
from gamefleet.games.showdown.players_network import NetworkPlayer, SequencePolicy, legal_of, random_policy, tempered
from gamefleet.games.showdown.replays.parse import parse_log
from gamefleet.games.showdown.replays.trace import Trace

FORMATS = ("gen1randombattle", "gen2ou", "gen3ou", "gen5ou", "gen7ou", "gen8ou", "gen9ou", "gen9randombattle")
MANY = 10_000
ILLUSION = {"zoroark", "zoroarkhisui", "zorua", "zoruahisui"}


class NotedBattle(LiveBattle):
    """One that keeps its decisions."""

    def __init__(self, side: int) -> None:
        super().__init__(side)
        self.noted: list[LiveDecision] = []

    def decide(self, request: Any) -> LiveDecision:
        decision = super().decide(request)
        self.noted.append(decision)
        return decision


class Lived:
    """One side of a battle that a network's player plays: its decisions, as they were lived."""

    def __init__(self, side: int, seed: int) -> None:
        self.player = NetworkPlayer("any", random_policy, memory_decisions=MANY)
        self.seat = self.player.sit(SeatInfo(side=side, name="any", format="any", seed=str(seed)))
        self.seat.battle = self.battle = NotedBattle(side)

    def answer(self, request: dict[str, Any]) -> str:
        return self.player.choose([(self.seat, request)])[0]

    def refuse(self) -> None:
        """The same decision comes again, after something hidden made a choice impossible."""
        self.battle.noted.pop()

    @property
    def decisions(self) -> list[LiveDecision]:
        return self.battle.noted


def lived(host: BattleHost, format_name: str, seed: int) -> tuple[Trace, list[Lived]]:
    """Play a battle at random, both sides from their own channels."""
    sides = [Lived(side, seed) for side in (0, 1)]
    players = [{"name": name, "grade": None} for name in ("one", "two")]
    command = {"do": "open", "lane": 0, "format": format_name, "seed": str(seed), "players": players}
    commands: list[dict[str, Any]] = [{**command, "keeps": {"log": True}, "showsTeams": True}]
    while True:
        answers, commands = host.ask(commands), []
        for answer in answers:
            if answer["kind"] == "end":
                return parse_log(answer["log"]), sides
            side = sides[answer["side"]]
            if answer["kind"] == "refused":
                assert answer["reason"].startswith("[Unavailable"), answer
                side.refuse()
                continue
            side.seat.hear(answer["lines"])
            if answer["request"]:
                choice = side.answer(answer["request"])
                commands.append({"do": "choose", "lane": 0, "side": answer["side"], "choice": choice})


@pytest.fixture(scope="module")
def host(simulator: Path) -> Iterator[BattleHost]:
    with BattleHost() as opened:
        yield opened


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_battle_that_is_lived_and_one_that_is_read_are_the_same(host: BattleHost, format_name: str) -> None:
    assert_same_battle(*lived(host, format_name, 1))


@pytest.mark.long
@pytest.mark.parametrize("format_name", [*FORMATS, "gen1ou", "gen4ou", "gen6ou", "gen8randombattle"])
def test_many_battles_that_are_lived_are_the_same_as_read(host: BattleHost, format_name: str) -> None:
    for seed in range(2, 4):
        assert_same_battle(*lived(host, format_name, seed))


def assert_same_battle(trace: Trace, sides: list[Lived]) -> None:
    for number, side in enumerate(sides):
        asked = np.flatnonzero(trace.choices[:, number] != at.CHOICE_NOT_ASKED)
        assert len(asked) == len(side.decisions) == side.seat.memory.num_decisions
        remembered = [obs["own"] for obs in side.seat.memory.observations]
        assert np.array_equal(remembered, [decision.obs["own"] for decision in side.decisions])
        assert np.array_equal(trace.rows[asked], np.stack([decision.row for decision in side.decisions]))
        if not hides(trace, number):
            assert_same_view(trace, number, asked, side.decisions)


def hides(trace: Trace, side: int) -> bool:
    """Whether a side has somebody in disguise, whom a log gives away only when the disguise falls."""
    return any(tables.species().keys[int(mon[at.TEAM_SPECIES])] in ILLUSION for mon in trace.teams[side])


def assert_same_view(trace: Trace, side: int, asked: Any, decisions: list[LiveDecision]) -> None:
    views = observe.observe(trace.view_rows(side)[asked], trace.teams, side)
    for name, array in views.items():
        assert np.array_equal(array, np.stack([decision.obs[name] for decision in decisions])), name
    actions = observe.view_actions(trace.choices[asked, side], trace.view_rows(side)[asked], trace.teams, side)
    for action, decision in zip(actions.tolist(), decisions, strict=True):
        assert action < 0 or legal_of(decision.obs)[action]


def test_a_side_sees_its_whole_team_and_of_the_other_only_what_was_shown(host: BattleHost) -> None:
    _, (side, _) = lived(host, "gen1randombattle", 3)
    first = side.decisions[0].obs

    assert (first["own"][:, at.SPECIES] > 0).all()
    assert (first["own"][:, at.MOVES : at.MOVES + at.NUM_MOVES] > 0).any(axis=1).all()
    assert (first["opponent"][:, at.SPECIES] > 0).sum() == 1
    assert not first["opponent"][:, at.MOVES : at.MOVES + at.NUM_MOVES].any()


LINES = [
    "|player|p1|A||",
    "|player|p2|B||",
    "|teamsize|p1|2",
    "|teamsize|p2|2",
    "|gametype|singles",
    "|gen|1",
    "|tier|[Gen 1] OU",
    "|start",
    "|switch|p1a: Tauros|Tauros|353/353",
    "|switch|p2a: Chansey|Chansey|100/100",
    "|turn|1",
]


def request_of(*moves: str, is_trapped: bool = False) -> dict[str, Any]:
    names = {"Tauros": "bodyslam", "Snorlax": "rest"}
    team = [
        {
            "ident": f"p1: {name}",
            "details": name,
            "condition": "353/353",
            "active": name == "Tauros",
            "moves": [move],
            "baseAbility": "none",
            "item": "",
        }
        for name, move in names.items()
    ]
    active = {"moves": [{"id": move, "move": move} for move in moves], "trapped": is_trapped}
    return {"active": [active], "side": {"pokemon": team}}


def test_a_decision_that_is_asked_for_again_is_remembered_once_with_what_is_left() -> None:
    player = NetworkPlayer("any", random_policy)
    seat = player.sit(SeatInfo(side=0, name="A", format="gen1ou", seed="1"))
    seat.hear(LINES)

    player.choose([(seat, request_of("bodyslam"))])
    player.choose([(seat, request_of("bodyslam", is_trapped=True))])
    assert (len(seat.memory.observations), seat.memory.num_decisions) == (1, 1)
    assert legal_of(seat.memory.observations[0]).sum() == 1

    seat.hear(["|move|p1a: Tauros|Body Slam|p2a: Chansey", "|turn|2"])
    player.choose([(seat, request_of("bodyslam"))])
    assert (len(seat.memory.observations), seat.memory.num_decisions) == (2, 2)


@pytest.mark.parametrize("temperature", [1e-320, 1e-9, 0.001, 0.5, 1.0, 1e9])
def test_any_temperature_gives_probabilities_and_none_to_what_is_not_legal(temperature: float) -> None:
    chances = tempered(np.array([0.3, 0.0, 0.2, 1e-30, 0.5], np.float32), temperature)

    assert np.isclose(chances.sum(), 1.0)
    assert chances[1] == 0.0
    assert chances.argmax() == 4
    if temperature == 1.0:
        assert np.allclose(chances, [0.3, 0.0, 0.2, 0.0, 0.5])
    if temperature <= 0.001:
        assert chances[4] == 1.0


def test_a_temperature_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 0"):
        SequencePolicy(lambda: None, temperature=-1.0)  # type: ignore[arg-type, return-value]
