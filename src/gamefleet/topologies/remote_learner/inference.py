"""Where the best actions are chosen: at the learner, or here with weights that are fetched.

Job: decide by the settings, or by measuring both ways over the line as it is. Place in the data flow: asked once per
attempt by `coordinator`. Left out: the two ways themselves (`mind`, `actors.mind`).

Asking costs a round trip per step and nothing else; choosing here costs a forward pass of this machine per step and the
weights once per round. So a fast line and a slow machine speak for asking, a slow line and a small network against it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gamefleet.actors.mind import Mind, NetworkMind, Situation
from gamefleet.games.base import GameSpec
from gamefleet.topologies.build import choose_device, intrinsic_weights
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.remote_learner import messages as say
from gamefleet.topologies.remote_learner.client import LearnerClient
from gamefleet.topologies.remote_learner.mind import RemoteMind
from gamefleet.transport.link import Stream

TRIES = 5
"""Measurements of each way; the median counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """Where both sides go on.

    Args:
        step: Of the joint checkpoint; -1 for a beginning.
        updates: Made by then.
        version: Of the weights there, about which questions may be asked.
        state_size: Numbers in a recurrent state.
        device: Of the learner.
    """

    step: int
    updates: int
    version: int
    state_size: int
    device: str


def choose_mind(
    network: Any, spec: GameSpec, config: RunConfig, client: LearnerClient, agreed: Agreed
) -> tuple[Mind, str]:
    """Decide as `remote.inference` says.

    Args:
        network: For choosing here; its weights are of no matter.
        spec: Of the game.
        config: All settings.
        client: To the learner.
        agreed: Where both sides go on.

    Returns:
        Who chooses the best actions, and a sentence about it.
    """
    remote = RemoteMind(
        client, state_size=agreed.state_size, num_envs=config.actors.num_envs, groups=config.remote.groups
    )
    remote.refresh({}, version=agreed.version)
    at_learner = f"the learner at {client.where} chooses the actions, on {agreed.device}"
    if config.remote.inference == "learner":
        return remote, at_learner
    device = choose_device(config.actors.device)
    local = NetworkMind(network, intrinsic_weights=intrinsic_weights(config), device=device)
    here = f"the actions are chosen here, on {device}, with weights of the learner at {client.where}"
    if config.remote.inference == "actor":
        return local, here
    situation = _blank(spec, config.actors.num_envs, agreed.state_size)
    length = config.actors.refresh_every_steps
    there_s = length * _seconds(lambda: remote.greedy(situation))
    here_s = length * _seconds(lambda: local.greedy(situation)) + _seconds(lambda: _fetch(client, config))
    measured = f"(measured per round of {length} steps: {there_s:.3f} s there, {here_s:.3f} s here)"
    return (remote, f"{at_learner} {measured}") if there_s <= here_s else (local, f"{here} {measured}")


def _blank(spec: GameSpec, num_envs: int, state_size: int) -> Situation:
    return Situation(
        obs={array.name: np.zeros((num_envs, *array.shape), array.dtype) for array in spec.observations},
        previous_action=np.full(num_envs, -1, np.int16),
        reward=np.zeros(num_envs, np.float32),
        is_first=np.ones(num_envs, np.bool_),
        state=np.zeros((num_envs, state_size), np.float32),
    )


def _fetch(client: LearnerClient, config: RunConfig) -> None:
    """Fetch weights once, as at the end of a round."""
    client.send(say.PROBE, {"weights": config.remote.weights})
    client.wait(Stream.WEIGHTS)


def _seconds(act: Callable[[], Any]) -> float:
    """Median time of an action, the first of which is not counted."""
    act()
    taken = []
    for _ in range(TRIES):
        started = time.perf_counter()
        act()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))
