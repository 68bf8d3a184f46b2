"""Settings of playing and of where episodes start, free of torch so that `config show` starts fast.

Job: what a user may choose about actors and curricula. Place in the data flow: sections `actors` and `curriculum` of
`RunConfig`. Left out: what the game itself offers (its own config) and how much is learned per step (the learner).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from gamefleet.errors import ConfigError, nearest

CurriculumKind = Literal["none", "swarm", "archive", "quests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorSettings:
    """How games are played for training.

    Args:
        num_envs: Games played at the same time.
        num_workers: Processes that share the games; `auto` takes the CPUs that this process may use, 0 plays in this
            process (deterministic too, but a crash of the game ends the run).
        epsilon_base: Exploration of the most careful game; see `policy.epsilon_ladder`.
        epsilon_alpha: How much less the other games explore; see `policy.epsilon_ladder`.
        refresh_every_steps: Vector steps with one set of weights (the length of a round); the lag is at most this.
        hang_timeout_s: A worker that has not answered for so long is killed and restarted.
        max_restarts: Worker restarts before the run gives up.
        device: Where the policy runs: `auto` (an accelerator when there is one), `cpu`, `cuda`, `cuda:1`.
        max_steps_per_s: No more steps per second than this, over all games, and with them no more learning: what is
            left of the machine is its owner's. Null for no limit.
    """

    num_envs: int = 8
    num_workers: int | Literal["auto"] = "auto"
    epsilon_base: float = 0.4
    epsilon_alpha: float = 7.0
    refresh_every_steps: int = 16
    hang_timeout_s: float = 60.0
    max_restarts: int = 20
    device: str = "auto"
    max_steps_per_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that no actor can work with.

        Raises:
            ConfigError: A number is out of its range.
        """
        workers = 0 if self.num_workers == "auto" else self.num_workers
        _check("actors.num_envs", self.num_envs, at_least=1)
        _check("actors.num_workers", workers, at_least=0)
        _check("actors.epsilon_base", self.epsilon_base, at_least=0.0, at_most=1.0)
        _check("actors.epsilon_alpha", self.epsilon_alpha, at_least=0.0)
        _check("actors.refresh_every_steps", self.refresh_every_steps, at_least=1)
        _check("actors.hang_timeout_s", self.hang_timeout_s, at_least=0.1)
        _check("actors.max_restarts", self.max_restarts, at_least=0)
        if self.max_steps_per_s is not None:
            _check("actors.max_steps_per_s", self.max_steps_per_s, at_least=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurriculumSettings:
    """Where training episodes start; evaluation always starts at the true beginning.

    Args:
        kind: `none`: at the beginning; `swarm`: at the furthest milestone; `archive`: at rarely visited saved states
            (Go-Explore); `quests`: where the next stretch of the story can be learned (Thompson sampling).
        start_fraction: Share of the episodes that start at the true beginning whatever the kind says, 0 to 1.
        max_states: Saved states that are kept.
        states_per_quest: Saved states per quest goal (`quests` only).
        memory_episodes: Attempts after which an old attempt counts half (`quests` only): agents learn and forget.
    """

    kind: CurriculumKind = "archive"
    start_fraction: float = 0.25
    max_states: int = 200
    states_per_quest: int = 3
    memory_episodes: float = 30.0

    def __post_init__(self) -> None:
        """Refuse unknown kinds and numbers out of range.

        Raises:
            ConfigError: An unknown kind or a number out of its range.
        """
        if self.kind not in get_args(CurriculumKind):
            remedy = nearest(str(self.kind), get_args(CurriculumKind))
            raise ConfigError("Unknown curriculum", value=self.kind, where="curriculum.kind", remedy=remedy)
        _check("curriculum.start_fraction", self.start_fraction, at_least=0.0, at_most=1.0)
        _check("curriculum.max_states", self.max_states, at_least=1)
        _check("curriculum.states_per_quest", self.states_per_quest, at_least=1)
        _check("curriculum.memory_episodes", self.memory_episodes, at_least=1.0)


def _check(name: str, value: float, *, at_least: float, at_most: float = float("inf")) -> None:
    if not at_least <= value <= at_most:
        bounds = f"at least {at_least:g}" if at_most == float("inf") else f"between {at_least:g} and {at_most:g}"
        raise ConfigError("A number is out of its range", value=value, where=name, remedy=f"Choose {bounds}.")
