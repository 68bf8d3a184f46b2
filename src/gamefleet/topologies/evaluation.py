"""Who plays how well: checkpoints, random and scripted players over the same seeds.

Job: turn a player's name into a policy and let it play, for `gamefleet evaluate` and `gamefleet rollout`. Place in the
data flow: checkpoint -> network -> `actors.evaluate`. Left out: printing, and the statistics (`actors.compare`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from gamefleet.actors.evaluate import EpisodeResult, ScriptedPolicy, evaluate
from gamefleet.actors.policy import Policy, network_policy, random_policy
from gamefleet.actors.steps import Vector
from gamefleet.actors.vector import InlineVector, make_vector
from gamefleet.errors import ConfigError
from gamefleet.games import GAMES, open_game
from gamefleet.games.base import GamePackage
from gamefleet.runs.checkpoint_reading import open_checkpoint, read_found
from gamefleet.runs.folder import read_resolved
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.build import choose_device, compatibility, make_network
from gamefleet.topologies.config import GAME_NAME, RunConfig, make_config

RANDOM = "random"
SCRIPTED = "scripted"
SINGLES, BATCH = 16, 256
"""Games that are played at the same time: more fill a batch better, and cost memory."""

FIRST_EVALUATION_SEED = 1_000_000
"""Evaluation seeds start here, far from the seeds of training episodes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """Someone who can play a game.

    Args:
        name: For tables: `random`, `scripted`, or the checkpoint as it was named.
        checkpoint: Folder of the checkpoint, None for the other two.
        package: The game.
        config: The settings that it plays under.
        network: With the checkpoint's weights, None for the other two.
    """

    name: str
    checkpoint: Path | None
    package: GamePackage
    config: RunConfig
    network: Any = None


def load_player(name: str, *, game: str | None = None, config: RunConfig | None = None) -> Player:
    """Find a player by name.

    Args:
        name: `random`, `scripted`, or a run folder or checkpoint folder.
        game: The game of `random` and `scripted`; a checkpoint must be of it when it is given.
        config: Settings to play under; a checkpoint's own when None.

    Raises:
        ConfigError: The game is missing, another one, or has no scripted player.
        CheckpointError: There is no checkpoint, or it does not fit.
    """
    if name not in (RANDOM, SCRIPTED):
        return read_found(Path(name), lambda folder: _load_checkpoint(folder, name, game, config))
    if config is None or game is None:
        raise ConfigError("This player needs a game", value=name, remedy=f"Name the game: {', '.join(GAMES)}.")
    package = open_game(game)
    if name == SCRIPTED and package.make_scripted is None:
        raise ConfigError("This game has no scripted player", value=game, remedy="Use random or a checkpoint.")
    return Player(name=name, checkpoint=None, package=package, config=config)


def _load_checkpoint(folder: Path, name: str, game: str | None, config: RunConfig | None) -> Player:
    resolved = read_resolved(RunPaths(folder.parent.parent))
    if open_game(resolved[GAME_NAME]).recorded is not None:
        raise ConfigError(
            f"The run has learned {resolved[GAME_NAME]} from records, and plays matches only",
            value=name,
            remedy="Rate it with `gamefleet ladder run`, or play against it with `gamefleet play --against`.",
        )
    own = make_config(open_game(resolved[GAME_NAME]), resolved)
    if game is not None and open_game(game).name != own.game_name:
        raise ConfigError(
            f"The checkpoint plays {own.game_name}", value=game, where=folder, remedy="Name that game instead."
        )
    package = open_game(own.game_name)
    chosen = own if config is None else replace(own, game=config.game)
    spec = package.make_game(chosen.game).spec
    network = make_network(package, spec, chosen)
    checkpoint = open_checkpoint(folder, compatibility=compatibility(package, spec, chosen))
    load_weights(network, checkpoint.part("model"))
    return Player(name=name, checkpoint=folder, package=package, config=chosen, network=network)


def load_weights(network: Any, arrays: Mapping[str, Any]) -> None:
    """Put a checkpoint's arrays into a network of the same architecture."""
    import torch

    network.load_state_dict({name: torch.as_tensor(np.asarray(array)) for name, array in arrays.items()})


def make_policy(player: Player, vector: Vector, *, seed: int, epsilon: float | None = None) -> Policy:
    """The policy of a player for the games of a vector.

    Args:
        player: Who plays.
        vector: The games; a scripted player needs them in this process.
        seed: Of its random choices.
        epsilon: Chance of a random action of a network; the game's own (`evaluation_epsilon`) when None.
    """
    if player.network is not None:
        epsilons = np.full(vector.num_envs, player.package.evaluation_epsilon if epsilon is None else epsilon)
        device = choose_device(player.config.run.device)
        hears_intent = vector.spec.hears_intent
        return network_policy(player.network, epsilons=epsilons, seed=seed, device=device, hears_intent=hears_intent)
    if player.name == RANDOM:
        return random_policy(vector, seed=seed)
    make_scripted = player.package.make_scripted
    assert isinstance(vector, InlineVector)
    assert make_scripted is not None
    return ScriptedPolicy([partial(make_scripted, game) for game in vector.games])


@contextmanager
def evaluation_vector(player: Player, *, num_envs: int, max_steps: int) -> Iterator[Vector]:
    """Games whose episodes last long enough; in this process for a scripted player, who reads their memory."""
    game = replace(player.config.game, max_episode_steps=max_steps)
    vector = make_vector(
        player.package,
        game,
        num_envs=num_envs,
        num_workers=player.config.actors.num_workers,
        one_by_one=player.name == SCRIPTED,
    )
    try:
        yield vector
    finally:
        vector.close()


def play_seeds(
    player: Player, *, seeds: Sequence[int], max_steps: int, epsilon: float | None = None
) -> list[EpisodeResult]:
    """Let a player play every seed once from the game's beginning.

    Args:
        player: Who plays.
        seeds: Of the episodes.
        max_steps: Episodes are cut after so many steps.
        epsilon: Chance of a random action of a network; the game's own (`evaluation_epsilon`) when None.

    Returns:
        One result per seed, in order.
    """
    import torch

    torch.set_num_threads(1)
    most = SINGLES if player.package.make_batch is None else BATCH
    with evaluation_vector(player, num_envs=min(len(seeds), most), max_steps=max_steps) as vector:
        policy = make_policy(player, vector, seed=seeds[0], epsilon=epsilon)
        return evaluate(vector, policy, seeds=seeds, max_steps=max_steps)


def evaluation_seeds(count: int) -> list[int]:
    """The fixed seeds on which players are compared."""
    return list(range(FIRST_EVALUATION_SEED, FIRST_EVALUATION_SEED + count))
