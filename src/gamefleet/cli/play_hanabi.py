"""Hanabi in a terminal: what a person sees, and the words that a person types.

Job: a situation as text for one seat, and typed words as an action. Place in the data flow: under `gamefleet play`.
Left out: whose turn it is, and the agent.

A person sees what the rules let a player see: the hands of the others, and of the own hand what hints have told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gamefleet.errors import ConfigError, nearest
from gamefleet.games.hanabi.actions import COLORS, Actions, actions_of, value_name
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.hanabi.state import State

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from gamefleet.games.hanabi.game import HanabiBatch

STYLES = ("red", "yellow", "green", "white", "blue")
NO_CARD = "-"
WORDS = "p SLOT plays, d SLOT discards, h [PLAYER] COLOUR|RANK hints, ? lists what is legal, q quits"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A game as one of its players sees it.

    Args:
        config: The game.
        state: One row, the game's own: it changes as the game goes on.
        seat: Of the person, from 0.
    """

    config: HanabiConfig
    state: State
    seat: int

    @property
    def actions(self) -> Actions:
        """What the numbers of actions mean."""
        return actions_of(self.config)

    @property
    def to_move(self) -> int:
        """Whose turn it is, from 0."""
        return int(self.state.seat[0])

    @property
    def score(self) -> int:
        """Points so far; a lost game has none."""
        return 0 if self.state.lives[0] == 0 else int(self.state.score[0])


def seat_at(batch: HanabiBatch, seat: int) -> Table:
    """The table of a game that is played alone."""
    return Table(config=batch.config, state=batch.simulator.state, seat=seat)


def picture(table: Table) -> RenderableType:
    """Everything that the person sees."""
    from rich.console import Group

    return Group(tokens(table), fireworks(table), *hands(table), discards(table))


def tokens(table: Table) -> Text:
    """Hints, lives, cards left, points."""
    from rich.text import Text

    config, state = table.config, table.state
    left = config.num_cards - int(state.drawn[0])
    return Text(
        f"hints {state.information[0]} of {config.information_tokens}   lives {state.lives[0]} of "
        f"{config.life_tokens}   deck {left}   points {table.score} of {config.max_score}",
        style="bold",
    )


def fireworks(table: Table) -> Text:
    """How high each colour stands."""
    from rich.text import Text

    text = Text("fireworks  ")
    for color in range(table.config.num_colors):
        text.append(f"{COLORS[color]} {table.state.fireworks[0, color]}  ", STYLES[color])
    return text


def hands(table: Table) -> list[RenderableType]:
    """The hands of the others, then the own one."""
    others = [(table.seat + offset) % table.config.num_players for offset in range(1, table.config.num_players)]
    return [*(hand_of(table, seat) for seat in others), own_hand(table)]


def hand_of(table: Table, seat: int) -> Text:
    """Another player's cards, and what that player knows of them."""
    from rich.text import Text

    text = Text(f"player {seat + 1}   ")
    for slot in range(table.config.hand_size):
        text.append_text(card_text(table.config, int(table.state.hands[0, seat, slot])))
        text.append(f" ({known(table, seat, slot)})  ", "dim")
    return text


def own_hand(table: Table) -> Text:
    """The person's cards, as far as hints tell."""
    from rich.text import Text

    text = Text("you        ", style="bold")
    for slot in range(table.config.hand_size):
        if table.state.hands[0, table.seat, slot] < table.config.num_kinds:
            text.append(f"{slot + 1}: {known(table, table.seat, slot)}  ")
    return text


