"""`gamefleet play`: a person plays with an agent, in the terminal.

Job: take turns: the agent's moves from its policy, the person's from the keyboard. Place in the data flow: checkpoint,
policy, game, terminal. Left out: what a game looks like (`play_hanabi`), and learning.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.errors import ConfigError, IncompatibleError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from gamefleet.actors.policy import Decision, Policy
    from gamefleet.actors.vector import InlineVector
    from gamefleet.cli.play_hanabi import Table
    from gamefleet.topologies.evaluation import Player

PLAYED = ("hanabi", "showdown")
"""Games that a person can play with an agent here."""

MOST_SEEDS = 1_000_000
"""Short enough to be typed again."""

QUIT = ("q", "quit", "exit")


def play(
    game: Annotated[str, typer.Argument(metavar="GAME", help="hanabi or showdown.")],
    partner: Annotated[
        str,
        typer.Option("--with", metavar="CHECKPOINT", help="hanabi: a run, a checkpoint folder, scripted or random."),
    ] = "",
    against: Annotated[
        str,
        typer.Option(metavar="CHECKPOINT", help="showdown: a run, a checkpoint folder or a scripted player's name."),
    ] = "",
    seat: Annotated[int, typer.Option(help="hanabi: yours, from 1; player 1 begins.")] = 1,
    seed: Annotated[
        int | None, typer.Option(help="Of the deck or the teams; another one each time if left out.")
    ] = None,
    players: Annotated[
        int, typer.Option(help="hanabi: of the game; by default as many as the agent has learned with.")
    ] = 0,
    battle_format: Annotated[str, typer.Option("--format", help="showdown: of the battle.")] = "gen1randombattle",
    browser: Annotated[
        bool, typer.Option("--browser", help="showdown: start a server here and play in a browser.")
    ] = False,
    port: Annotated[int, typer.Option(help="showdown: of that server, on 127.0.0.1 only.")] = 8000,
) -> None:
    """Play one game with an agent (hanabi) or against one (showdown). Type q to end it."""
    if game not in PLAYED:
        raise ConfigError("This game has no table to sit at here", value=game, remedy=nearest(game, PLAYED))
    if game == "showdown":
        from gamefleet.cli.play_showdown import BattleRequest, play_battle

        if not against:
            raise ConfigError("Nobody to play against is named", where="--against", remedy="For example max-damage.")
        asked = BattleRequest(against=against, format=battle_format, seed=seed, port=port)
        play_battle(asked, in_browser=browser)
        return
    if not partner:
        raise ConfigError("Nobody to play with is named", where="--with", remedy="For example scripted.")
    play_cards(partner, game, seat, seed, players)


def play_cards(partner: str, game: str, seat: int, seed: int | None, players: int) -> None:
    """One game of Hanabi."""
    found = player_for(partner, game, players)
    count = found.config.game.num_players
    if not 1 <= seat <= count:
        raise ConfigError("There is no such seat", value=seat, where="--seat", remedy=f"Choose 1 to {count}.")
    from rich.console import Console

    chosen = secrets.randbelow(MOST_SEEDS) if seed is None else seed
    print(f"This deck again: --seed {chosen}")
    with seated(found, seat - 1, chosen) as evening:
        print(evening.carry_out(Console(highlight=False)))


def player_for(partner: str, game: str, players: int) -> Player:
    """The agent, under the settings of the game that is asked for.

    Raises:
        ConfigError: There are too many players.
        CheckpointError: There is no such checkpoint, or it was trained on another game.
    """
    from gamefleet.games import open_game
    from gamefleet.topologies.config import make_config
    from gamefleet.topologies.evaluation import RANDOM, SCRIPTED, load_player

    own = None if partner not in (RANDOM, SCRIPTED) else make_config(open_game(game), {})
    if own is None and not players:
        return load_player(partner, game=game)
    if own is None:
        own = load_player(partner, game=game).config
    if players and players != own.game.num_players:
        resolved = own.resolved()
        # Sizes that follow from the number of players are filled in anew.
        resolved["game"] |= {"num_players": players, "hand_size": 0, "history_moves": 0, "max_episode_steps": 0}
        own = replace(own, game=make_config(open_game(game), resolved).game)
    try:
        return load_player(partner, game=game, config=own)
    except IncompatibleError as error:
        if not players:
            raise
        learned = load_player(partner, game=game).config.game.num_players
        raise IncompatibleError(
            "The agent has learned with another number of players",
            value=players,
            where=f"--players; {learned} in {partner}",
            remedy="Leave --players out.",
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Evening:
    """A person and an agent at one table.

    Args:
        table: What the person sees.
        vector: The game.
        policy: The agent.
        seed: Of the deck.
    """

    table: Table
    vector: InlineVector
    policy: Policy
    seed: int

    def carry_out(self, console: Console) -> str:
        """Play to the end; returns the last words."""
        import numpy as np

        from gamefleet.actors.steps import Restart

        self.vector.send(np.zeros(1, np.int16), {0: Restart(seed=self.seed)})
        view = self.vector.receive()
        while not view.ended[0]:
            decision = self.policy.act(view)  # at every move: whoever remembers must have seen them all
            mover = self.table.to_move
            action, sent = int(decision.actions[0]), decision.sent
            if mover == self.table.seat:
                chosen = self.ask(console, set(np.flatnonzero(self.legal(view.obs)).tolist()))
                if chosen is None:
                    return f"You left with {self.table.score} points."
                action, sent = chosen, as_meant(decision, chosen)
            console.print(self.says(mover, action))
            self.vector.send(sent, {})
            view = self.vector.receive()
        return f"The end: {self.table.score} of {self.table.config.max_score} points."

    def legal(self, obs: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Which actions are legal now, bool `[action]`."""
        from gamefleet.actors.policy import legal_actions

        return legal_actions(obs[self.vector.spec.legal][0], self.vector.spec.num_actions)

    def says(self, mover: int, action: int) -> str:
        """What happens."""
        from gamefleet.cli.play_hanabi import told

        return f"> {told(self.table, mover, action)}"

    def ask(self, console: Console, legal: set[int]) -> int | None:
        """The person's move; None when the person leaves."""
        from gamefleet.cli.play_hanabi import WORDS, picture, short_words, understood, why_not

        console.print(picture(self.table))
        while True:
            try:
                line = input("your move (? for help): ").strip()
            except EOFError:
                return None
            if line.lower() in QUIT:
                return None
            if line in ("", "?"):
                console.print(WORDS)
                console.print("legal now: " + ", ".join(short_words(self.table, action) for action in sorted(legal)))
                continue
            try:
                action = understood(self.table, line)
            except ConfigError as error:
                console.print(str(error))
                continue
            if action in legal:
                return action
            console.print(f"{short_words(self.table, action)} is not legal now: {why_not(self.table, action)}")


def as_meant(decision: Decision, action: int) -> NDArray[np.int16]:
    """What is sent for a person's move: a person always does what seems best."""
    import numpy as np

    actions = np.array([action], np.int16)
    return replace(decision, actions=actions, intents=None if decision.intents is None else actions).sent


@contextmanager
def seated(player: Player, seat: int, seed: int) -> Iterator[Evening]:
    """A table with one game in this process."""
    from gamefleet.actors.vector import InlineVector, make_vector
    from gamefleet.cli.play_hanabi import seat_at
    from gamefleet.games.single import SingleGame
    from gamefleet.topologies.evaluation import make_policy

    vector = make_vector(player.package, player.config.game, num_envs=1, num_workers=0, one_by_one=True)
    assert isinstance(vector, InlineVector)
    game = vector.games[0]
    assert isinstance(game, SingleGame)
    try:
        table = seat_at(game.batch, seat)
        yield Evening(table=table, vector=vector, policy=make_policy(player, vector, seed=seed), seed=seed)
    finally:
        vector.close()
