"""What a world looks like to skills: named numbers, actions, facts, and states to try expressions on.

Job: the one description that verification, dependencies, proposers and trainers share. Place in the data flow: a game
(or a toy of `gamefleet.testing`) makes a `SkillWorld`; everything about skills reads it. Left out: playing; a trainer
does, with `jax_world` or in its own way.

Axes: num: states; features: the world's features, in the order of `SkillWorld.features`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import ConfigError, nearest
from gamefleet.skills.training import SkillTrainer

States = NDArray[np.float32]
"""float32[num, features]: what is known of `num` states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One named number of a state.

    Args:
        name: As expressions and skills write it.
        low: The smallest value it takes.
        high: The largest value it takes; for things that are carried, how many fit.
        meaning: One line for people and for models that propose skills.
        is_bit: Whether it is only ever 0 or 1.
    """

    name: str
    low: float
    high: float
    meaning: str
    is_bit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One thing that can be done in a world, as a row of its achievement table.

    Args:
        name: What is achieved, for example `Place_Table`.
        requires: Features that must be at least this before (conditions that stay as they are, such as a tool).
        consumes: Features that get smaller, and by how much; what is consumed must be there before, too.
        gain: Features that are at least this afterwards, for one execution.
        gives: How much of which feature one execution adds; empty where it only sets a bit.
        how: Where and how, one line for people and for models.
        is_verified: Whether its prerequisites were checked by running the world.
    """

    name: str
    requires: Mapping[str, float]
    consumes: Mapping[str, float]
    gain: Mapping[str, float]
    gives: Mapping[str, float]
    how: str
    is_verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillWorld:
    """A world in which skills are trained.

    Args:
        name: As users name it (`--env_name`).
        features: The named numbers of a state, in the order of the last axis of every state array.
        actions: The names of its actions.
        start: Features of a fresh world that are the same in every one; a feature that is left out varies.
        facts: What can be done here; the embedded proposer walks it.
        random_pairs: Called with (seed, num): `(now, before)` of steps that may happen, played or made up from the
            facts, each float32[num, features].
        start_features: Called with (seed, num): float32[num, features] of fresh worlds.
        make_trainer: Makes the trainer of this world; None where the JAX learner trains on `jax_world()`.
        trainer_settings: What that trainer understands among a task's settings.
        jax_world: Makes the compiled world; None where there is none.
        packages: Python packages that the compiled world needs beside JAX.
        install: How people get JAX and them, one sentence; empty where JAX alone is enough.
        random_play: Called with (seed, num, num_steps): float32[num_steps + 1, num, features] of random play from fresh
            worlds; a world that ended stays as it was. None where that takes too long to be done before training.
    """

    name: str
    features: tuple[Feature, ...]
    actions: tuple[str, ...]
    start: Mapping[str, float]
    facts: tuple[Fact, ...]
    random_pairs: Callable[[int, int], tuple[States, States]]
    start_features: Callable[[int, int], States]
    make_trainer: Callable[..., SkillTrainer] | None = None
    trainer_settings: tuple[str, ...] = ()
    jax_world: Callable[[], Any] | None = None
    packages: tuple[str, ...] = ()
    install: str = ""
    random_play: Callable[[int, int, int], States] | None = None
    _columns: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        columns = {feature.name: column for column, feature in enumerate(self.features)}
        if len(columns) != len(self.features):
            raise ConfigError("Two features of a world have the same name", where=self.name)
        object.__setattr__(self, "_columns", columns)

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, in the order of the last axis of every state array."""
        return tuple(self._columns)

    def column(self, name: str) -> int:
        """Where a feature is in a state array.

        Raises:
            ConfigError: There is no such feature.
        """
        if name not in self._columns:
            raise ConfigError("Unknown feature", value=name, where=self.name, remedy=nearest(name, self._columns))
        return self._columns[name]

    def feature(self, name: str) -> Feature:
        """The feature of that name; raises as `column` does."""
        return self.features[self.column(name)]

    def feature_hash(self) -> str:
        """32 hex digits over the features' names and ranges, in order: experts of another table do not fit."""
        rows = [[row.name, row.low, row.high, row.is_bit] for row in self.features]
        return hashlib.blake2b(json.dumps(rows).encode(), digest_size=16).hexdigest()


def load_named(path: str, what: str) -> Any:
    """What a `module:attribute` names; for plug-ins that a user points at.

    Args:
        path: For example `gamefleet.testing.crafting:WORLD`.
        what: What it should be, for the error.

    Raises:
        ConfigError: It is not of that form, or there is no such module or attribute.
    """
    module, _, attribute = path.partition(":")
    form = "Write module:attribute, for example gamefleet.testing.crafting:WORLD; the module must be importable here."
    if not module or not attribute:
        raise ConfigError(f"Not the name of {what}", value=path, remedy=form)
    try:
        found = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"Cannot load {what} ({error})", value=path, remedy=form) from error
    return found


def load_world(path: str) -> SkillWorld:
    """The world that a `module:attribute` names; raises `ConfigError` as `load_named` does."""
    found = load_named(path, "a world for skills")
    if not isinstance(found, SkillWorld):
        raise ConfigError("Not a SkillWorld", value=path, remedy="Name an attribute that holds one.")
    return found
