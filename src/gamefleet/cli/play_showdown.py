"""`gamefleet play showdown`: a battle against an agent, in a terminal or in a browser.

Job: a person at one side, a policy at the other. Place in the data flow: checkpoint or scripted player, a lane of the
simulator or a server of one's own, a person. Left out: what an agent is (`ladder_players`), and learning.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gamefleet.cli.play_words import spoken
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.games.showdown.players import OutsidePlayer, Player

MOST_SEEDS = 1_000_000
HELP = "a number, or the simulator's own words (move 2, switch 3, move 1 terastallize); q leaves"
QUIT = ("q", "quit", "exit")
YOU, AGENT = "You", "Agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class BattleRequest:
    """What a person asked for.

    Args:
        against: A scripted player, a run or a checkpoint.
        format: Of the battle.
        seed: Of teams and chance; None for any.
        port: Of the server, with a browser.
    """

    against: str
    format: str
    seed: int | None = None
    port: int = 8000


def opponent_for(name: str) -> Player:
    """The player behind what a person wrote.

    Raises:
        ConfigError: There is no such player.
        CheckpointError: The checkpoint does not fit.
    """
    from pathlib import Path

    from gamefleet.cli.ladder_matches import LadderRequest, matches_of
    from gamefleet.cli.ladder_players import contestant, entry_of
    from gamefleet.games.showdown.contest import player_of

    runs = Path("runs")
    request = LadderRequest(game="showdown", format="", seed=0, folder=runs, runs_folder=runs, players=(name,))
    return player_of(contestant(entry_of(name, request, matches_of("showdown")), request))


def play_in_terminal(request: BattleRequest) -> None:
    """One battle with choices from the keyboard."""
    from rich.console import Console

    from gamefleet.games.showdown.host.host import BattleHost
    from gamefleet.games.showdown.match import MatchPlan, play_match

    seed = secrets.randbelow(MOST_SEEDS) if request.seed is None else request.seed
    console = Console(highlight=False, markup=False)
    console.print(f"This battle again: --seed {seed} --format {request.format}")
    person = Person(console)
    plan = MatchPlan(format=request.format, blocks=[0], seed=seed, num_lanes=1)
    with BattleHost() as host:
        # The second battle of the block, with the sides exchanged, is not played.
        row = next(play_match(host, person, opponent_for(request.against), plan))
    if person.has_left:
        console.print("You left.")
        return
    console.print("A tie." if row.score == 0.5 else "You won." if row.score else "You lost.")


class Person:
    """Somebody at a keyboard, as an outside player."""

    def __init__(self, console: Any) -> None:
        self.name = YOU
        self.has_left = False
        self._side = "p1"
        self._console = console

    def sit(self, info: Any) -> Person:
        """See `OutsidePlayer`."""
        self._side = f"p{info.side + 1}"
        return self

    def hear(self, lines: Sequence[str]) -> None:
        """See `Seat`: say what happens."""
        for line in lines:
            words = spoken(line, self._side)
            if words:
                self._console.print(words)

    def choose(self, asked: Sequence[tuple[Any, Mapping[str, Any]]]) -> list[str]:
        """See `OutsidePlayer`."""
        return [self._choose(request) for _, request in asked]

    def _choose(self, request: Mapping[str, Any]) -> str:
        options = options_of(request)
        for number, (_, words) in enumerate(options, start=1):
            self._console.print(f"  {number:2}  {words}")
        while not self.has_left:
            try:
                line = input("your choice (? for help): ").strip().lower()
            except EOFError:
                line = QUIT[0]
            if line in QUIT:
                self.has_left = True
            elif line.isdigit() and 1 <= int(line) <= len(options):
                return options[int(line) - 1][0]
            elif line in {choice for choice, _ in options}:
                return line
            else:
                self._console.print(HELP)
        return ""  # which gives the battle up


def options_of(request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a request allows: the simulator's words, and words for people."""
    team = request["side"]["pokemon"]
    if request.get("teamPreview"):
        return [(f"team {n}", f"lead with {described(member)}") for n, member in enumerate(team, start=1)]
    options = _moves_of(request["active"][0]) if request.get("active") else []
    if request.get("active") and request["active"][0].get("trapped"):
        return options
    wants_fainted = bool(team[0].get("reviving"))
    for number, member in enumerate(team, start=1):
        if not member["active"] and member["condition"].endswith(" fnt") == wants_fainted:
            options.append((f"switch {number}", f"{'revive' if wants_fainted else 'switch to'} {described(member)}"))
    return options


