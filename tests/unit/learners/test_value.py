import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gamefleet.errors import ConfigError, DeviceMemoryError, GamefleetError, IncompatibleError
from gamefleet.experience.types import SequenceBatch
from gamefleet.learners.augmenting import Actions, Augmentation, Observations
from gamefleet.learners.curiosity import Curiosity
from gamefleet.learners.metrics import METRICS
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.learners.value import ValueLearner
from gamefleet.models.recurrent import RecurrentQNetwork
from gamefleet.models.settings import Core, NetworkSettings
from gamefleet.testing.batches import random_batch
from gamefleet.testing.toys import corridor
from gamefleet.testing.toys.encoders import make_encoder

SPEC = corridor.make_spec(corridor.CorridorConfig())
BURN_IN, NUM_SLOTS = 3, 12
CORES: list[Core] = ["gru", "lstm", "none"]


class Fragile(nn.Module):
    """An encoder that runs out of memory or returns broken numbers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = make_encoder(SPEC, {}, "policy")
        self.output_size = self.inner.output_size
        self.calls_until_full = -1
        self.is_broken = False

    def forward(self, obs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        self.calls_until_full -= 1
        if self.calls_until_full == 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        features: torch.Tensor = self.inner(obs)
        return features * float("nan") if self.is_broken else features


def make(
    settings: ValueSettings | None = None, *, curious: bool = True, core: Core = "gru", seed: int = 0
) -> ValueLearner:
    torch.manual_seed(seed)
    network = RecurrentQNetwork(
        Fragile(),
        num_actions=SPEC.num_actions,
        num_heads=2 if curious else 1,
        settings=NetworkSettings(core=core, hidden_size=8, head_size=4),
    )
    sizes = CuriositySettings(hidden_size=8, output_size=4)
    curiosity = Curiosity(make_encoder(SPEC, {}, "novelty"), sizes, seed=seed) if curious else None
    return ValueLearner(network, settings or ValueSettings(num_steps=2), burn_in=BURN_IN, curiosity=curiosity)


def batches(learner: ValueLearner, count: int, seed: int = 0) -> list[SequenceBatch]:
    rng = np.random.default_rng(seed)
    size = learner.network.state_size
    return [
        random_batch(SPEC, batch_size=4, num_slots=NUM_SLOTS, state_size=size, end_rate=0.1, rng=rng)
        for _ in range(count)
    ]


def encoder_of(learner: ValueLearner) -> Fragile:
    assert isinstance(learner.network.encoder, Fragile)
    return learner.network.encoder


def fingerprint(state: Any) -> str:
    """A hash over nested dicts of JSON values, arrays and bytes."""
    if isinstance(state, dict):
        text = json.dumps({name: fingerprint(value) for name, value in sorted(state.items())})
    elif isinstance(state, np.ndarray):
        text = f"{state.dtype}{state.shape}{hashlib.sha256(state.tobytes()).hexdigest()}"
    else:
        text = repr(state)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("curious", [True, False])
def test_a_resumed_learner_goes_on_bit_by_bit(core: Core, curious: bool) -> None:
    settings = ValueSettings(num_steps=2, target_update_interval_updates=3, importance_exponent=0.5)
    first, second = make(settings, core=core, curious=curious), make(settings, core=core, curious=curious, seed=9)
    work = batches(first, 8)
    for batch in work[:4]:
        first.update(batch)
    second.import_state(first.export_state())
    for batch in work[4:]:
        one, other = first.update(batch), second.update(batch)
        assert one.metrics == other.metrics
        assert (one.priorities == other.priorities).all()
    assert first.num_updates == second.num_updates == 8
    assert fingerprint(first.export_state()) == fingerprint(second.export_state())


def test_every_metric_is_in_the_table_and_finite() -> None:
    curious, plain = make(), make(curious=False)
    with_curiosity = curious.update(batches(curious, 1)[0]).metrics
    without = plain.update(batches(plain, 1)[0]).metrics
    assert set(with_curiosity) == set(METRICS) - {"learner/auxiliary_loss"}
    assert set(without) == {
        name for name in METRICS if not any(word in name for word in ("curiosity", "intrinsic", "auxiliary"))
    }
    assert all(np.isfinite(value) for value in with_curiosity.values())
    assert all(unit and meaning for unit, meaning in METRICS.values())


def test_the_target_network_is_copied_on_schedule() -> None:
    learner = make(ValueSettings(num_steps=2, target_update_interval_updates=3))
    before = fingerprint(learner.export_state()["target"])
    for count, batch in enumerate(batches(learner, 7), start=1):
        learner.update(batch)
        state = learner.export_state()
        if count % 3 == 0:
            assert fingerprint(state["target"]) == fingerprint(state["network"])
            before = fingerprint(state["target"])
        else:
            assert fingerprint(state["target"]) == before


def test_a_mixed_target_network_follows_slowly() -> None:
    learner = make(ValueSettings(num_steps=2, target_mix=0.25))
    before = learner.export_state()["target"]
    learner.update(batches(learner, 1)[0])
    state = learner.export_state()
    for name, old in before.items():
        wanted = old + 0.25 * (state["network"][name] - old)
        np.testing.assert_allclose(state["target"][name], wanted, rtol=1e-5, atol=1e-7)


def test_priorities_follow_from_the_td_errors_of_both_heads() -> None:
    learner = make()
    batch = batches(learner, 1)[0]
    assert learner.curiosity is not None
    random_state = learner.curiosity.random_state
    evaluation = learner._evaluator.evaluate(to_tensors(batch))
    learner.curiosity.forget(random_state)
    sizes = evaluation.errors.detach().abs()
    mixed = (sizes[..., 0] + learner.curiosity.settings.weight * sizes[..., 1]).double()
    count = evaluation.is_trained.sum(dim=1)
    wanted = 0.9 * mixed.amax(dim=1) + 0.1 * mixed.sum(dim=1) / count
    np.testing.assert_allclose(learner.update(batch).priorities, wanted, rtol=1e-6)


def to_tensors(batch: SequenceBatch) -> Any:
    from gamefleet.learners.tensors import to_device

    return to_device(batch, torch.device("cpu"))


def test_read_only_arrays_are_learned_from_without_a_warning() -> None:
    learner = make()
    batch = batches(learner, 1)[0]
    for array in (*batch.obs.values(), batch.reward, batch.state, batch.probability):
        array.flags.writeable = False
    learner.update(batch)
    assert learner.num_updates == 1


@pytest.mark.parametrize("call", [1, 2, 3])
def test_running_out_of_memory_changes_nothing_and_says_what_to_lower(call: int) -> None:
    learner, undisturbed = make(), make()
    work = batches(learner, 3)
    for subject in (learner, undisturbed):
        subject.update(work[0])
    before = fingerprint(learner.export_state())
    encoder_of(learner).calls_until_full = call
    with pytest.raises(
        DeviceMemoryError, match=r"peak .* 4 sequences of 12 slots.*learner\.batch_size.*replay\.unroll"
    ):
        learner.update(work[1])
    assert fingerprint(learner.export_state()) == before
    assert all(parameter.grad is None for parameter in learner.network.parameters())
    encoder_of(learner).calls_until_full = -1
    for subject in (learner, undisturbed):
        subject.update(work[2])
    assert fingerprint(learner.export_state()) == fingerprint(undisturbed.export_state())


def test_running_out_of_memory_in_the_backward_pass_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = make()
    batch = batches(learner, 1)[0]
    before = fingerprint(learner.export_state())

    def full(gradient: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    hook = next(learner.network.parameters()).register_hook(full)
    with pytest.raises(DeviceMemoryError):
        learner.update(batch)
    hook.remove()
    assert fingerprint(learner.export_state()) == before


def test_an_update_without_finite_numbers_is_skipped_and_counted() -> None:
    learner = make()
    work = batches(learner, 2)
    before = fingerprint({name: learner.export_state()[name] for name in ("network", "target", "optimizer")})
    encoder_of(learner).is_broken = True
    result = learner.update(work[0])
    after = fingerprint({name: learner.export_state()[name] for name in ("network", "target", "optimizer")})
    assert after == before
    assert (learner.num_updates, learner.num_skipped) == (0, 1)
    assert result.metrics["learner/skipped_updates"] == 1.0
    assert all(np.isfinite(value) for value in result.metrics.values())
    assert (result.priorities == 0).all()
    encoder_of(learner).is_broken = False
    learner.update(work[1])
    assert (learner.num_updates, learner.num_skipped) == (1, 1)


def test_a_single_broken_window_loses_its_priority_and_the_others_keep_theirs() -> None:
    learner = make()
    batch = batches(learner, 1)[0]
    batch.reward[2, BURN_IN + 1] = float("inf")
    batch.is_last[:] = False
    priorities = learner.update(batch).priorities
    assert priorities[2] == 0
    assert (priorities[[0, 1, 3]] > 0).all()


def test_several_broken_updates_in_a_row_end_the_run_with_a_remedy() -> None:
    learner = make(ValueSettings(num_steps=2, max_skipped_updates=3))
    encoder_of(learner).is_broken = True
    work = batches(learner, 3)
    for batch in work[:2]:
        learner.update(batch)
    with pytest.raises(GamefleetError, match=r"3 updates in a row.*learner\.learning_rate"):
        learner.update(work[2])


def test_heads_and_curiosity_must_fit() -> None:
    network = make(curious=True).network
    with pytest.raises(ConfigError, match="heads"):
        ValueLearner(network, ValueSettings(), burn_in=0)


def test_the_state_of_another_architecture_is_refused() -> None:
    with pytest.raises(IncompatibleError):
        make(core="gru").import_state(make(core="lstm").export_state())


def test_weights_are_copies_that_later_updates_leave_alone() -> None:
    learner = make()
    weights = learner.weights()
    before = fingerprint(weights)
    learner.update(batches(learner, 1)[0])
    assert fingerprint(weights) == before
    assert fingerprint(learner.weights()) != before
    assert set(weights) == set(learner.network.state_dict())


class Symmetric(Fragile):
    """An encoder with something else to learn besides."""

    def auxiliary_loss(self, features: torch.Tensor, obs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        assert features.shape[:2] == obs["view"].shape[:2]
        return features.square().mean(dim=-1)


def make_symmetric(settings: ValueSettings, augmentation: Augmentation | None = None, seed: int = 0) -> ValueLearner:
    torch.manual_seed(0)
    network = RecurrentQNetwork(
        Symmetric(), num_actions=SPEC.num_actions, num_heads=1, settings=NetworkSettings(core="identity", head_size=4)
    )
    return ValueLearner(network, settings, burn_in=0, augmentation=augmentation, seed=seed)


def turned(obs: Observations, action: Actions, rng: np.random.Generator) -> tuple[Observations, Actions]:
    """Numbers the actions anew, a different way for each window; -1 stays."""
    shift = rng.integers(SPEC.num_actions, size=(len(action), 1))
    return obs, np.where(action < 0, action, (action + shift) % SPEC.num_actions).astype(np.int16)


def test_an_auxiliary_loss_is_reported_and_shapes_the_encoder() -> None:
    plain = make_symmetric(ValueSettings(num_steps=2))
    helped = make_symmetric(ValueSettings(num_steps=2, auxiliary_weight=0.5))
    (batch,) = batches(plain, 1)
    assert "learner/auxiliary_loss" not in plain.update(batch).metrics
    assert helped.update(batch).metrics["learner/auxiliary_loss"] > 0
    plain_weights, helped_weights = plain.weights(), helped.weights()
    differs = {name for name in plain_weights if (plain_weights[name] != helped_weights[name]).any()}
    assert any(name.startswith("encoder") for name in differs)


def test_augmentation_changes_batches_only_when_the_settings_say_so_and_goes_on_after_a_resume() -> None:
    settings = ValueSettings(num_steps=2)
    work = batches(make_symmetric(settings), 4)
    ignoring, plain = make_symmetric(settings, turned), make_symmetric(settings)
    as_they_are = [plain.update(batch).metrics for batch in work]
    assert [ignoring.update(batch).metrics for batch in work] == as_they_are
    augmented = replace(settings, augment=True)
    first, second = make_symmetric(augmented, turned), make_symmetric(augmented, turned, seed=7)
    assert first.update(work[0]).metrics != as_they_are[0]
    first.update(work[1])
    second.import_state(first.export_state())
    assert first.update(work[2]).metrics == second.update(work[2]).metrics
    assert fingerprint(first.export_state()) == fingerprint(second.export_state())


def test_what_a_game_does_not_have_is_refused_before_the_first_update() -> None:
    with pytest.raises(ConfigError, match="no symmetries"):
        make_symmetric(ValueSettings(augment=True))
    torch.manual_seed(0)
    plain = RecurrentQNetwork(Fragile(), num_actions=SPEC.num_actions, num_heads=1, settings=NetworkSettings())
    with pytest.raises(ConfigError, match="no auxiliary loss"):
        ValueLearner(plain, ValueSettings(auxiliary_weight=0.1), burn_in=0)
