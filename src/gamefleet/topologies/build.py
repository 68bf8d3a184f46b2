"""From settings to the parts of a run.

Job: make game vector, network, policy, learner, replay and curriculum as the settings say, each with its own random
stream. Place in the data flow: called once per attempt by `training`, and in part by evaluation. Left out: how the
parts work together (`solo`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gamefleet.actors.actor import Actor
from gamefleet.actors.curricula import make_curriculum
from gamefleet.actors.steps import Vector
from gamefleet.actors.vector import make_vector
from gamefleet.errors import ConfigError
from gamefleet.experience.replay import Replay
from gamefleet.games.base import GamePackage, GameSpec
from gamefleet.identity import derive_seed
from gamefleet.runs.manifest import Compatibility
from gamefleet.topologies.collector import out_of_the_collectors_way
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.solo import Schedule, Solo

if TYPE_CHECKING:
    from gamefleet.actors.mind import Mind
    from gamefleet.actors.policy import EpsilonGreedyPolicy


def build_solo(package: GamePackage, config: RunConfig, *, log_folder: Path | None = None) -> Solo:
    """Make the wiring of one machine.

    Args:
        package: The game.
        config: All settings.
        log_folder: Where worker processes log.

    Raises:
        ConfigError: Settings that do not fit together or the machine.
        RomError: The game's data is missing.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        starting = pool.submit(make_training_vector, package, config, log_folder=log_folder)
        try:
            import_learning()  # a second and a half, during which the games start in their processes
        except BaseException:
            starting.result().close()
            raise
        vector = starting.result()
    try:
        return _build_around(package, config, vector)
    except BaseException:
        vector.close()
        raise


def import_learning() -> None:
    """Import torch and what needs it, with one thread per side of a round unless the user says otherwise.

    The second core belongs to the other side, and the order of float additions then depends on the settings only.
    """
    with out_of_the_collectors_way():
        import torch

        import gamefleet.actors.policy
        import gamefleet.learners.value  # noqa: F401 - a part of what takes the time

    torch.set_num_threads(wished_threads(os.environ))


def wished_threads(environ: Mapping[str, str]) -> int:
    """Threads of a computation: what the user says in `OMP_NUM_THREADS`, else one."""
    wish = environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(wish) if wish.isdigit() and int(wish) > 0 else 1


def _build_around(package: GamePackage, config: RunConfig, vector: Vector) -> Solo:
    from gamefleet.actors.mind import NetworkMind

    device = choose_device(config.run.device)
    spec = vector.spec
    network = make_network(package, spec, config)
    learner = make_learner(package, spec, config, network, device)
    playing = choose_device(config.actors.device) if config.actors.device != "auto" else device
    mind = NetworkMind(network, intrinsic_weights=intrinsic_weights(config), device=playing)
    policy = make_policy(config, spec, mind)
    return Solo(
        actor=make_actor(package, config, vector, policy),
        policy=policy,
        replay=make_replay(spec, config, state_size=network.state_size),
        learner=learner,
        schedule=make_schedule(config),
    )


def make_policy(config: RunConfig, spec: GameSpec, mind: Mind) -> EpsilonGreedyPolicy:
    """Explores as the settings say, around what a mind thinks best."""
    from gamefleet.actors.policy import EpsilonGreedyPolicy, epsilon_ladder

    actors = config.actors
    return EpsilonGreedyPolicy(
        mind,
        epsilons=epsilon_ladder(actors.num_envs, base=actors.epsilon_base, alpha=actors.epsilon_alpha),
        num_actions=spec.num_actions,
        seed=config.run.seed,
        legal=spec.legal,
        hears_intent=spec.hears_intent,
    )


def make_actor(package: GamePackage, config: RunConfig, vector: Vector, policy: EpsilonGreedyPolicy) -> Actor:
    """Plays the games of a vector and records them."""
    num_envs = config.actors.num_envs
    curriculum = make_curriculum(config.curriculum, spec=vector.spec, quests=package.quests, num_envs=num_envs)
    return Actor(vector=vector, policy=policy, curriculum=curriculum, seed=config.run.seed)


