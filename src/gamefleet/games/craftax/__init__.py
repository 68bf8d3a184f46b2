"""Craftax and Craftax-Classic: gather, craft and survive in an open world.

Job: offer the game as a `GamePackage`. Place in the data flow: found through the table of games. Left out: everything
heavy; JAX and torch are imported by the functions below when they are called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gamefleet.games.base import Game, GamePackage, GameSpec
from gamefleet.games.craftax.config import CraftaxConfig

if TYPE_CHECKING:
    from torch import nn

    from gamefleet.skills.world import SkillWorld


def _make_game(config: CraftaxConfig) -> Game:
    from gamefleet.games.craftax.game import make_game

    return make_game(config)


def _make_spec(config: CraftaxConfig) -> GameSpec:
    from gamefleet.games.craftax.game import make_spec

    return make_spec(config)


def _make_encoder(spec: GameSpec, settings: Mapping[str, Any], purpose: str) -> nn.Module:
    from gamefleet.games.craftax.model import make_encoder

    return make_encoder(spec, settings, purpose)


def _reward_json(config: CraftaxConfig) -> dict[str, Any]:
    from gamefleet.games.craftax.reward import reward_json

    return reward_json(config)


def _skills(variant: str) -> SkillWorld:
    from gamefleet.games.craftax.worlds import skill_world

    return skill_world(variant)


PACKAGE = GamePackage(
    name="craftax",
    module="gamefleet.games.craftax",
    config_type=CraftaxConfig,
    make_game=_make_game,
    make_encoder=_make_encoder,
    reward_json=_reward_json,
    make_spec=_make_spec,
    skills=_skills,
)
