"""The two networks' view of a batch against a slow reference that runs each window slot by slot."""

import copy

import numpy as np
import pytest
import torch

from gamefleet.experience.types import SequenceBatch
from gamefleet.learners.curiosity import Curiosity, whiten
from gamefleet.learners.evaluation import Evaluation, Evaluator
from gamefleet.learners.settings import CuriositySettings, ValueSettings
from gamefleet.learners.tensors import TensorBatch, to_device
from gamefleet.models.recurrent import RecurrentQNetwork
from gamefleet.models.rescaling import rescale, unscale
from gamefleet.models.settings import Core, NetworkSettings
from gamefleet.testing.batches import random_batch
from gamefleet.testing.toys import corridor
from gamefleet.testing.toys.encoders import make_encoder

SPEC = corridor.make_spec(corridor.CorridorConfig())
BURN_IN, UNROLL, NUM_STEPS, GAMMA = 4, 6, 3, 0.9
CORES: list[Core] = ["gru", "lstm", "none"]


def network(core: Core, seed: int, num_heads: int = 1) -> RecurrentQNetwork:
    torch.manual_seed(seed)
    encoder = make_encoder(SPEC, {}, "policy")
    settings = NetworkSettings(core=core, hidden_size=8, head_size=4)
    return RecurrentQNetwork(encoder, num_actions=SPEC.num_actions, num_heads=num_heads, settings=settings)


def batch(state_size: int, end_rate: float, seed: int = 0) -> SequenceBatch:
    rng = np.random.default_rng(seed)
    num_slots = BURN_IN + UNROLL + NUM_STEPS
    return random_batch(SPEC, batch_size=5, num_slots=num_slots, state_size=state_size, end_rate=end_rate, rng=rng)


def evaluator(core: Core, burn_in: int = BURN_IN) -> Evaluator:
    return Evaluator(
        online=network(core, 0),
        target=network(core, 1),
        curiosity=None,
        settings=ValueSettings(num_steps=NUM_STEPS, discount=GAMMA),
        burn_in=burn_in,
    )


def slot_by_slot(net: RecurrentQNetwork, tensors: TensorBatch, row: int) -> torch.Tensor:
    state, values = tensors.state[row : row + 1], []
    for slot in range(tensors.action.shape[1]):
        here = tensors.span(slot, slot + 1)
        rows = slice(row, row + 1)
        q, state = net(
            {name: array[rows] for name, array in here.obs.items()},
            here.previous_action[rows],
            here.previous_reward[rows],
            here.is_first[rows],
            state,
        )
        values.append(q[0, 0, 0])
    return torch.stack(values)


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("end_rate", [0.0, 0.15])
def test_values_and_targets_equal_those_of_a_walk_along_each_window(core: Core, end_rate: float) -> None:
    subject = evaluator(core)
    tensors = to_device(batch(subject.online.state_size, end_rate), torch.device("cpu"))
    result = subject.evaluate(tensors)
    for row in range(5):
        with torch.no_grad():
            online, target = (slot_by_slot(net, tensors, row) for net in (subject.online, subject.target))
        for trained in range(UNROLL):
            slot = BURN_IN + trained
            assert bool(result.is_trained[row, trained]) == (not tensors.is_last[row, slot])
            if tensors.is_last[row, slot]:
                continue
            value = result.values[row, trained, 0].detach()
            torch.testing.assert_close(value, online[slot, tensors.action[row, slot]])
            wanted, weight = torch.tensor(0.0), 1.0
            for _ in range(NUM_STEPS):
                if tensors.is_last[row, slot]:
                    break
                wanted = wanted + weight * tensors.reward[row, slot]
                weight, slot = weight * GAMMA, slot + 1
            if not tensors.is_terminal[row, slot]:
                wanted = wanted + weight * unscale(target[slot, online[slot].argmax()])
            torch.testing.assert_close(result.targets[row, trained, 0], rescale(wanted))


@pytest.mark.parametrize("core", ["gru", "lstm"])
def test_burning_in_gives_the_values_of_one_long_unroll(core: Core) -> None:
    subject = evaluator(core)
    tensors = to_device(batch(subject.online.state_size, 0.1), torch.device("cpu"))
    long = evaluator(core, burn_in=0).evaluate(tensors)
    short = subject.evaluate(tensors)
    torch.testing.assert_close(short.values, long.values[:, BURN_IN:])
    torch.testing.assert_close(short.targets, long.targets[:, BURN_IN:])


