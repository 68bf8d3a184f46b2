"""The game as compiled functions over many states.

Job: make worlds, move them, and say what is seen in them, for learners that are compiled together with their game.
Place in the data flow: `worlds` hands it to the trainer of skills; `game` plays one world with it. Left out: rewards,
resets and everything else that a learner decides.

States are pytrees of the package `craftax` with a leading axis; nobody outside of this folder looks into them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gamefleet.errors import IncompatibleError, MissingDependencyError
from gamefleet.games.craftax.features import features
from gamefleet.games.craftax.jax_features import Array, make_features
from gamefleet.games.craftax.variants import Variant

Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JaxWorld:
    """Functions over states with a leading axis `num`; all but the last two can be compiled.

    Args:
        generate: `(key, num) -> states`: fresh worlds; `num` is a plain number.
        step: `(key, states, int32[num]) -> (states, bool[num])`: moved states, and who is dead.
        observe: `(states) -> float32[num, observation_size]`.
        features: `(states) -> float32[num, features]`.
        is_dead: `(states) -> bool[num]`.
        begin: `(states) -> states`: as a skill finds them; what was achieved once is forgotten, because an achievement
            that is already there cannot be gained.
        feature_names: In order.
        num_actions: Number of actions.
        observation_size: Numbers of an observation.
        to_arrays: `(states) -> {name: array}`, for files; the arrays hold small integers in few bytes.
        from_arrays: The reverse; raises `IncompatibleError` for arrays that are no such states.
    """

    generate: Callable[[Array, int], Any]
    step: Callable[[Array, Any, Array], tuple[Any, Array]]
    observe: Callable[[Any], Array]
    features: Callable[[Any], Array]
    is_dead: Callable[[Any], Array]
    begin: Callable[[Any], Any]
    feature_names: tuple[str, ...]
    num_actions: int
    observation_size: int
    to_arrays: Callable[[Any], dict[str, np.ndarray[Any, Any]]]
    from_arrays: Callable[[Arrays], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The functions of the package for one state of one variant."""

    params: Any
    generate: Callable[[Array], Any]
    step: Callable[[Array, Any, Array], tuple[Any, Array]]
    observe: Callable[[Any], Array]
    is_dead: Callable[[Any], Array]


def load_rules(variant: Variant) -> Rules:
    """The package's functions.

    Raises:
        MissingDependencyError: The package is not installed.
    """
    try:
        return _classic_rules() if variant.is_classic else _full_rules()
    except ImportError as error:
        raise MissingDependencyError(
            f"{variant.env_name} needs the package craftax ({error})", remedy="pip install 'gamefleet[craftax]'"
        ) from error


def _classic_rules() -> Rules:
    from craftax.craftax_classic.constants import BlockType
    from craftax.craftax_classic.envs.craftax_state import EnvParams, StaticEnvParams
    from craftax.craftax_classic.game_logic import craftax_step
    from craftax.craftax_classic.renderer import render_craftax_symbolic
    from craftax.craftax_classic.world_gen import generate_world

    params, static = EnvParams(), StaticEnvParams()

    def is_dead(state: Any) -> Array:
        tile = state.map[state.player_position[0], state.player_position[1]]
        return (state.player_health <= 0) | (tile == BlockType.LAVA.value)

    return Rules(
        params=params,
        generate=lambda key: generate_world(key, params, static),
        step=lambda key, state, action: craftax_step(key, state, action, params, static),
        observe=render_craftax_symbolic,
        is_dead=is_dead,
    )


def _full_rules() -> Rules:
    from craftax.craftax.craftax_state import EnvParams, StaticEnvParams
    from craftax.craftax.game_logic import craftax_step
    from craftax.craftax.renderer import render_craftax_symbolic
    from craftax.craftax.world_gen.world_gen import generate_world

    params, static = EnvParams(), StaticEnvParams()
    return Rules(
        params=params,
        generate=lambda key: generate_world(key, params, static),
        step=lambda key, state, action: craftax_step(key, state, action, params, static),
        observe=render_craftax_symbolic,
        is_dead=lambda state: state.player_health <= 0,
    )


def make_jax_world(variant: Variant) -> JaxWorld:
    """The compiled functions of one variant."""
    rules = load_rules(variant)
    template = jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), jax.eval_shape(rules.generate, jax.random.PRNGKey(0))
    )
    names, leaves, tree = _named_leaves(template)

    def step(key: Array, states: Any, actions: Array) -> tuple[Any, Array]:
        keys = jax.random.split(key, actions.shape[0])
        moved = _strong(jax.vmap(rules.step)(keys, states, actions)[0])
        return moved, jax.vmap(rules.is_dead)(moved)

    def from_arrays(arrays: Arrays) -> Any:
        _check_arrays(variant, arrays, dict(zip(names, leaves, strict=True)))
        return jax.tree.unflatten(
            tree, [jnp.asarray(arrays[name], leaf[1]) for name, leaf in zip(names, leaves, strict=True)]
        )

    return JaxWorld(
        generate=lambda key, num: _strong(jax.vmap(rules.generate)(jax.random.split(key, num))),
        step=step,
        observe=jax.vmap(rules.observe),
        features=jax.vmap(make_features(variant)),
        is_dead=jax.vmap(rules.is_dead),
        begin=lambda states: states.replace(achievements=jnp.zeros_like(states.achievements)),
        feature_names=tuple(feature.name for feature in features(variant)),
        num_actions=len(variant.actions),
        observation_size=variant.observation_size,
        to_arrays=lambda states: {
            name: _narrow(np.asarray(leaf)) for name, leaf in zip(names, jax.tree.leaves(states), strict=True)
        },
        from_arrays=from_arrays,
    )


def _strong(states: Any) -> Any:
    """The same states, typed as those after a step are; otherwise everything would be compiled a second time."""
    return jax.tree.map(lambda leaf: jax.lax.convert_element_type(leaf, leaf.dtype), states)


def _named_leaves(template: Any) -> tuple[list[str], list[Any], Any]:
    """Names such as `inventory/wood`, (shape, dtype) and the tree of a state."""
    is_leaf = lambda node: isinstance(node, tuple) and len(node) == 2 and isinstance(node[0], tuple)  # noqa: E731
    paths, tree = jax.tree_util.tree_flatten_with_path(template, is_leaf=is_leaf)
    names = ["/".join(str(getattr(part, "name", getattr(part, "idx", part))) for part in path) for path, _ in paths]
    return names, [leaf for _, leaf in paths], tree


def _narrow(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The same integers in one byte each, where they fit."""
    if array.dtype.kind != "i" or not array.size:
        return array
    low, high = array.min(), array.max()
    for small in (np.uint8, np.int8):
        if low >= np.iinfo(small).min and high <= np.iinfo(small).max:
            return array.astype(small)
    return array


def _check_arrays(variant: Variant, arrays: Arrays, leaves: Mapping[str, Any]) -> None:
    missing = sorted(set(leaves) - set(arrays))
    wrong = [name for name, (shape, _) in leaves.items() if name in arrays and arrays[name].shape[1:] != tuple(shape)]
    if missing or wrong:
        raise IncompatibleError(
            f"These arrays are no states of {variant.env_name}",
            value=(missing + wrong)[:5],
            remedy="Use states that this version of the game wrote.",
        )