def card_text(config: HanabiConfig, card: int) -> Text:
    """A card such as `red 3`."""
    from rich.text import Text

    if card >= config.num_kinds:
        return Text(NO_CARD)
    return Text(card_name(config, card), STYLES[card // config.num_ranks])


def card_name(config: HanabiConfig, card: int) -> str:
    """A card in words."""
    return f"{COLORS[card // config.num_ranks]} {card % config.num_ranks + 1}"


def known(table: Table, seat: int, slot: int) -> str:
    """What hints say of a card: the colours and ranks that it can be, or the hinted ones."""
    config = table.config
    plausible = table.state.knowledge[0, seat, slot, : config.num_kinds].reshape(config.num_colors, config.num_ranks)
    colors = [COLORS[color] for color in np.flatnonzero(plausible.any(axis=1))]
    ranks = [str(rank + 1) for rank in np.flatnonzero(plausible.any(axis=0))]
    color = colors[0] if len(colors) == 1 else "/".join(name[0] for name in colors)
    color = "?" if len(colors) == config.num_colors > 1 else color
    rank = "?" if len(ranks) == config.num_ranks > 1 else "/".join(ranks)
    return "?" if color == rank == "?" else f"{color} {rank}"


def discards(table: Table) -> Text:
    """What is gone."""
    from rich.text import Text

    text = Text("discarded  ")
    for card in range(table.config.num_kinds):
        if count := int(table.state.discarded[0, card]):
            text.append_text(card_text(table.config, card))
            text.append(f" x{count}  " if count > 1 else "  ")
    return text


def told(table: Table, mover: int, action: int) -> str:
    """What a move does, in words; to be asked before it is made."""
    config, facts = table.config, table.actions
    who = "you" if mover == table.seat else f"player {mover + 1}"
    verb = "" if mover == table.seat else "s"
    if not facts.is_card[action]:
        target = (mover + int(facts.offset[action])) % config.num_players
        value = int(facts.value[action])
        slots = ", ".join(str(slot + 1) for slot in meant(table, target, value))
        whom = "you" if target == table.seat else f"player {target + 1}"
        return f"{who} hint{verb} {whom} {value_name(config, value)}: card {slots}"
    slot = int(facts.slot[action])
    card = int(table.state.hands[0, mover, slot])
    deed = "play" if facts.is_play[action] else "discard"
    fits = card % config.num_ranks == table.state.fireworks[0, card // config.num_ranks]
    outcome = "" if not facts.is_play[action] else ", which fits" if fits else ", which does not fit: a life is lost"
    return f"{who} {deed}{verb} card {slot + 1}, {card_name(config, card)}{outcome}"


def meant(table: Table, seat: int, value: int) -> list[int]:
    """The slots of a hand that a hint means."""
    config = table.config
    found = []
    for slot in range(config.hand_size):
        card = int(table.state.hands[0, seat, slot])
        own = (card // config.num_ranks, config.num_colors + card % config.num_ranks)
        if card < config.num_kinds and value in own:
            found.append(slot)
    return found


def short_words(table: Table, action: int) -> str:
    """What to type for an action."""
    config, facts = table.config, table.actions
    if facts.is_card[action]:
        return f"{'p' if facts.is_play[action] else 'd'} {facts.slot[action] + 1}"
    value = int(facts.value[action])
    named = COLORS[value] if value < config.num_colors else str(value - config.num_colors + 1)
    target = (table.seat + int(facts.offset[action])) % config.num_players + 1
    return f"h {named}" if config.num_players == 2 else f"h {target} {named}"


def why_not(table: Table, action: int) -> str:
    """Why an action of this game is not legal now."""
    facts, hints = table.actions, int(table.state.information[0])
    if facts.is_card[action]:
        if not facts.is_play[action] and hints == table.config.information_tokens:
            return "nothing is discarded while all hints are there"
        return "there is no card"
    if not hints:
        return "no hint is left; a discard brings one back"
    return "that player holds no such card, and a hint must mean at least one"


def understood(table: Table, line: str) -> int:
    """The action that was typed.

    Raises:
        ConfigError: It is none of this game; whether it is legal now is not looked at.
    """
    words = line.lower().split()
    by_words = {short_words(table, action): action for action in range(table.config.num_actions)}
    if words and words[0][0] == "h" and len(words) > 1:
        words[-1] = color_of(table, words[-1])
        if table.config.num_players == 2 and len(words) == 3:
            words.pop(1)  # the only player that can be meant
    typed = " ".join([words[0][0], *words[1:]]) if words else ""
    if typed not in by_words:
        raise ConfigError("This is no move", value=line, remedy=f"{nearest(typed, by_words)} ({WORDS})")
    return by_words[typed]


def color_of(table: Table, word: str) -> str:
    """A colour's whole name, where its beginning was typed."""
    return next((name for name in COLORS[: table.config.num_colors] if name.startswith(word)), word)
