"""The same exactness with a real emulator."""

from __future__ import annotations

from contextlib import closing

from gamefleet.actors.actor import Actor, Moment
from gamefleet.actors.curriculum import Beginning
from gamefleet.actors.policy import RandomPolicy
from gamefleet.actors.vector import make_vector
from gamefleet.games.pokemon_red import PACKAGE
from gamefleet.games.pokemon_red.config import PokemonRedConfig

NUM_ENVS = 4


def make(*, num_workers: int, seed: int) -> Actor:
    config = PokemonRedConfig(max_episode_steps=50)
    vector = make_vector(PACKAGE, config, num_envs=NUM_ENVS, num_workers=num_workers)
    policy = RandomPolicy(num_actions=vector.spec.num_actions, num_envs=NUM_ENVS, seed=seed)
    return Actor(vector=vector, policy=policy, curriculum=Beginning(), seed=seed)


def fingerprint(moment: Moment) -> list[bytes]:
    slots = moment.slots
    return [array.tobytes() for array in (*slots.obs.values(), slots.action, slots.reward, slots.is_first)]


def test_a_run_that_is_cut_and_resumed_in_workers_is_bit_identical() -> None:
    with closing(make(num_workers=0, seed=0)) as whole, closing(make(num_workers=2, seed=3)) as resumed:
        for _ in range(60):
            whole.step()
        resumed.import_state(whole.export_state())
        differing = [step for step in range(10) if fingerprint(resumed.step()) != fingerprint(whole.step())]
    assert differing == []
