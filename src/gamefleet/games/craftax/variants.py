"""The two variants of the game, as data.

Job: sizes and name tables of Craftax and Craftax-Classic, and finding one by the name that users type. Place in the
data flow: read by the game and by the world for skills. Left out: how a state is computed (`jax_world`).
"""

from __future__ import annotations

from dataclasses import dataclass

from gamefleet.errors import ConfigError, nearest
from gamefleet.games.craftax import names


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is fixed about a variant.

    Args:
        env_name: As users write it.
        is_classic: Whether it is the small variant with one floor.
        actions: In order.
        blocks: In order.
        inventory: Things counted in the inventory, in the order of our arrays.
        achievements: In order.
        view: Rows and columns of tiles that are seen, the player in the middle.
        most: How much of a thing can be carried.
        max_steps: Steps after which the game itself ends an episode.
        observation_size: Numbers of the symbolic observation.
    """

    env_name: str
    is_classic: bool
    actions: tuple[str, ...]
    blocks: tuple[str, ...]
    inventory: tuple[str, ...]
    achievements: tuple[str, ...]
    view: tuple[int, int]
    most: int
    max_steps: int
    observation_size: int


CLASSIC = Variant(
    env_name="Craftax-Classic-Symbolic-v1",
    is_classic=True,
    actions=names.CLASSIC_ACTIONS,
    blocks=names.CLASSIC_BLOCKS,
    inventory=names.CLASSIC_INVENTORY,
    achievements=names.CLASSIC_ACHIEVEMENTS,
    view=(7, 9),
    most=9,
    max_steps=10_000,
    observation_size=1345,
)

FULL = Variant(
    env_name="Craftax-Symbolic-v1",
    is_classic=False,
    actions=names.FULL_ACTIONS,
    blocks=names.FULL_BLOCKS,
    inventory=names.FULL_INVENTORY,
    achievements=names.FULL_ACHIEVEMENTS,
    view=(9, 11),
    most=99,
    max_steps=100_000,
    observation_size=8268,
)

VARIANTS = {variant.env_name: variant for variant in (CLASSIC, FULL)}


def variant_of(env_name: str) -> Variant:
    """The variant of that name.

    Raises:
        ConfigError: There is none.
    """
    if env_name not in VARIANTS:
        raise ConfigError("No such Craftax environment", value=env_name, remedy=nearest(env_name, VARIANTS))
    return VARIANTS[env_name]
