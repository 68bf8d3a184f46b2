"""Pokémon Showdown: battles from recorded logs and from a real simulator.

Job: offer the game as a `GamePackage`. Place in the data flow: found through the table of games. Left out: everything
heavy; torch and the simulator are met by the functions below when they are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.games.base import Game, GamePackage, GameSpec, Observation, ScriptedPlayer
from gamefleet.games.panel import Panel
from gamefleet.games.recorded import Contestant, Matches, MatchGame, MatchOrder, Record, RecordedGame
from gamefleet.games.showdown.config import ShowdownConfig
from gamefleet.games.showdown.observe import ACTIONS, ARRAYS

if TYPE_CHECKING:
    from torch import nn

    from gamefleet.games.batch import BatchGame, StepRows

REPLAYS = "gamefleet.games.showdown.replays.records"
VERSION = "showdown-2"
CORPUS = Path(__file__).with_name("corpus")
SCRIPTED = ("random", "poke-env-random", "poke-env-max-power", "max-damage", "poke-env-heuristics", "heuristic")
FORMATS = ("gen1randombattle", "gen9randombattle", "gen1ou", "gen9ou")
SIZES = ("tiny", "15M", "50M", "200M")


def _make_game(config: ShowdownConfig) -> Game:
    from gamefleet.games.showdown.game import make_game

    return make_game(config)


def _make_batch(config: ShowdownConfig, rows: StepRows) -> BatchGame:
    from gamefleet.games.showdown.game import make_batch

    return make_batch(config, rows)


def _make_scripted(game: Game) -> ScriptedPlayer:
    from gamefleet.games.showdown.game import make_scripted

    return make_scripted(game)


def _battle_data(config: ShowdownConfig) -> dict[str, Any]:
    from gamefleet.games.showdown.panel import battle_data

    return battle_data(config)


def _describe(config: ShowdownConfig, observations: Sequence[Observation]) -> dict[str, Any]:
    from gamefleet.games.showdown.panel import describe

    return describe(config, observations)


def _make_spec(config: ShowdownConfig) -> GameSpec:
    from gamefleet.games.showdown.game import make_spec

    return make_spec(config)


def _make_encoder(spec: GameSpec, settings: Mapping[str, Any], purpose: str) -> nn.Module:
    from gamefleet.games.showdown.model import make_encoder

    return make_encoder(spec, settings, purpose)


def _reward_json(config: ShowdownConfig) -> dict[str, Any]:
    from gamefleet.games.showdown.reward import reward_json

    return reward_json(config)


def _make_network(settings: Mapping[str, Any]) -> nn.Module:
    from gamefleet.games.showdown.model import make_network

    return make_network(settings)


def _mock(count: int, seed: int) -> Iterator[Record]:
    from gamefleet.games.showdown.replays.mock import mock_records

    return mock_records(count, seed)


def _embedded_records() -> Iterator[Record]:
    from gamefleet.games.showdown.replays.records import records_in

    return records_in(CORPUS)


def _describe_record(data: bytes, network: Any, device: str) -> dict[str, Any]:
    from gamefleet.games.showdown.opinions import describe_record

    return describe_record(data, network, device)


def _play(first: Contestant, second: Contestant, order: MatchOrder) -> Iterator[MatchGame]:
    from gamefleet.games.showdown.contest import play

    return play(first, second, order)


def _check_format(name: str) -> None:
    from gamefleet.games.showdown.contest import check_format

    check_format(name)


RECORDED = RecordedGame(
    version=VERSION,
    num_views=2,
    arrays=ARRAYS,
    actions=ACTIONS,
    legal="legal",
    parse=f"{REPLAYS}:parse_raw",
    read_view=f"{REPLAYS}:read_view",
    make_network=_make_network,
    sizes=SIZES,
    embedded=CORPUS,
    embedded_records=_embedded_records,
    mock=_mock,
    describe=_describe_record,
    matches=Matches(scripted=SCRIPTED, formats=FORMATS, play=_play, check_format=_check_format),
)

BATTLE = Panel(
    name="battle",
    title="Battle",
    script=Path(__file__).with_name("panel.js"),
    data=_battle_data,
    describe=_describe,
)

PACKAGE = GamePackage(
    name="showdown",
    module="gamefleet.games.showdown",
    config_type=ShowdownConfig,
    make_game=_make_game,
    make_encoder=_make_encoder,
    reward_json=_reward_json,
    make_spec=_make_spec,
    make_scripted=_make_scripted,
    make_batch=_make_batch,
    panels=(BATTLE,),
    recorded=RECORDED,
    evaluation_epsilon=0.0,
)
