"""A person at a keyboard against an agent: what can be chosen, what is said, and how a battle ends."""

from typing import Any

import pytest

from gamefleet.cli.play_showdown import BattleRequest, options_of, play_in_browser, play_in_terminal
from gamefleet.cli.play_words import spoken
from gamefleet.errors import ConfigError

TEAM: list[dict[str, Any]] = [
    {"details": "Tauros, L68", "condition": "200/200", "active": True, "moves": ["bodyslam"]},
    {"details": "Mew, L64", "condition": "100/200 par", "active": False, "moves": ["psychic"]},
    {"details": "Jynx, L67, F", "condition": "0 fnt", "active": False, "moves": ["rest"]},
]
MOVES = [
    {"move": "Body Slam", "id": "bodyslam", "pp": 24, "maxpp": 24, "disabled": False},
    {"move": "Blizzard", "id": "blizzard", "pp": 0, "maxpp": 8, "disabled": True},
]


def asked(**words: Any) -> dict[str, Any]:
    return {"side": {"pokemon": TEAM}, **words}


def choices(request: dict[str, Any]) -> list[str]:
    return [choice for choice, _ in options_of(request)]


def test_moves_and_the_living_bench_can_be_chosen() -> None:
    assert choices(asked(active=[{"moves": MOVES}])) == ["move 1", "switch 2"]
    assert choices(asked(active=[{"moves": MOVES, "trapped": True}])) == ["move 1"]
    assert choices(asked(forceSwitch=[True])) == ["switch 2"]
    assert choices(asked(teamPreview=True)) == ["team 1", "team 2", "team 3"]


def test_gimmicks_are_choices_of_their_own() -> None:
    active = {"moves": MOVES[:1], "canTerastallize": "Water", "canZMove": [{"move": "Breakneck Blitz"}]}
    assert choices(asked(active=[active]))[:3] == ["move 1", "move 1 terastallize", "move 1 zmove"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("|turn|3", "\n--- turn 3 ---"),
        ("|move|p1a: Mew|Psychic|p2a: Jynx", "Your Mew uses Psychic"),
        ("|-damage|p2a: Jynx|50/100 par|[from] psn", "  The agent's Jynx: 50 % left, paralysed (poisoned)"),
        ("|-damage|p1a: Mew|123/300", "  Your Mew: 123 of 300 HP left"),
        ("|-damage|p2a: Jynx|0 fnt", "  The agent's Jynx: no HP left"),
        ("|-heal|p1a: Mew|300/300|[silent]", ""),
        ("|switch|p2a: Jynx|Jynx, L67, F|100/100", "The agent sends out Jynx (100 % left)"),
        ("|poke|p1|Mew, L64|item", "  You have Mew"),
        ("|-unboost|p1a: Mew|atk|2", "  Your Mew: Attack falls by 2"),
        ("|cant|p1a: Mew|slp", "Your Mew cannot move: it is asleep"),
        ("|-sidestart|p2: Agent|move: Stealth Rock", "  Stealth Rock on the agent's side"),
        ("|-weather|RainDance|[upkeep]", ""),
        ("|-weather|none", "  The weather clears"),
        ("|-fail|p1a: Mew", "  It fails"),
        ("|-somethingnew|p1a: Mew|move: Rest", "Somethingnew: your Mew, Rest"),
        ("|t:|1700000000", ""),
        ("|", ""),
        ("", ""),
    ],
)
def test_lines_are_said_in_words(line: str, words: str) -> None:
    assert spoken(line, "p1") == words


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fill it with lines; the last one is typed for ever."""
    lines: list[str] = []
    monkeypatch.setattr("builtins.input", lambda _: lines.pop(0) if len(lines) > 1 else lines[0])
    return lines


@pytest.mark.usefixtures("simulator")
def test_a_person_plays_to_the_end_or_leaves(typed: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    typed += ["?", "move 99", "1"]
    play_in_terminal(BattleRequest(against="random", format="gen1randombattle", seed=3))
    said = capsys.readouterr().out
    assert "--seed 3" in said
    assert "--- turn 2 ---" in said
    assert said.strip().splitlines()[-1] in ("You won.", "You lost.", "A tie.")

    typed[:] = ["q"]
    play_in_terminal(BattleRequest(against="random", format="gen1randombattle", seed=3))
    assert capsys.readouterr().out.strip().endswith("You left.")


def test_a_policy_of_the_simulator_cannot_log_in_to_a_server() -> None:
    with pytest.raises(ConfigError, match="lives in the simulator"):
        play_in_browser(BattleRequest(against="max-damage", format="gen1randombattle"))
