import numpy as np
import pytest
import torch
from torch import nn

from gamefleet.models.recurrent import RecurrentQNetwork, segments
from gamefleet.models.rescaling import rescale, unscale
from gamefleet.models.settings import Core, NetworkSettings
from gamefleet.testing.toys import corridor
from gamefleet.testing.toys.encoders import make_encoder

SPEC = corridor.make_spec(corridor.CorridorConfig())
CORES: list[Core] = ["gru", "lstm", "none", "identity"]
each_core = pytest.mark.parametrize("core", CORES)
Inputs = tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, torch.Tensor]


def make(core: Core, num_heads: int = 1) -> RecurrentQNetwork:
    torch.manual_seed(0)
    settings = NetworkSettings(core=core, hidden_size=8, head_size=4)
    encoder = make_encoder(SPEC, {}, "policy")
    return RecurrentQNetwork(encoder, num_actions=SPEC.num_actions, num_heads=num_heads, settings=settings)


def inputs(batch: int, time: int) -> Inputs:
    generator = torch.Generator().manual_seed(1)
    obs = {"view": torch.randint(0, 2, (batch, time, 4), dtype=torch.uint8, generator=generator)}
    action = torch.randint(-1, 3, (batch, time), generator=generator)
    reward = torch.randn(batch, time, generator=generator)
    return obs, action, reward, torch.zeros(batch, time, dtype=torch.bool)


def cut(all_inputs: Inputs, rows: slice, slots: slice) -> Inputs:
    obs, *others = all_inputs
    action, reward, is_first = (tensor[rows, slots] for tensor in others)
    return {name: array[rows, slots] for name, array in obs.items()}, action, reward, is_first


EVERY = slice(None)


@each_core
def test_one_call_over_time_equals_many_calls_of_one_slot(core: Core) -> None:
    network = make(core)
    everything = inputs(3, 7)
    everything[3][1, 4] = True
    start = torch.randn(3, network.state_size)
    q, end = network(*everything, start)
    state, pieces = start, []
    for slot in range(7):
        piece, state = network(*cut(everything, EVERY, slice(slot, slot + 1)), state)
        pieces.append(piece)
    torch.testing.assert_close(q, torch.cat(pieces, dim=1))
    torch.testing.assert_close(end, state)


@each_core
def test_a_reset_makes_what_follows_a_sequence_of_its_own(core: Core) -> None:
    network = make(core)
    everything = inputs(2, 9)
    everything[3][0, 3] = True
    everything[3][1, 6] = True
    start = torch.randn(2, network.state_size)
    q, end = network(*everything, start)
    for row, slot in [(0, 3), (1, 6)]:
        rows = slice(row, row + 1)
        before, _ = network(*cut(everything, rows, slice(0, slot)), start[rows])
        after, last = network(*cut(everything, rows, slice(slot, None)), network.initial_state(1))
        torch.testing.assert_close(q[rows], torch.cat([before, after], dim=1))
        torch.testing.assert_close(end[rows], last)


@each_core
def test_a_reset_at_the_first_slot_forgets_the_given_state_even_when_it_is_broken(core: Core) -> None:
    network = make(core)
    everything = inputs(2, 3)
    everything[3][:, 0] = True
    q, _ = network(*everything, torch.full((2, network.state_size), float("nan")))
    fresh, _ = network(*everything, network.initial_state(2))
    torch.testing.assert_close(q, fresh)


@pytest.mark.parametrize("core", ["gru", "lstm"])
def test_a_core_with_memory_depends_on_the_past_and_gradients_stop_at_resets(core: Core) -> None:
    network = make(core)
    everything = inputs(1, 6)
    everything[3][0, 3] = True
    reward = everything[2].requires_grad_(True)
    q, _ = network(*everything, network.initial_state(1))
    (gradient,) = torch.autograd.grad(q[0, 5].sum(), reward)
    assert (gradient[0, :3] == 0).all()
    assert (gradient[0, 3:] != 0).all()


def test_the_feed_forward_core_sees_only_its_slot() -> None:
    network = make("none")
    everything = inputs(1, 4)
    reward = everything[2].requires_grad_(True)
    q, state = network(*everything, network.initial_state(1))
    (gradient,) = torch.autograd.grad(q[0, 3].sum(), reward)
    assert (gradient[0, :3] == 0).all()
    assert state.shape == (1, 0)


