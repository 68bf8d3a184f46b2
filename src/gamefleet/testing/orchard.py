"""An orchard on a line: a compiled world for skills that JAX compiles in a second or two.

Job: what tests of the trainer for compiled worlds need, and an example of one: everything that `jax_world` must offer.
Place in the data flow: as a game's world. Left out: difficulty.

The player walks between a tree and a bench. `pick` at the tree gives fruit, `make` at the bench turns one fruit into
jam, and whoever steps into the bog at the left end is dead. Eating wastes a fruit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gamefleet.errors import IncompatibleError
from gamefleet.skills.world import Fact, Feature, SkillWorld, States

LENGTH, MOST = 7, 5
ACTIONS = ("left", "right", "pick", "make", "eat")
FEATURES = ("fruit", "jam", "health", "near_bench", "did_pick", "did_make")
OBSERVATION_SIZE = 3 * LENGTH + 2


class Orchard(NamedTuple):
    """Many worlds, `[num]` each; `done` is bool[num, 2]: picked, made."""

    place: Any
    tree: Any
    bench: Any
    fruit: Any
    jam: Any
    done: Any


@dataclass(frozen=True, slots=True)
class OrchardWorld:
    """The compiled world; its methods are what a trainer compiles."""

    feature_names: tuple[str, ...] = FEATURES
    num_actions: int = len(ACTIONS)
    observation_size: int = OBSERVATION_SIZE

    def generate(self, key: Any, num: int) -> Orchard:
        """Fresh worlds: tree and bench stand anywhere but in the bog and the middle."""
        import jax
        import jax.numpy as jnp

        free = jnp.array([place for place in range(1, LENGTH) if place != LENGTH // 2])
        keys = jax.random.split(key, num)
        chosen = jax.vmap(lambda each: jax.random.choice(each, free, (2,), replace=False))(keys)
        zeros = jnp.zeros(num, jnp.int32)
        middle = zeros + LENGTH // 2
        return Orchard(middle, chosen[:, 0], chosen[:, 1], zeros, zeros, jnp.zeros((num, 2), bool))

    def step(self, key: Any, states: Orchard, actions: Any) -> tuple[Orchard, Any]:
        """One action each; nothing is left to chance."""
        import jax.numpy as jnp

        move = jnp.where(actions == 0, -1, jnp.where(actions == 1, 1, 0))
        place = jnp.clip(states.place + move, 0, LENGTH - 1)
        picks = (actions == 2) & (place == states.tree) & (states.fruit < MOST)
        makes = (actions == 3) & (place == states.bench) & (states.fruit > 0) & (states.jam < MOST)
        eats = (actions == 4) & (states.fruit > 0)
        done = states.done | jnp.stack([picks, makes], -1)
        fruit = states.fruit + picks - makes - eats
        moved = Orchard(place, states.tree, states.bench, fruit, states.jam + makes, done)
        return moved, place == 0

    def observe(self, states: Orchard) -> Any:
        """Where everything is, one-hot, and what is carried."""
        import jax
        import jax.numpy as jnp

        places = [jax.nn.one_hot(row, LENGTH) for row in (states.place, states.tree, states.bench)]
        counts = jnp.stack([states.fruit, states.jam], -1) / MOST
        return jnp.concatenate([*places, counts], -1)

    def features(self, states: Orchard) -> Any:
        """In the order of `FEATURES`."""
        import jax.numpy as jnp

        numbers = [states.fruit, states.jam, states.place > 0, states.place == states.bench]
        return jnp.stack([jnp.asarray(row, jnp.float32) for row in (*numbers, *states.done.T)], -1)

    def begin(self, states: Orchard) -> Orchard:
        """What was achieved is forgotten."""
        import jax.numpy as jnp

        return states._replace(done=jnp.zeros_like(states.done))

    def to_arrays(self, states: Orchard) -> dict[str, NDArray[Any]]:
        """States by name."""
        return {name: np.asarray(array) for name, array in states._asdict().items()}

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Orchard:
        """The reverse.

        Raises:
            IncompatibleError: An array is missing.
        """
        import jax.numpy as jnp

        missing = [name for name in Orchard._fields if name not in arrays]
        if missing:
            raise IncompatibleError("These arrays are no orchards", value=missing)
        return Orchard(**{name: jnp.asarray(arrays[name]) for name in Orchard._fields})


def random_pairs(seed: int, num: int) -> tuple[States, States]:
    """Made-up steps: some numbers, and one of them changed."""
    rng = np.random.default_rng(seed)
    high = np.array([feature.high for feature in WORLD.features])
    before = rng.integers(0, high.astype(int) + 1, (num, len(high))).astype(np.float32)
    now = before.copy()
    columns = rng.integers(0, len(high), num)
    now[np.arange(num), columns] = rng.integers(0, high.astype(int)[columns] + 1)
    return now, before


def start_features(seed: int, num: int) -> States:
    """Fresh worlds are alike in all features."""
    row = [WORLD.start[feature.name] for feature in WORLD.features]
    return np.tile(np.array(row, np.float32), (num, 1))


def _count(name: str, meaning: str) -> Feature:
    return Feature(name=name, low=0.0, high=float(MOST), meaning=meaning)


def _bit(name: str, meaning: str) -> Feature:
    return Feature(name=name, low=0.0, high=1.0, meaning=meaning, is_bit=True)


WORLD = SkillWorld(
    name="gamefleet.testing.orchard:WORLD",
    features=(
        _count("fruit", "fruit carried"),
        _count("jam", "jars of jam carried"),
        _bit("health", "1 alive, 0 dead"),
        _bit("near_bench", "at the bench"),
        _bit("did_pick", "picked fruit since this skill began"),
        _bit("did_make", "made jam since this skill began"),
    ),
    actions=ACTIONS,
    start={"fruit": 0.0, "jam": 0.0, "health": 1.0, "near_bench": 0.0, "did_pick": 0.0, "did_make": 0.0},
    facts=(
        Fact(
            name="Pick_Fruit",
            requires={},
            consumes={},
            gain={"fruit": 1.0, "did_pick": 1.0},
            gives={"fruit": 1.0},
            how="`pick` beside the tree",
            is_verified=True,
        ),
        Fact(
            name="Make_Jam",
            requires={},
            consumes={"fruit": 1.0},
            gain={"jam": 1.0, "did_make": 1.0},
            gives={"jam": 1.0},
            how="`make` at the bench",
            is_verified=True,
        ),
    ),
    random_pairs=random_pairs,
    start_features=start_features,
    jax_world=OrchardWorld,
)
