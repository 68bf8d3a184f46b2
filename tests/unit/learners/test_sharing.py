"""What learners of a fleet share, and what each keeps to itself."""

from typing import Any

import numpy as np
import pytest
import torch

from gamefleet.errors import IncompatibleError
from gamefleet.learners.curiosity import Curiosity
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.learners.sharing import adopt_content, shared_content
from gamefleet.learners.value import ValueLearner
from gamefleet.models.recurrent import RecurrentQNetwork
from gamefleet.models.settings import NetworkSettings
from gamefleet.testing.batches import random_batch
from gamefleet.testing.toys import corridor
from gamefleet.testing.toys.encoders import make_encoder

SPEC = corridor.make_spec(corridor.CorridorConfig())


def make(*, seed: int, hidden_size: int = 8, curious: bool = True) -> ValueLearner:
    torch.manual_seed(seed)
    encoder = make_encoder(SPEC, {}, "policy")
    settings = NetworkSettings(core="gru", hidden_size=hidden_size, head_size=4)
    heads = 2 if curious else 1
    network = RecurrentQNetwork(encoder, num_actions=SPEC.num_actions, num_heads=heads, settings=settings)
    sizes = CuriositySettings(hidden_size=8, output_size=4)
    curiosity = Curiosity(make_encoder(SPEC, {}, "novelty"), sizes, seed=seed) if curious else None
    return ValueLearner(network, ValueSettings(num_steps=2), burn_in=3, curiosity=curiosity)


def trained(learner: ValueLearner, updates: int = 3) -> ValueLearner:
    rng = np.random.default_rng(5)
    size = learner.network.state_size
    for _ in range(updates):
        learner.update(random_batch(SPEC, batch_size=4, num_slots=12, state_size=size, end_rate=0.1, rng=rng))
    return learner


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return bool(one == other)


@pytest.mark.parametrize("curious", [True, False])
def test_whoever_adopts_a_content_shares_the_same_content(curious: bool) -> None:
    giver, taker = trained(make(seed=1, curious=curious)), make(seed=2, curious=curious)

    adopt_content(taker, shared_content(giver))

    assert shared_content(taker).has_same_bits(shared_content(giver))


def test_the_fixed_networks_of_curiosity_travel_too_as_bits_that_nobody_averages() -> None:
    giver, taker = trained(make(seed=1)), make(seed=2)

    adopt_content(taker, shared_content(giver))

    assert giver.curiosity is not None
    assert taker.curiosity is not None
    assert equal(taker.curiosity.export_shared()["target"], giver.curiosity.export_shared()["target"])
    fixed = {name: array for name, array in shared_content(giver).arrays.items() if name.startswith("fixed/")}
    assert fixed
    assert all(array.dtype.kind != "f" for array in fixed.values())


def test_the_target_network_becomes_a_copy_and_the_optimizer_stays() -> None:
    giver, taker = trained(make(seed=1), 5), trained(make(seed=2), 2)
    before = taker.export_state()

    adopt_content(taker, shared_content(giver))

    after = taker.export_state()
    assert equal(after["network"], giver.export_state()["network"])
    assert equal(after["target"], after["network"])
    assert equal(after["optimizer"], before["optimizer"])
    assert equal(after["curiosity"]["optimizer"], before["curiosity"]["optimizer"])
    assert after["num_updates"] == before["num_updates"] == 2


def test_learning_goes_on_from_what_was_adopted() -> None:
    giver, taker = trained(make(seed=1)), trained(make(seed=2))
    adopt_content(taker, shared_content(giver))

    trained(taker, 2)

    assert taker.num_updates == 5
    assert not shared_content(taker).has_same_bits(shared_content(giver))


def test_a_content_is_a_copy_that_later_updates_leave_alone() -> None:
    learner = trained(make(seed=1))
    content = shared_content(learner)
    kept = content.copy()

    trained(learner, 2)

    assert content.has_same_bits(kept)


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(IncompatibleError, match="another network"):
        adopt_content(make(seed=1), shared_content(make(seed=1, hidden_size=6)))