def test_an_lstm_packs_its_hidden_state_before_its_cell_state() -> None:
    network = make("lstm")
    everything = inputs(2, 1)
    start = torch.randn(2, 16)
    _, end = network(*everything, start)
    features = network.encode(*everything[:3])
    _, (hidden, cell) = network.core(features, (start[None, :, :8].contiguous(), start[None, :, 8:].contiguous()))
    torch.testing.assert_close(end, torch.cat([hidden[0], cell[0]], dim=1))


def test_the_core_reads_the_squashed_previous_reward_and_no_action_at_the_start() -> None:
    network = make("gru")
    obs, action, reward, _ = inputs(2, 3)
    action[:] = torch.tensor([-1, 0, 2])
    features = network.encode(obs, action, reward)
    one_hot = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 0, 1]]).expand(2, 3, 3)
    torch.testing.assert_close(features[..., -4:-1], one_hot)
    torch.testing.assert_close(features[..., -1], rescale(reward))


def test_time_is_cut_where_any_sequence_resets() -> None:
    is_first = torch.zeros(2, 6, dtype=torch.bool)
    assert segments(is_first) == [(0, 6)]
    is_first[0, 0] = is_first[0, 2] = is_first[1, 5] = True
    assert segments(is_first) == [(0, 2), (2, 5), (5, 6)]


def test_heads_are_mixed_where_they_are_returns() -> None:
    network = make("gru", num_heads=2)
    q = torch.randn(5, 2, 3)
    mixed = network.action_values(q, 0.5)
    torch.testing.assert_close(mixed, unscale(q[:, 0]) + 0.5 * unscale(q[:, 1]))
    assert (network.action_values(q, 0.0).argmax(dim=1) == q[:, 0].argmax(dim=1)).all()
    weights = torch.tensor([0.0, 1, 2, 3, 4]).unsqueeze(1)
    torch.testing.assert_close(network.action_values(q, weights)[4], unscale(q[4, 0]) + 4 * unscale(q[4, 1]))


def test_one_head_ignores_the_weight_of_curiosity() -> None:
    network = make("gru")
    q = torch.randn(5, 1, 3)
    torch.testing.assert_close(network.action_values(q, 0.5), unscale(q[:, 0]))


def test_the_identity_core_hands_the_encoders_features_to_the_heads_alone() -> None:
    network = make("identity")
    obs, action, reward, is_first = inputs(2, 3)
    q, _ = network(obs, action, reward, is_first, network.initial_state(2))
    torch.testing.assert_close(q, network.heads(network.encoder({"view": obs["view"].flatten(0, 1)}).view(2, 3, -1)))
    other, _ = network(obs, (action + 1) % 3, reward + 1.0, ~is_first, network.initial_state(2))
    torch.testing.assert_close(q, other)
    assert network.state_size == 0


class OwnHeads(nn.Module):
    """An encoder whose features are the action values."""

    output_size = 3

    def forward(self, obs: dict[str, torch.Tensor]) -> torch.Tensor:
        return obs["view"][..., :3].float()

    def make_heads(self, num_heads: int) -> nn.Module:
        return nn.Unflatten(-1, (num_heads, 3))


def test_an_encoder_may_bring_its_own_heads() -> None:
    settings = NetworkSettings(core="identity", hidden_size=1)
    network = RecurrentQNetwork(OwnHeads(), num_actions=3, num_heads=1, settings=settings)
    network.anchor = nn.Parameter(torch.zeros(1))
    obs, *others = inputs(2, 5)
    q, _ = network(obs, *others, network.initial_state(2))
    assert (q[:, :, 0] == obs["view"][..., :3]).all()


def test_legal_actions_are_the_bits_that_numpy_packed() -> None:
    legal = np.random.default_rng(0).random((4, 6, 11)) < 0.5
    settings = NetworkSettings(core="identity")
    encoder = make_encoder(SPEC, {}, "policy")
    network = RecurrentQNetwork(encoder, num_actions=11, num_heads=1, settings=settings, legal="mask")
    unpacked = network.legal_actions({"mask": torch.from_numpy(np.packbits(legal, axis=-1))})
    assert unpacked is not None
    assert (unpacked.numpy() == legal).all()
    assert make("none").legal_actions({}) is None
