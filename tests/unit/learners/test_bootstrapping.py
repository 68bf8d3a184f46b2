"""A network without memory is evaluated only where values are needed, and that changes no number."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from gamefleet.learners.bootstrapping import bootstrap_slots
from gamefleet.learners.evaluation import Evaluation, Evaluator
from gamefleet.learners.settings import ValueSettings
from gamefleet.learners.tensors import TensorBatch, to_device
from gamefleet.models.recurrent import RecurrentQNetwork
from gamefleet.models.settings import Core, NetworkSettings
from gamefleet.testing.batches import random_batch
from gamefleet.testing.toys import corridor
from gamefleet.testing.toys.encoders import make_encoder

SPEC = corridor.make_spec(corridor.CorridorConfig())


class LegalFromView(nn.Module):
    """The toy's encoder; the legal actions lie beside what it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = make_encoder(SPEC, {}, "policy")
        self.output_size = self.inner.output_size
        self.num_rows = 0

    def forward(self, obs: dict[str, torch.Tensor]) -> torch.Tensor:
        self.num_rows += obs["legal"].shape[0]
        features: torch.Tensor = self.inner({name: array for name, array in obs.items() if name != "legal"})
        return features


def network(core: Core, seed: int) -> RecurrentQNetwork:
    torch.manual_seed(seed)
    settings = NetworkSettings(core=core, hidden_size=8, head_size=4)
    return RecurrentQNetwork(
        LegalFromView(), num_actions=SPEC.num_actions, num_heads=1, settings=settings, legal="legal"
    )


def rows(subject: RecurrentQNetwork) -> int:
    assert isinstance(subject.encoder, LegalFromView)
    return subject.encoder.num_rows


def tensors(num_trained: int, num_steps: int, burn_in: int = 0) -> TensorBatch:
    rng = np.random.default_rng(3)
    batch = random_batch(
        SPEC, batch_size=50, num_slots=burn_in + num_trained + num_steps, state_size=0, end_rate=0.2, rng=rng
    )
    legal = np.packbits(rng.random((*batch.action.shape, SPEC.num_actions)) < 0.5, axis=-1)
    return to_device(replace(batch, obs={**batch.obs, "legal": legal}), torch.device("cpu"))


class WholeWindows(Evaluator):
    """Runs both networks over whole windows, whatever is needed."""

    __slots__ = ()

    def _needs_few(self, num_trained: int) -> bool:
        return False


def evaluate(
    kind: type[Evaluator], core: Core, batch: TensorBatch, num_steps: int, burn_in: int
) -> tuple[Evaluation, int]:
    online, target = network(core, 0), network(core, 1)
    settings = ValueSettings(num_steps=num_steps, discount=0.9)
    subject = kind(online=online, target=target, curiosity=None, settings=settings, burn_in=burn_in)
    return subject.evaluate(batch), rows(online) + rows(target)


@pytest.mark.parametrize("core", ["none", "identity"])
@pytest.mark.parametrize(("num_trained", "num_steps", "burn_in"), [(1, 2, 0), (1, 4, 2), (3, 2, 0), (4, 5, 1)])
def test_values_and_targets_are_those_of_whole_windows(
    core: Core, num_trained: int, num_steps: int, burn_in: int
) -> None:
    batch = tensors(num_trained, num_steps, burn_in)
    few, few_rows = evaluate(Evaluator, core, batch, num_steps, burn_in)
    whole, whole_rows = evaluate(WholeWindows, core, batch, num_steps, burn_in)
    torch.testing.assert_close(few.values, whole.values)
    torch.testing.assert_close(few.errors, whole.errors)
    assert few_rows == 50 * 3 * num_trained < whole_rows


def test_long_windows_are_evaluated_as_a_whole() -> None:
    _, num_rows = evaluate(Evaluator, "identity", tensors(8, 2), 2, 0)
    assert num_rows == 50 * 2 * (8 + 2)


def test_a_return_ends_at_the_episodes_last_slot_or_after_its_rewards() -> None:
    is_last = torch.tensor([[0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0, 0]]).bool()
    assert bootstrap_slots(is_last, 3).tolist() == [[2, 2, 2, 6], [3, 4, 5, 6], [0, 1, 5, 6]]


def test_the_best_action_is_a_legal_one() -> None:
    batch = tensors(1, 1)
    everything = replace(batch, obs={**batch.obs, "legal": torch.full_like(batch.obs["legal"], 255)})
    masked, _ = evaluate(Evaluator, "identity", batch, 1, 0)
    free, _ = evaluate(Evaluator, "identity", everything, 1, 0)
    legal = network("identity", 0).legal_actions({"legal": batch.obs["legal"]})
    assert legal is not None
    differs = (masked.targets != free.targets)[:, 0, 0]
    assert differs.any()
    assert not legal[differs, 1].all(dim=-1).any()
