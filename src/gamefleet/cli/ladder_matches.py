"""Playing a ladder: who plays, what is missing, and where results are kept.

Job: bring a game's matches, its players and a ladder's folder together. Place in the data flow: between `gamefleet
ladder run` and `rating`; the game plays. Left out: how a network plays a game, printing of tables.

    FOLDER/
    ├─ ladder.json      game, format, seed and place: results of others are not mixed in
    ├─ results.jsonl    one line per game, only ever added to
    ├─ players/         which weights a name stands for
    ├─ best.json        who was promoted last; see `ladder_promoted`
    └─ promoted/        and its weights
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.errors import ConfigError
from gamefleet.files import create_once, read_json
from gamefleet.rating.results import Result, append_results, players_of, points, read_results
from gamefleet.rating.schedule import Fixture, pair_of, schedule, swap_of

if TYPE_CHECKING:
    from gamefleet.cli.ladder_players import Entry
    from gamefleet.games.recorded import Contestant, Matches

FACTS, RESULTS = "ladder.json", "results.jsonl"
ROUND_BLOCKS = 10
"""Blocks of a pair that are played before the next pair has its turn."""

LEAST_SHARE = 0.02
"""Of the points: a player below it, or as near to all of them, is no anchor."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRequest:
    """What a user asks for.

    Args:
        game: What is played.
        format: Empty takes the game's first.
        seed: Of teams and chance.
        folder: Of the ladder.
        runs_folder: Where runs are looked for by name.
        players: As they were named; none takes all scripted ones.
        temperature: Of networks.
        device: Of networks; `auto` takes an accelerator where there is one.
        on_server: Play through a real server that is started for it.
    """

    game: str
    format: str
    seed: int
    folder: Path
    runs_folder: Path
    players: tuple[str, ...] = ()
    temperature: float = 0.0
    device: str = "auto"
    on_server: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayingLadder:
    """A ladder that can be played.

    Args:
        folder: Where it is kept.
        matches: Of the game.
        format: Of the games.
        seed: Of teams and chance.
        players: By name.
        on_server: See `LadderRequest`.
    """

    folder: Path
    matches: Matches
    format: str
    seed: int
    players: Mapping[str, Contestant]
    on_server: bool = False

    @property
    def results(self) -> list[Result]:
        """All games so far, also those of players who do not play now."""
        return read_results(self.folder / RESULTS)

    def play(self, blocks: int, *, against: Sequence[str] = (), say: Say) -> None:
        """Play what is missing so that each pair has so many blocks; what is played is kept at once."""
        chosen = [name for word in against for name in self.names_of(word)]
        games = schedule(list(self.players), blocks=blocks, done=self.results, against=chosen)
        say(f"{len(games)} games of {self.format} are to be played, {len(self.results)} are there")
        rounds = sorted(games, key=lambda game: (game.block // ROUND_BLOCKS, pair_of(game), game.block))
        for (_, pair), some in groupby(rounds, key=lambda game: (game.block // ROUND_BLOCKS, pair_of(game))):
            played = list(self.play_games(list(some)))
            score = sum(one.pair_score for one in played)
            say(f"{pair[0]} {score:g} : {len(played) - score:g} {pair[1]}")

    def names_of(self, word: str) -> tuple[str, ...]:
        """The players that a user means: one by its whole name, or all of a run by that of the run without a step."""
        if word in self.players:
            return (word,)
        # Scripted players may have an "@" as well, but that of `heuristic@0.25` is no step.
        runs = [name for name, player in self.players.items() if player.network is not None]
        return tuple(name for name in runs if Path(word).name == name.rpartition("@")[0]) or (word,)

    def play_games(self, games: Sequence[Fixture]) -> Iterator[Result]:
        """Play games of one pair, both of each block, and keep those that were asked for."""
        from gamefleet.games.recorded import MatchOrder

        first, second = games[0].first, games[0].second
        wanted = {(game.block, swap_of(game)) for game in games}
        blocks = sorted({game.block for game in games})
        order = MatchOrder(format=self.format, blocks=blocks, seed=self.seed, on_server=self.on_server)
        for played in self.matches.play(self.players[first], self.players[second], order):
            fixture = Fixture(first=first, second=second, block=played.block, is_swapped=played.is_swapped)
            if (fixture.block, swap_of(fixture)) in wanted:
                result = fixture.result(played.score, played.end)
                append_results(self.folder / RESULTS, [result])
                yield result


def open_ladder(request: LadderRequest, entries: Sequence[Entry] = ()) -> PlayingLadder:
    """Find the players, and open or make the ladder's folder.

    Args:
        request: What a user asks for.
        entries: Players who were found already, instead of those of the request.

    Raises:
        ConfigError: The game has no matches, a player is not known, or the folder holds another ladder.
        CheckpointError: A checkpoint is missing or does not fit.
    """
    from gamefleet.cli.ladder_players import contestants, entry_of

    matches = matches_of(request.game)
    found = entries or [entry_of(word, request, matches) for word in request.players or matches.scripted]
    players = contestants(found, request)
    kept = kept_facts(request, matches)
    return PlayingLadder(
        folder=request.folder,
        matches=matches,
        format=str(kept["format"]),
        seed=request.seed,
        players=players,
        on_server=request.on_server,
    )


def kept_facts(request: LadderRequest, matches: Matches) -> dict[str, Any]:
    """What a ladder's folder says of all its games, written by whoever begins it.

    Raises:
        ConfigError: The folder holds another ladder, or there is no such format.
    """
    place = "server" if request.on_server else "host"
    chosen = request.format or matches.formats[0]
    facts = {"game": request.game, "format": chosen, "seed": request.seed, "place": place}
    if matches.check_format and chosen not in matches.formats and not (request.folder / FACTS).exists():
        matches.check_format(chosen)  # before anything is written or announced
    request.folder.mkdir(parents=True, exist_ok=True)
    create_once(request.folder / FACTS, {**facts, "scripted": list(matches.scripted)})
    kept = read_json(request.folder / FACTS)
    kept.setdefault("place", "host")  # ladders that do not say it were begun when there was no other
    for name, value in facts.items():
        if kept.get(name) != value and not (name == "format" and not request.format):
            raise ConfigError(
                f"This ladder was begun with another {name}, {kept.get(name)!r}",
                value=value,
                where=request.folder,
                remedy="Results of both cannot be compared: use another --folder.",
            )
    return kept


def matches_of(game: str) -> Matches:
    """How players of a game are compared.

    Raises:
        ConfigError: The game has nothing to compare them by.
    """
    from gamefleet.games import GAMES, open_game

    package = open_game(game)
    if package.recorded is None or package.recorded.matches is None:
        raise ConfigError("This game has no matches between players", value=game, remedy=f"Games: {', '.join(GAMES)}.")
    return package.recorded.matches


def kept_anchor(folder: Path) -> str:
    """The weakest scripted player of a ladder whose strength can be seen; empty where none has played.

    One who loses (nearly) all games is no good anchor: how much weaker it is nobody knows, and that would be the
    interval of everybody else.

    Raises:
        ConfigError: The folder holds no ladder.
    """
    if not (folder / FACTS).exists():
        raise ConfigError(
            "There is no ladder", value=str(folder), where="--folder", remedy="Begin one: `gamefleet ladder run`."
        )
    results = read_results(folder / RESULTS)
    names = players_of(results)
    table = points(results, names)
    shares = dict(zip(names, table.sum(axis=1) / (table + table.T).sum(axis=1), strict=True)) if names else {}
    scripted = [str(name) for name in read_json(folder / FACTS).get("scripted", ()) if name in shares]
    seen = [name for name in scripted if LEAST_SHARE < shares[name] < 1.0 - LEAST_SHARE]
    return (seen or scripted or [""])[0]
