"""What a game is: specs, steps and the `Game` protocol.

Job: the types through which actors see every game. Place in the data flow: games produce `Step`s, actors record them.
Left out: vectorising, recording and learning; a game plays one environment in one process and knows nothing of them.

Time convention (the whole project): `action[t]` answers `obs[t]`; `reward[t]`, `terminated[t]`, `truncated[t]` are what
it caused. A `Step` therefore carries the reward of the action that led to it together with the observation after it.
Truncation (a time limit) bootstraps from the last observation, termination does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gamefleet.games.batch import BatchGame, StepRows
    from gamefleet.games.panel import Panel
    from gamefleet.games.recorded import RecordedGame
    from gamefleet.skills.world import SkillWorld

Observation = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """One named array of an observation.

    Args:
        name: Key in the observation.
        shape: Shape without batch axes.
        dtype: NumPy dtype name, for example `uint8`.
        low: Smallest value.
        high: Largest value.
        meaning: What it holds, with units, for the contract table of the game's README.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    low: float
    high: float
    meaning: str

    @property
    def num_bytes(self) -> int:
        """Size of one such array."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def as_json(self) -> dict[str, Any]:
        """What enters the compatibility hash: everything but the prose."""
        return {"shape": list(self.shape), "dtype": self.dtype, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True, kw_only=True)
class GameSpec:
    """Everything about a game that is the same for all its steps.

    Args:
        name: The game's key in the table of games.
        version: Changes when the meaning of observations, actions or rewards changes.
        observations: The named arrays, in a fixed order.
        actions: Action names; an action is an index into them.
        reward_terms: Names of the reward terms, in the order of `Step.terms`; the reward is their sum.
        milestones: Names of the milestones, in the order of `Step.milestones`, in the order of the story.
        max_episode_steps: Steps after which an episode is truncated.
        picture_shape: Height and width of the game's picture; None for a game that shows none (see `Rendered`).
        legal: Name of the observation with the legal actions, uint8 `[ceil(num_actions / 8)]`, packed as by
            `numpy.packbits`; empty when all are, always. Where an episode has ended no bit need be set.
        num_players: Players who take turns in one stream of steps; an observation is that of the player to move.
        hears_intent: Actions come with what would have been done without exploring; see `batch.with_intent`.
    """

    name: str
    version: str
    observations: tuple[ArraySpec, ...]
    actions: tuple[str, ...]
    reward_terms: tuple[str, ...]
    milestones: tuple[str, ...]
    max_episode_steps: int
    picture_shape: tuple[int, int] | None = None
    legal: str = ""
    num_players: int = 1
    hears_intent: bool = False

    @property
    def num_actions(self) -> int:
        """Number of actions."""
        return len(self.actions)

    def observation_json(self) -> dict[str, Any]:
        """The observation and action spec as plain JSON values, for the compatibility hash."""
        return {
            "arrays": {spec.name: spec.as_json() for spec in self.observations},
            "actions": list(self.actions),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one action caused, and the observation after it.

    Args:
        obs: The named arrays of `GameSpec.observations`. They may be views that the next step overwrites: copy to keep.
        terms: float32 `[num_reward_terms]`, the weighted reward terms; zeros after a reset.
        terminated: The game ended; the value of what follows is zero.
        truncated: The episode was cut (time limit); what follows would still have had value.
        milestones: bool `[num_milestones]`, all milestones reached in this episode, those of its start state included.
        cell: Coarse identity of the situation for state archives (Go-Explore), 64 bits.
        progress: How far the story is, comparable between agents of one game; larger is further.
    """

    obs: Observation
    terms: NDArray[np.float32]
    terminated: bool
    truncated: bool
    milestones: NDArray[np.bool_]
    cell: int
    progress: float

    @property
    def reward(self) -> float:
        """The sum of the terms."""
        return float(self.terms.sum())


class Game(Protocol):
    """One environment. Everything that shapes its future lies in `save_state`: emulator, counters, visited set, RNG."""

    spec: GameSpec

    def reset(self, seed: int) -> Step:
        """Start an episode at the game's beginning; the same seed and actions give the same steps."""
        ...

    def step(self, action: int) -> Step:
        """Apply one action; after a terminated or truncated step only `reset` and `restore_state` are allowed."""
        ...

    def save_state(self) -> bytes:
        """The whole state, at any moment, in a format that holds no code (no pickle)."""
        ...

    def restore_state(self, state: bytes, *, new_episode: bool) -> Step:
        """Go to a saved state.

        Args:
            state: What `save_state` returned, on any machine with the same game version.
            new_episode: True starts an episode here (step counter, visited set and reward accounts at zero; milestones
                of the state count as reached, so they pay nothing); False continues the saved episode exactly.

        Returns:
            The step as it was when the state was saved (`new_episode=False`: equal arrays), or the first step of the
            fresh episode.

        Raises:
            IncompatibleError: The bytes are not a state of this game version.
        """
        ...


