"""An update of learning from records: what is learned, scaled, clipped, skipped and written down."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gamefleet.errors import IncompatibleError
from gamefleet.learners.sequence import DivergedError, SequenceLearner, counts
from gamefleet.learners.sequence_batch import Mover, RowBatch, row_batch
from gamefleet.learners.sequence_losses import sequence_losses
from gamefleet.learners.sequence_optimizer import INITIAL_LOSS_SCALE, SequenceOptimizer, decaying
from gamefleet.learners.sequence_settings import SequenceSettings, step_sizes
from gamefleet.models.decoder import SequenceOutput
from gamefleet.testing.toys import recorded

SEGMENT = np.array([[1, 1, 1, 2, 2, 0], [1, 1, 1, 1, 0, 0]], np.int32)
ACTION = np.array([[-1, 0, 1, -1, 2, 0], [-1, 3, 2, 1, 0, 0]], np.int16)
LABELS, DECISIONS = 6, 9


def arrays() -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    return {
        "cue": rng.integers(4, size=(2, 6)).astype(np.uint8),
        "legal": np.full((2, 6, 1), 0b11110000, np.uint8),
        "action": ACTION,
        "outcome": np.tile(np.array([[1.0], [0.0]], np.float32), (1, 6)),
    }


def batch() -> RowBatch:
    return row_batch(arrays(), SEGMENT, np.zeros_like(SEGMENT), device=torch.device("cpu"))


def uniform(legal_last: bool = True) -> SequenceOutput:
    logits = torch.zeros(2, 6, 4)
    if not legal_last:
        logits[..., 3] = -math.inf
    return SequenceOutput(logits=logits, value=torch.zeros(2, 6))


def learner(precision: str = "float32", **settings: float) -> SequenceLearner:
    torch.manual_seed(0)
    chosen = SequenceSettings(learning_rate=1e-2, reference_batch_size=9, warmup_share=0.0, **settings)  # type: ignore[arg-type]
    return SequenceLearner(
        recorded.make_network({}),
        chosen,
        batch_size=9,
        total_steps=100,
        precision=precision,  # type: ignore[arg-type]
    )


def totals() -> torch.Tensor:
    return torch.tensor([LABELS, DECISIONS], dtype=torch.float64)


def test_sums_count_shown_actions_and_decisions_and_nothing_of_empty_places() -> None:
    sums = sequence_losses(uniform(), batch(), SequenceSettings())

    assert (int(sums["labels"]), int(sums["decisions"]), int(sums["impossible"])) == (LABELS, DECISIONS, 0)
    assert float(sums["policy_loss"]) == pytest.approx(LABELS * math.log(4), rel=1e-5)
    assert float(sums["entropy"]) == pytest.approx(LABELS * math.log(4))
    assert float(sums["value_loss"]) == pytest.approx(DECISIONS * math.log(2))
    assert int(sums["tokens_seen"]) == 3 * 3 + 2 * 2 + 4 * 4
    assert counts([{"action": ACTION}], [SEGMENT]).tolist() == [LABELS, DECISIONS]


def test_an_action_that_is_called_illegal_is_left_out_and_counted() -> None:
    output = uniform(legal_last=False)
    output.logits.requires_grad_()
    sums = sequence_losses(output, batch(), SequenceSettings())
    torch.autograd.backward(sums["policy_loss"] + sums["entropy"])

    assert (int(sums["labels"]), int(sums["impossible"])) == (LABELS - 1, 1)
    assert float(sums["policy_loss"].detach()) == pytest.approx((LABELS - 1) * math.log(3), rel=1e-5)
    assert output.logits.grad is not None
    assert output.logits.grad.isfinite().all()


def test_actions_count_by_how_much_better_the_game_ended_than_expected() -> None:
    weight = {
        objective: float(sequence_losses(uniform(), batch(), SequenceSettings(objective=objective))["weight"])  # type: ignore[arg-type]
        for objective in ("imitation", "binary", "exp")
    }

    # Three shown actions won (advantage 0.5), three lost (-0.5); the temperature is 0.25.
    assert weight == pytest.approx({"imitation": 6.0, "binary": 3.0, "exp": 3 * math.exp(2) + 3 * math.exp(-2)})


def test_matrices_decay_and_nothing_else() -> None:
    names = decaying(recorded.make_network({}))

    assert "decoder.blocks.0.changed.weight" in names
    assert "policy.weight" in names
    assert not any("norm" in name or "cue" in name or name.endswith("bias") or name == "ask" for name in names)


def test_the_optimizer_is_adamw_with_clipped_gradients() -> None:
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    settings = SequenceSettings(learning_rate=0.1, reference_batch_size=1)
    optimizer = SequenceOptimizer(network, settings, step_sizes(settings, 1))
    expected = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    first = {name: torch.zeros_like(parameter) for name, parameter in expected.items()}
    second = {name: torch.zeros_like(parameter) for name, parameter in expected.items()}
    for step in range(1, 4):
        torch.autograd.backward((network(torch.randn(4, 3)) * 100).sum())
        gradients = {name: parameter.grad.clone() for name, parameter in network.named_parameters()}  # type: ignore[union-attr]
        norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients.values()))
        assert float(optimizer.step(0.5)) == pytest.approx(norm, rel=1e-5)
        for name, gradient in gradients.items():
            gradient /= norm
            first[name] = 0.9 * first[name] + 0.1 * gradient
            second[name] = 0.95 * second[name] + 0.05 * gradient.square()
            change = first[name] / (1 - 0.9**step) / ((second[name] / (1 - 0.95**step)).sqrt() + 1e-8)
            decay = 0.1 * expected[name] if name == "weight" else 0.0
            expected[name] -= 0.05 * (change + decay)

    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.detach(), expected[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_every_precision_learns(precision: str) -> None:
    found = learner(precision)
    losses = []
    for _ in range(15):
        found.update([batch()], totals())
        losses.append(float(found.take_sums()[2]))

    assert losses[-1] < 0.5 * losses[0]
    scale, skipped = found.check()
    # The first loss scale is too large at times; each update that shows it halves it.
    assert scale == (INITIAL_LOSS_SCALE / 2**skipped if precision == "float16" else 1.0)


def test_an_update_without_a_finite_gradient_changes_nothing_and_halves_the_loss_scale() -> None:
    found = learner("float16")
    found.update([batch()], totals())
    scale, skipped = found.check()
    steps = float(found.state_tensors()["optimizer"]["value.weight/step"])
    before = {name: tensor.clone() for name, tensor in found.state_tensors()["model"].items()}
    found.network.value.weight.register_hook(lambda grad: grad * math.nan)

    found.update([batch()], totals())

    assert all(torch.equal(before[name], tensor) for name, tensor in found.state_tensors()["model"].items())
    assert found.check() == (scale / 2, skipped + 1)
    assert float(found.state_tensors()["optimizer"]["value.weight/step"]) == steps


def test_a_run_that_only_skips_ends_with_advice() -> None:
    found = learner(max_skipped_updates=3)
    found.network.value.weight.register_hook(lambda grad: grad * math.nan)
    for _ in range(3):
        found.update([batch()], totals())

    with pytest.raises(DivergedError, match=r"lower learner\.learning_rate"):
        found.check()


def test_a_learner_goes_on_exactly_from_its_state() -> None:
    found, other = learner(), learner()
    found.update([batch()], totals())
    state = {
        part: {name: tensor.numpy().copy() for name, tensor in tensors.items()}
        for part, tensors in found.state_tensors().items()
    }
    other.load_state(model=state["model"], optimizer=state["optimizer"], num_updates=1)
    for each in (found, other):
        each.update([batch()], totals())

    for name, tensor in found.state_tensors()["model"].items():
        assert torch.equal(tensor, other.state_tensors()["model"][name])
    with pytest.raises(IncompatibleError):
        other.load_state(model={}, optimizer={}, num_updates=1)


def test_two_halves_of_a_batch_are_learned_from_like_the_whole() -> None:
    whole, halves = learner(), learner()
    rows = batch()
    fields = ("segment", "position", "action", "outcome", "outcome_weight")
    parts = [
        RowBatch(
            obs={name: array[row : row + 1] for name, array in rows.obs.items()},
            **{name: getattr(rows, name)[row : row + 1] for name in fields},
        )
        for row in range(2)
    ]
    whole.update([rows], totals())
    halves.update(parts, totals())

    for name, tensor in whole.state_tensors()["optimizer"].items():
        torch.testing.assert_close(tensor, halves.state_tensors()["optimizer"][name])


def test_rows_without_any_decision_have_gradients_of_zero_for_every_parameter() -> None:
    found = learner()
    empty = row_batch(arrays(), np.zeros_like(SEGMENT), np.zeros_like(SEGMENT), device=torch.device("cpu"))
    found.update([empty], totals())

    gradients = [parameter.grad for parameter in found.network.parameters()]
    assert all(gradient is not None for gradient in gradients), "another rank waits for each of them"
    assert found.take_sums()[:-1].abs().sum() == 0
    whole, padded = learner(), learner()
    whole.update([batch()], totals())
    padded.update([empty, batch(), empty], totals())
    for name, tensor in whole.state_tensors()["optimizer"].items():
        torch.testing.assert_close(tensor, padded.state_tensors()["optimizer"][name])


class Stream:
    """What a CUDA stream would be told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @contextmanager
    def copying(self) -> Iterator[None]:
        self.said.append("begin")
        yield
        self.said.append("begun")

    def wait(self, tensors: Sequence[Tensor]) -> None:
        self.said.append(f"wait for {len(tensors)}")