def _moves_of(active: Mapping[str, Any]) -> list[tuple[str, str]]:
    from gamefleet.games.showdown.live import FORM_WORDS

    gimmicks = [word for flag, word in FORM_WORDS if active.get(flag)]
    z_moves = active.get("canZMove") or ()
    options = []
    for number, move in enumerate(active["moves"], start=1):
        if move.get("disabled"):
            continue
        pp = f" ({move['pp']}/{move['maxpp']} PP)" if "pp" in move else ""
        options.append((f"move {number}", f"{move['move']}{pp}"))
        options += [(f"move {number} {word}", f"{move['move']} + {word}") for word in gimmicks]
        if number <= len(z_moves) and z_moves[number - 1]:
            options.append((f"move {number} zmove", f"{move['move']} as {z_moves[number - 1]['move']}"))
    return options


def described(member: Mapping[str, Any]) -> str:
    """A Pokémon of the own team with its HP and moves."""
    name = member["details"].split(",")[0]
    return f"{name} {member['condition']} [{', '.join(member['moves'])}]"


def play_in_browser(request: BattleRequest) -> None:
    """Start a server and an agent that accepts every challenge, until Ctrl-C."""
    from gamefleet.games.showdown.players import InsidePlayer
    from gamefleet.games.showdown.server import local_server

    opponent = opponent_for(request.against)
    if isinstance(opponent, InsidePlayer):
        raise ConfigError(
            "This policy lives in the simulator's process and cannot log in to a server",
            value=request.against,
            where="--against",
            remedy="Play it in the terminal, or choose a checkpoint or a poke-env player.",
        )
    with local_server(request.port) as server:
        print(f"Open this in a browser on this machine: {page_address(server.page, request)}")
        print("The agent accepts every challenge; Ctrl-C ends it all.")
        try:
            asyncio.run(accept_all(server.websocket, request, opponent))
        except KeyboardInterrupt:
            print("Goodbye.")


def page_address(page: str, request: BattleRequest) -> str:
    """Where the person begins; a format without teams of its own comes with a team."""
    from urllib.parse import urlencode

    team = team_for(request, "yours")
    words = {"format": request.format, "opponent": AGENT} | ({"team": team} if team else {})
    return f"{page}?{urlencode(words)}"


async def accept_all(websocket: str, request: BattleRequest, opponent: OutsidePlayer, most: int = 0) -> None:
    """Accept challenges and say how battles ended.

    Args:
        websocket: Of the server.
        request: What is played.
        opponent: Who plays under the agent's name.
        most: Battles after which it returns; 0 for no end.
    """
    from gamefleet.games.showdown.client import connected

    team = team_for(request)
    async with connected(websocket, AGENT, opponent, team, accepts=request.format) as client:
        played = 0
        while not most or played < most:
            result = await client.result()
            played += 1
            words = {1.0: "the agent won", 0.5: "a tie", 0.0: "you won"}[result.score]
            print(f"{result.room}: {words} after {result.turns} turns")


def team_for(request: BattleRequest, whose: str = "the agent's") -> str | None:
    """A packed team; None where the format makes teams by itself."""
    from gamefleet.games.showdown.host.host import BattleHost

    if "random" in request.format:
        return None
    seed = secrets.randbelow(MOST_SEEDS) if request.seed is None else request.seed
    with BattleHost() as host:
        team: str = host.ask([{"do": "team", "format": request.format, "seed": f"{seed} {whose}"}])[0]["team"]
    return team


def play_battle(request: BattleRequest, *, in_browser: bool) -> None:
    """Play as asked."""
    if in_browser:
        play_in_browser(request)
    else:
        play_in_terminal(replace(request))