class Rendered(Protocol):
    """A game that can show itself; its spec has a `picture_shape`."""

    def frame(self) -> NDArray[np.uint8]:
        """The present picture, uint8 `[height, width, 3]`, RGB."""
        ...


class Placed(Protocol):
    """A game whose player stands somewhere."""

    def spot(self) -> tuple[int, int, int]:
        """Where the player stands: the number of an area, and x and y in it; each fits int32."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagRow:
    """One line of a decoded flag table.

    Args:
        name: Of the flag.
        index: Its number in the game's array of flags, or None for one outside of it.
        value: 0 or 1, or a count.
        place: Where it is set.
        meaning: What it says when set.
    """

    name: str
    index: int | None
    value: int
    place: str
    meaning: str


class Flagged(Protocol):
    """A game whose memory holds named flags."""

    def describe_flags(self) -> tuple[FlagRow, ...]:
        """Every flag with its present value, for people."""
        ...


class ScriptedPlayer(Protocol):
    """A hand-written player for baselines and tests."""

    def act(self) -> int:
        """The next action for the game that it was made for."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Quest:
    """One stretch of the story: from its prerequisites to one milestone.

    Args:
        name: Unique name.
        goal: The milestone that ends it.
        requires: Names of the quests that come before it; together the quests form a directed acyclic graph.
    """

    name: str
    goal: str
    requires: tuple[str, ...] = ()


class Augmentation(Protocol):
    """Turns experience into experience that could as well have been made."""

    def __call__(
        self, obs: Observation, action: NDArray[np.int16], rng: np.random.Generator
    ) -> tuple[Observation, NDArray[np.int16]]:
        """Change each sequence by a symmetry drawn for it.

        Args:
            obs: Named arrays `[batch, time, ...]`; left as they are.
            action: int16 `[batch, time]`, -1 for none; left as it is.
            rng: Draws the symmetries.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GamePackage:
    """What a game's folder offers to the rest: data and functions, nothing to inherit from.

    Args:
        name: The game's key.
        module: Import path of the module that holds this object as `PACKAGE`, for workers.
        config_type: Frozen dataclass of the game's settings, all with defaults.
        make_game: `(config) -> Game`; heavy libraries are imported inside.
        make_encoder: `(spec, settings, purpose) -> torch.nn.Module` with `output_size: int`, mapping a dict of arrays
            `[batch, ...]` to features `[batch, output_size]`; `purpose` is `policy` or `novelty`. Typed loosely because
            games must not need torch to be played. When it has `make_heads(num_heads) -> torch.nn.Module`, that maps
            features to action values `[..., heads, actions]` in place of the ordinary heads.
        reward_json: `(config) -> dict`, the reward settings that enter the compatibility hash.
        make_spec: `(config) -> GameSpec`, that of the game that `make_game` would make.
        make_scripted: `(game) -> ScriptedPlayer`, or None when there is none.
        quests: The story for quest curricula; may be empty.
        panels: Pages of its own on the dashboard.
        make_batch: `(config, rows) -> BatchGame`, used where many games are played, or None.
        defaults: `(config) -> {section: {setting: value}}`, settings that suit this game, below those of any file.
        make_augmentation: `(config) -> Augmentation` for `learner.augment`, or None.
        recorded: What there is to learn from without playing, or None; see `recorded`.
        skills: `(variant) -> SkillWorld`, where skills that build on skills are trained, or None; see `skills.world`.
        evaluation_epsilon: Chance of a random action in evaluation; 0.05 (Mnih et al. 2015) where greed may circle.
    """

    name: str
    module: str
    config_type: type[Any]
    make_game: Callable[[Any], Game]
    make_encoder: Callable[[GameSpec, Mapping[str, Any], str], Any]
    reward_json: Callable[[Any], dict[str, Any]]
    make_spec: Callable[[Any], GameSpec]
    make_scripted: Callable[[Game], ScriptedPlayer] | None = None
    quests: tuple[Quest, ...] = field(default=())
    panels: tuple[Panel, ...] = field(default=())
    make_batch: Callable[[Any, StepRows], BatchGame] | None = None
    defaults: Callable[[Any], Mapping[str, Mapping[str, Any]]] | None = None
    make_augmentation: Callable[[Any], Augmentation] | None = None
    recorded: RecordedGame | None = None
    skills: Callable[[str], SkillWorld] | None = None
    evaluation_epsilon: float = 0.05