def test_batches_are_copied_beside_what_is_computed_and_waited_for_once() -> None:
    stream = Stream()
    mover = Mover(torch.device("cpu"), beside=stream)
    moved = [mover.begin(arrays(), SEGMENT, np.zeros_like(SEGMENT)) for _ in range(2)]
    mover.finish()
    mover.finish()

    assert stream.said == ["begin", "begun", "begin", "begun", "wait for 14"]
    plain = Mover(torch.device("cpu")).begin(arrays(), SEGMENT, np.zeros_like(SEGMENT))
    for one in (*moved, plain):
        assert all(torch.equal(left, right) for left, right in zip(one.tensors(), batch().tensors(), strict=True))


def test_a_loss_scale_that_fell_goes_on_and_one_that_was_not_used_begins_anew() -> None:
    settings = SequenceSettings()
    sizes = step_sizes(settings, 1024)
    before = SequenceOptimizer(nn.Linear(2, 2), settings, sizes, is_scaled=True)
    before.counters.scale.fill_(0.5)
    plain = SequenceOptimizer(nn.Linear(2, 2), settings, sizes)
    after = SequenceOptimizer(nn.Linear(2, 2), settings, sizes, is_scaled=True)

    after.load(dict(before.tensors()))
    assert float(after.counters.scale) == 0.5
    after.load(dict(plain.tensors()))
    assert float(after.counters.scale) == INITIAL_LOSS_SCALE
    plain.load(dict(before.tensors()))
    assert float(plain.counters.scale) == 1.0
