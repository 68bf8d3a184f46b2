"""Hanabi: a card game in which all players win together, and see every hand but their own.

Job: offer the game as a `GamePackage`. Place in the data flow: found through the table of games. Left out: everything
heavy; torch is imported by the functions below when they are called.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.games.base import Game, GamePackage, GameSpec, Observation, ScriptedPlayer
from gamefleet.games.hanabi.config import HanabiConfig
from gamefleet.games.panel import Panel

if TYPE_CHECKING:
    from torch import nn

    from gamefleet.games.base import Augmentation
    from gamefleet.games.batch import BatchGame, StepRows


def _make_game(config: HanabiConfig) -> Game:
    from gamefleet.games.hanabi.game import make_game

    return make_game(config)


def _make_batch(config: HanabiConfig, rows: StepRows) -> BatchGame:
    from gamefleet.games.hanabi.game import make_batch

    return make_batch(config, rows)


def _make_spec(config: HanabiConfig) -> GameSpec:
    from gamefleet.games.hanabi.game import make_spec

    return make_spec(config)


def _make_encoder(spec: GameSpec, settings: Mapping[str, Any], purpose: str) -> nn.Module:
    from gamefleet.games.hanabi.model import make_encoder

    return make_encoder(spec, settings, purpose)


def _make_augmentation(config: HanabiConfig) -> Augmentation:
    from gamefleet.games.hanabi.augment import make_augmentation

    return make_augmentation(config)


def _make_scripted(game: Game) -> ScriptedPlayer:
    from gamefleet.games.hanabi.scripted import make_scripted

    return make_scripted(game)


def _reward_json(config: HanabiConfig) -> dict[str, Any]:
    from gamefleet.games.hanabi.reward import reward_json

    return reward_json(config)


def _defaults(config: HanabiConfig) -> Mapping[str, Mapping[str, Any]]:
    from gamefleet.games.hanabi.model_settings import defaults

    return defaults(config)


def _table_data(config: HanabiConfig) -> dict[str, Any]:
    from gamefleet.games.hanabi.panel import table_data

    return table_data(config)


def _describe(config: HanabiConfig, observations: Sequence[Observation]) -> dict[str, Any]:
    from gamefleet.games.hanabi.panel import describe

    return describe(config, observations)


_TABLE = Panel(
    name="table",
    title="Table",
    script=Path(__file__).with_name("panel.js"),
    data=_table_data,
    describe=_describe,
)

PACKAGE = GamePackage(
    name="hanabi",
    module="gamefleet.games.hanabi",
    config_type=HanabiConfig,
    make_game=_make_game,
    make_encoder=_make_encoder,
    reward_json=_reward_json,
    make_spec=_make_spec,
    make_scripted=_make_scripted,
    panels=(_TABLE,),
    make_batch=_make_batch,
    defaults=_defaults,
    make_augmentation=_make_augmentation,
    evaluation_epsilon=0.0,
)
