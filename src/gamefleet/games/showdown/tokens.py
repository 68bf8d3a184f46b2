"""A decision as tokens: the field, both teams, the moves at hand, and one to read from.

Job: embed the arrays of `observe`. Place in the data flow: observations -> tokens -> a decoder over whole trajectories
(`model`), or an encoder of single decisions. Left out: what is read from the tokens.

Tokens of a decision, in this order: field, 6 opponents, 6 own Pokémon, 4 moves, readout. Later tokens see earlier ones,
so the readout sees everything, and a move sees both teams.

Axes: `n` decisions, `mon` 6 of one team, `width` of a token.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gamefleet.games.showdown import layout as at
from gamefleet.games.showdown import tables
from gamefleet.games.showdown.facts import Facts

FIELD_TOKEN: Final = 0
OPPONENT_TOKENS: Final = slice(1, 7)
OWN_TOKENS: Final = slice(7, 13)
MOVE_TOKENS: Final = slice(13, 17)
READOUT_TOKEN: Final = 17
NUM_TOKENS: Final = 18

EMBEDDING_SCALE: Final = 0.1
"""Standard deviation of initial embeddings: small beside the known facts, so that rare names start as what they do."""

_NUM_FLAGS = 9
_NUM_GENDERS = 4
_MANY_TURNS = 8.0
_GENERATIONS = tables.NUM_GENERATIONS + 1


class DecisionTokens(nn.Module):
    """Arrays of decisions to tokens.

    Args:
        width: Numbers per token.
        embedding_size: Numbers per embedded name.
    """

    def __init__(self, width: int, *, embedding_size: int) -> None:
        super().__init__()
        self.facts = Facts()
        self.species = _embedding(len(tables.species()), embedding_size)
        self.items = _embedding(len(tables.items()), embedding_size)
        self.abilities = _embedding(len(tables.abilities()), embedding_size)
        self.move_names = _embedding(len(tables.moves()), embedding_size)
        self.types = _embedding(len(tables.types()), embedding_size)
        self.weathers = _embedding(len(tables.WEATHERS), embedding_size)
        self.terrains = _embedding(len(tables.TERRAINS), embedding_size)
        self.move_facts = nn.Linear(self.facts.move_size, embedding_size)
        mon_numbers = self.facts.species_size + _NUM_FLAGS + _NUM_GENDERS + len(at.STATUSES) + 3 + 6
        self.mons = nn.Linear(6 * embedding_size + mon_numbers, width)
        self.moves = nn.Linear(embedding_size + 3, width)
        self.field = nn.Linear(6 * embedding_size + 2 * _SIDE_NUMBERS + _FIELD_NUMBERS, width)
        self.kinds = nn.Parameter(torch.randn(NUM_TOKENS, width) * EMBEDDING_SCALE)

    def forward(self, obs: Mapping[str, Tensor]) -> Float[Tensor, "n 18 width"]:
        """Embed.

        Args:
            obs: Arrays of `observe.ARRAYS` with one leading axis `[n]`; `legal` is not read.
        """
        own, opponent, moves = obs["own"].long(), obs["opponent"].long(), obs["moves"].long()
        sides, field = obs["sides"].long(), obs["field"].long()
        generation = field[:, at.GENERATION].clamp(0, tables.NUM_GENERATIONS)
        from_own, from_opponent, from_moves = self._blows(own, opponent, moves, sides, generation)
        tokens = [
            self._field(sides, field)[:, None],
            self._mons(opponent, from_opponent, generation),
            self._mons(own, from_own, generation),
            self._moves(moves, from_moves, generation),
            torch.zeros_like(self.kinds[:1]).expand(len(own), 1, -1),
        ]
        embedded: Tensor = torch.cat(tokens, dim=1) + self.kinds
        return embedded

    def _blows(
        self, own: Tensor, opponent: Tensor, moves: Tensor, sides: Tensor, generation: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What can hit whom how hard: own team x opponents, opponents x own team, moves at hand x active opponent."""
        known = slice(at.MOVES, at.MOVES + at.NUM_MOVES)
        from_own = self.facts.blows(own, own[:, :, known], opponent, generation)
        from_opponent = self.facts.blows(opponent, opponent[:, :, known], own, generation)
        rows = torch.arange(len(own), device=own.device)
        active = sides[:, :, at.ACTIVE].clamp(0, at.TEAM_SIZE - 1)
        actor, target = own[rows, active[:, 0]][:, None], opponent[rows, active[:, 1]][:, None]
        at_hand = self.facts.blows(actor, moves[:, None, :, 0], target, generation)[:, 0, :, 0]
        return from_own.amax(2).log1p(), from_opponent.amax(2).log1p(), at_hand.log1p()

    def _mons(self, mons: Tensor, blows: Tensor, generation: Tensor) -> Tensor:
        by = generation[:, None]
        moves = mons[:, :, at.MOVES : at.MOVES + at.NUM_MOVES]
        known = self._move_vectors(moves, generation) * (moves > 0)[..., None]
        embedded: Tensor = self.mons(
            torch.cat(
                [
                    self.species(mons[:, :, at.SPECIES]),
                    self.items(mons[:, :, at.ITEM]),
                    self.items(mons[:, :, at.LOST_ITEM]),
                    self.abilities(mons[:, :, at.ABILITY]),
                    self.types(mons[:, :, at.TERA_TYPE]),
                    known.sum(2),
                    self.facts.species_facts[by, mons[:, :, at.SPECIES]],
                    bits(mons[:, :, at.FLAGS], _NUM_FLAGS),
                    one_hot(mons[:, :, at.GENDER], _NUM_GENDERS),
                    one_hot(mons[:, :, at.STATUS], len(at.STATUSES)),
                    mons[:, :, [at.HP_PERMILLE]] / 1000.0,
                    mons[:, :, [at.LEVEL]] / 100.0,
                    mons[:, :, [at.STATUS_TURNS]] / _MANY_TURNS,
                    blows,
                ],
                dim=-1,
            )
        )
        return embedded

    def _moves(self, moves: Tensor, blows: Tensor, generation: Tensor) -> Tensor:
        ids, spent = moves[:, :, 0], moves[:, :, 1]
        numbers = torch.stack([blows, spent / 16.0, (ids > 0).float()], dim=-1)
        embedded: Tensor = self.moves(torch.cat([self._move_vectors(ids, generation), numbers], dim=-1))
        return embedded

    def _move_vectors(self, ids: Tensor, generation: Tensor) -> Tensor:
        by = generation.reshape(-1, *[1] * (ids.ndim - 1))
        vectors: Tensor = self.move_names(ids) + self.move_facts(self.facts.move_facts[by, ids])
        return vectors

    def _field(self, sides: Tensor, field: Tensor) -> Tensor:
        last = [self.move_names(sides[:, side, column]) for side in (0, 1) for column in (at.LAST_MOVE, at.LOCKED_MOVE)]
        names = [self.weathers(field[:, at.WEATHER]), self.terrains(field[:, at.TERRAIN])]
        numbers = [side_numbers(sides[:, side]) for side in (0, 1)]
        embedded: Tensor = self.field(torch.cat([*last, *names, *numbers, field_numbers(field)], dim=-1))
        return embedded