def make_schedule(config: RunConfig) -> Schedule:
    """How playing and learning take turns."""
    return Schedule(
        round_length=config.actors.refresh_every_steps,
        replay_ratio=config.learner.replay_ratio,
        learning_starts_steps=config.learner.learning_starts_steps,
        batch_size=config.learner.batch_size,
        unroll=config.replay.unroll,
        updates_per_episode=(config.run.updates_per_iteration or 0) / config.run.games_per_iteration,
        max_replay_ratio=config.learner.max_replay_ratio,
    )


def make_training_vector(package: GamePackage, config: RunConfig, *, log_folder: Path | None = None) -> Vector:
    """The games that experience comes from."""
    actors = config.actors
    return make_vector(
        package,
        config.game,
        num_envs=actors.num_envs,
        num_workers=actors.num_workers,
        hang_timeout_s=actors.hang_timeout_s,
        max_restarts=actors.max_restarts,
        seed=config.run.seed,
        log_folder=log_folder,
    )


def make_network(package: GamePackage, spec: GameSpec, config: RunConfig) -> Any:
    """The Q-network with its initial weights, which depend on the run's seed only."""
    import torch

    from gamefleet.models.recurrent import RecurrentQNetwork

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.run.seed, purpose="network"))
        encoder = package.make_encoder(spec, config.network.encoder, "policy")
        return RecurrentQNetwork(
            encoder,
            num_actions=spec.num_actions,
            num_heads=num_heads(config),
            settings=config.network,
            legal=spec.legal,
        )


def make_learner(package: GamePackage, spec: GameSpec, config: RunConfig, network: Any, device: str) -> Any:
    """The learner, with curiosity when the settings ask for it."""
    from gamefleet.learners.curiosity import Curiosity
    from gamefleet.learners.value import ValueLearner

    curiosity = None
    if config.curiosity.enabled:
        embed = package.make_encoder(spec, {}, "novelty")
        seed = derive_seed(config.run.seed, purpose="curiosity")
        curiosity = Curiosity(embed, config.curiosity, seed=seed, device=device)
    return ValueLearner(
        network,
        config.learner,
        burn_in=config.replay.burn_in,
        curiosity=curiosity,
        device=device,
        augmentation=package.make_augmentation(config.game) if package.make_augmentation is not None else None,
        seed=derive_seed(config.run.seed, purpose="augmentation"),
    )


def make_replay(spec: GameSpec, config: RunConfig, *, state_size: int) -> Replay:
    """An empty replay for the game's observations."""
    return Replay(
        {array.name: (array.shape, array.dtype) for array in spec.observations},
        config.replay,
        num_streams=config.actors.num_envs,
        state_size=state_size,
        num_steps=config.learner.num_steps,
        seed=derive_seed(config.run.seed, purpose="replay"),
    )


def num_heads(config: RunConfig) -> int:
    """Heads of the Q-network: extrinsic, and intrinsic with curiosity."""
    return 2 if config.curiosity.enabled else 1


def intrinsic_weights(config: RunConfig) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Weight of the intrinsic head per environment."""
    return np.full(config.actors.num_envs, intrinsic_weight(config), np.float64)


def intrinsic_weight(config: RunConfig) -> float:
    """Weight of the intrinsic head; 0 without curiosity."""
    return config.curiosity.weight if config.curiosity.enabled else 0.0


def compatibility(package: GamePackage, spec: GameSpec, config: RunConfig) -> Compatibility:
    """What must be equal for weights and experience of two runs to be exchanged."""
    from gamefleet.models.settings import architecture_json

    return Compatibility(
        game=f"{spec.name} {spec.version}",
        observation=spec.observation_json(),
        reward=package.reward_json(config.game),
        architecture=architecture_json(config.network, num_actions=spec.num_actions, num_heads=num_heads(config)),
    )


def choose_device(wanted: str) -> str:
    """The device to compute on.

    Args:
        wanted: `auto` takes CUDA, then MPS, then the CPU; other values are checked.

    Raises:
        ConfigError: The device is not there.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return next(name for name, is_there in available.items() if is_there)
    if not available.get(wanted.partition(":")[0], False):
        names = ", ".join(name for name, is_there in available.items() if is_there)
        raise ConfigError(
            "This device is not available here", value=wanted, where="run.device", remedy=f"Choose auto or: {names}."
        )
    return wanted
