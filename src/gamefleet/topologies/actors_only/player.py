"""Playing with a fleet's settings and weights, without learning.

Job: make the games, the policy and the curriculum that the fleet's settings describe, play, and cut what was played
into chunks. Place in the data flow: merged weights -> here -> chunks. Left out: where weights come from and chunks go
(`actors_only`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.actors.actor import Actor, Moment
from gamefleet.actors.curricula import make_curriculum
from gamefleet.actors.pace import Pace
from gamefleet.actors.steps import Vector
from gamefleet.games.base import GamePackage
from gamefleet.topologies.build import (
    choose_device,
    compatibility,
    import_learning,
    intrinsic_weights,
    make_network,
    make_training_vector,
)
from gamefleet.topologies.config import RunConfig, make_config
from gamefleet.topologies.layers import merge
from gamefleet.topologies.shared_folder.recording import LabelledRecorder
from gamefleet.transport.folder import PlayedChunk
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.snapshot import Weights
from gamefleet.weights.versions import check_joins

if TYPE_CHECKING:
    from gamefleet.actors.policy import EpsilonGreedyPolicy


def settings_of(package: GamePackage, facts: SharedFacts, own: Mapping[str, Any]) -> RunConfig:
    """The fleet's settings with those of this machine on top.

    Args:
        package: The game.
        facts: What the fleet trains.
        own: Sections and values that are this machine's matter: number of games, device, paths.

    Raises:
        ConfigError: A setting is unknown here or has a bad value.
        IncompatibleError: This installation plays another game, sees other observations, pays other rewards, or has
            another network; names the first difference.
    """
    settings: dict[str, Any] = {}
    merge(settings, {name: value for name, value in facts.settings.items() if name != "collaboration"})
    merge(settings, own)
    config = make_config(package, settings)
    here = SharedFacts(
        fleet=facts.fleet,
        game_name=package.name,
        settings={},
        compatibility=compatibility(package, package.make_spec(config.game), config).as_json(),
        seed=facts.seed,
    )
    check_joins(facts, here, where="shared.json of the fleet")
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What one round gave.

    Args:
        moments: One per vector step.
        chunks: Those that became whole.
    """

    moments: tuple[Moment, ...]
    chunks: tuple[PlayedChunk, ...]


class Player:
    """Plays rounds; close it to end the games.

    Args:
        package: The game.
        config: Of `settings_of`; its seed is this member's own.
        chunk_steps: Steps of a chunk at most.
        log_folder: Where worker processes log.

    Raises:
        RomError: The game's data is missing.
        ConfigError: The device is not there.
    """

    def __init__(
        self, package: GamePackage, config: RunConfig, *, chunk_steps: int, log_folder: Path | None = None
    ) -> None:
        import_learning()
        vector = make_training_vector(package, config, log_folder=log_folder)
        with ExitStack() as on_error:
            on_error.callback(vector.close)
            self._policy, epsilons = _make_policy(package, config, vector)
            curriculum = make_curriculum(
                config.curriculum, spec=vector.spec, quests=package.quests, num_envs=vector.num_envs
            )
            seed = config.run.seed
            self.actor = Actor(vector=vector, policy=self._policy, curriculum=curriculum, seed=seed)
            self._recorder = LabelledRecorder(
                vector, chunk_steps=chunk_steps, epsilons=epsilons, version=lambda: self.version
            )
            on_error.pop_all()
        self._round_length = config.actors.refresh_every_steps
        self._pace = Pace(config.actors.max_steps_per_s, self.actor.total_steps)

    @property
    def version(self) -> int:
        """Of the weights that play."""
        return self._policy.version

    def refresh(self, weights: Weights) -> None:
        """Go on with other weights.

        Raises:
            IncompatibleError: They are of another network.
        """
        self._policy.refresh(weights.arrays, version=weights.version)

    @property
    def rest_s(self) -> float:
        """Seconds until the next round may be played; see `actors.max_steps_per_s`."""
        return self._pace.left_s()

    def play(self) -> Played:
        """Play one round with the present weights."""
        moments, chunks = [], []
        for _ in range(self._round_length):
            moment = self.actor.step()
            moments.append(moment)
            chunks += self._recorder.observe(moment)
        self._pace.note(self.actor.total_steps)
        return Played(moments=tuple(moments), chunks=tuple(chunks))

    def cut(self) -> list[PlayedChunk]:
        """The chunks in progress, ended where they are."""
        return self._recorder.cut()

    def close(self) -> None:
        """End the games."""
        self.actor.close()


def _make_policy(package: GamePackage, config: RunConfig, vector: Vector) -> tuple[EpsilonGreedyPolicy, Any]:
    from gamefleet.actors.policy import epsilon_ladder, network_policy

    actors = config.actors
    epsilons = epsilon_ladder(vector.num_envs, base=actors.epsilon_base, alpha=actors.epsilon_alpha)
    policy = network_policy(
        make_network(package, vector.spec, config),
        epsilons=epsilons,
        seed=config.run.seed,
        intrinsic_weights=intrinsic_weights(config),
        device=choose_device(actors.device),
        hears_intent=vector.spec.hears_intent,
    )
    return policy, epsilons