def _embedding(count: int, size: int) -> nn.Embedding:
    table = nn.Embedding(count, size)
    nn.init.normal_(table.weight, std=EMBEDDING_SCALE)
    return table


_COUNTED = (
    at.NUM_FAINTED,
    at.TEAM_COUNT,
    at.DYNAMAX_TURNS,
    at.TURNS_ACTIVE,
    at.PROTECT_STREAK,
    at.PERISH,
    at.STOCKPILE,
    at.CONFUSION_TURNS,
    at.TAUNT_TURNS,
    at.ENCORE_TURNS,
    at.DISABLE_TURNS,
    at.LOCKED_TURNS,
    at.FALLEN,
    at.FUTURE_MOVE_TURNS,
    at.WISH_TURNS,
    *range(at.CONDITIONS, at.SIDE_WIDTH),
)
_NUM_BOOSTS = len(at.BOOST_NAMES)
_NUM_GIMMICKS = 5
_NUM_VOLATILES = at.VOLATILE_WORDS * at.WORD_BITS
_SIDE_NUMBERS = _NUM_BOOSTS + len(_COUNTED) + (at.TEAM_SIZE + 1) + 3 + _NUM_GIMMICKS + _NUM_VOLATILES + 1
_FIELD_COUNTED = (at.WEATHER_TURNS, at.TERRAIN_TURNS, *range(at.TRICK_ROOM, at.FAIRY_LOCK + 1))
_FIELD_NUMBERS = 1 + len(_FIELD_COUNTED) + _GENERATIONS + 3


def side_numbers(side: Tensor) -> Tensor:
    """Columns of one side, `[n, SIDE_WIDTH]`, as numbers of about -1 to 2."""
    volatiles = side[:, at.VOLATILES : at.VOLATILES + at.VOLATILE_WORDS]
    return torch.cat(
        [
            side[:, :_NUM_BOOSTS] / 6.0,
            side[:, list(_COUNTED)].clamp(max=2 * _MANY_TURNS) / _MANY_TURNS,
            one_hot(side[:, at.ACTIVE] + 1, at.TEAM_SIZE + 1),
            one_hot(side[:, at.MUST_SWITCH], 3),
            bits(side[:, at.GIMMICKS_USED], _NUM_GIMMICKS),
            bits(volatiles, at.WORD_BITS).flatten(1),
            (side[:, [at.MOVE_SOURCE]] > 0).float(),
        ],
        dim=-1,
    )


def field_numbers(field: Tensor) -> Tensor:
    """Columns of the field, `[n, FIELD_WIDTH]`, as numbers of about 0 to 2."""
    flags = field[:, [at.PHASE, at.PREVIEW, at.PERCENT]].float()
    turn = (field[:, [at.TURN]] / 50.0).clamp(max=4.0)
    lasting = field[:, list(_FIELD_COUNTED)].clamp(max=2 * _MANY_TURNS) / _MANY_TURNS
    return torch.cat([turn, lasting, one_hot(field[:, at.GENERATION], _GENERATIONS), flags], dim=-1)


def one_hot(ids: Tensor, count: int) -> Tensor:
    """`[...]` to float `[..., count]`; numbers beyond it give zeros."""
    return (ids[..., None] == torch.arange(count, device=ids.device)).float()


def bits(words: Tensor, count: int) -> Tensor:
    """`[...]` to float `[..., count]`, lowest bit first."""
    return ((words[..., None] >> torch.arange(count, device=words.device)) & 1).float()
