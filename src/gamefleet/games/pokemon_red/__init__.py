"""Pokémon Red, and a cartridge of our own that keeps its state at the same addresses.

Job: offer the game as a `GamePackage`. Place in the data flow: found through the table of games. Left out: everything
heavy; emulator and torch are imported by the functions below when they are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.games.base import Game, GamePackage, GameSpec, ScriptedPlayer
from gamefleet.games.panel import Panel
from gamefleet.games.pokemon_red.config import PokemonRedConfig
from gamefleet.games.pokemon_red.milestones import quests
from gamefleet.games.pokemon_red.reward import reward_json

if TYPE_CHECKING:
    from torch import nn


def _make_game(config: PokemonRedConfig) -> Game:
    from gamefleet.games.pokemon_red.game import make_game

    return make_game(config)


def _make_spec(config: PokemonRedConfig) -> GameSpec:
    from gamefleet.games.pokemon_red.game import make_spec

    return make_spec(config)


def _make_encoder(spec: GameSpec, settings: Mapping[str, Any], purpose: str) -> nn.Module:
    from gamefleet.games.pokemon_red.model import make_encoder

    return make_encoder(spec, settings, purpose)


def _make_scripted(game: Game) -> ScriptedPlayer:
    from gamefleet.games.pokemon_red.scripted_player import make_scripted

    return make_scripted(game)


def _map_data(config: PokemonRedConfig) -> dict[str, Any]:
    from gamefleet.games.pokemon_red.panel import map_data

    return map_data(config)


def _reward_json(config: PokemonRedConfig) -> dict[str, Any]:
    return reward_json(config.rewards)


PACKAGE = GamePackage(
    name="pokemon_red",
    module="gamefleet.games.pokemon_red",
    config_type=PokemonRedConfig,
    make_game=_make_game,
    make_encoder=_make_encoder,
    reward_json=_reward_json,
    make_spec=_make_spec,
    make_scripted=_make_scripted,
    quests=quests(),
    panels=(Panel(name="map", title="Map", script=Path(__file__).with_name("panel.js"), data=_map_data),),
)