def gradient_of_previous_rewards(subject: Evaluator, tensors: TensorBatch) -> torch.Tensor:
    leaf = tensors.previous_reward.clone().requires_grad_(True)
    fields = {name: getattr(tensors, name) for name in TensorBatch.__slots__}
    errors = subject.evaluate(TensorBatch(**{**fields, "previous_reward": leaf})).errors
    (gradient,) = torch.autograd.grad(errors.square().sum(), leaf)
    return gradient


def test_no_gradient_reaches_burn_in_or_look_ahead() -> None:
    subject = evaluator("gru")
    gradient = gradient_of_previous_rewards(subject, to_device(batch(8, 0.0), torch.device("cpu")))
    assert (gradient[:, :BURN_IN] == 0).all()
    assert (gradient[:, BURN_IN : BURN_IN + UNROLL] != 0).any(dim=0).all()
    assert (gradient[:, BURN_IN + UNROLL :] == 0).all()


def test_a_last_slot_is_not_learned_from() -> None:
    subject = evaluator("none")
    tensors = to_device(batch(0, 0.2), torch.device("cpu"))
    result: Evaluation = subject.evaluate(tensors)
    assert not result.is_trained.all()
    assert (result.errors[~result.is_trained] == 0).all()
    gradient = gradient_of_previous_rewards(subject, tensors)[:, BURN_IN : BURN_IN + UNROLL]
    assert (gradient[~result.is_trained] == 0).all()


def test_broken_numbers_at_a_last_slot_do_not_reach_the_loss() -> None:
    subject = evaluator("none")
    sequences = batch(0, 0.2)
    sequences.reward[sequences.is_last] = float("nan")
    result = subject.evaluate(to_device(sequences, torch.device("cpu")))
    assert torch.isfinite(result.errors).all()


def test_evaluating_moves_no_weights() -> None:
    subject = evaluator("gru")
    before = copy.deepcopy(subject.online.state_dict())
    subject.evaluate(to_device(batch(8, 0.1), torch.device("cpu")))
    assert all(torch.equal(before[name], after) for name, after in subject.online.state_dict().items())


def test_intrinsic_targets_pay_an_action_with_the_novelty_of_what_it_led_to_and_cross_ends() -> None:
    sizes = CuriositySettings(hidden_size=8, output_size=4, discount=GAMMA)
    curiosity = Curiosity(make_encoder(SPEC, {}, "novelty"), sizes, seed=3)
    subject = Evaluator(
        online=network("gru", 0, num_heads=2),
        target=network("gru", 1, num_heads=2),
        curiosity=curiosity,
        settings=ValueSettings(num_steps=NUM_STEPS, discount=GAMMA),
        burn_in=BURN_IN,
    )
    tensors = to_device(batch(8, 0.15), torch.device("cpu"))
    result = subject.evaluate(tensors)
    assert result.novelty is not None
    with torch.no_grad():
        views = whiten(tensors.obs["view"].flatten(0, 1).float(), curiosity._observations, sizes.clip)
        novelty = curiosity._errors(views).view(5, -1) / result.novelty.returns.std
        inputs = tensors.span(0, None)
        arguments = (inputs.obs, inputs.previous_action, inputs.previous_reward, inputs.is_first, tensors.state)
        q_online, q_target = (net(*arguments)[0][:, :, 1] for net in (subject.online, subject.target))
    value = unscale(q_target.gather(2, q_online.argmax(dim=2, keepdim=True)).squeeze(2))
    num_slots = BURN_IN + UNROLL + NUM_STEPS
    for row in range(5):
        for trained in range(UNROLL):
            wanted, weight = torch.tensor(0.0), 1.0
            for slot in range(BURN_IN + trained, BURN_IN + trained + NUM_STEPS):
                if not tensors.is_last[row, slot]:
                    wanted, weight = wanted + weight * novelty[row, slot + 1], weight * GAMMA
            end = BURN_IN + trained + NUM_STEPS
            if tensors.is_last[row, end] and end + 1 < num_slots:
                end += 1
            torch.testing.assert_close(result.targets[row, trained, 1], rescale(wanted + weight * value[row, end]))
