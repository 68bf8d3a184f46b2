import numpy as np
import pytest
import torch

from gamefleet.learners.curiosity import Curiosity, discounted_sums, whiten
from gamefleet.learners.normalise import Moments
from gamefleet.learners.settings import CuriositySettings
from gamefleet.testing.toys import chain
from gamefleet.testing.toys.encoders import make_encoder

SPEC = chain.make_spec(chain.ChainConfig(length=9))
NO_ENDS = torch.zeros(4, 6, dtype=torch.bool)


def make(**settings: float) -> Curiosity:
    sizes = {"hidden_size": 16, "output_size": 8, "learning_rate": 1e-2}
    return Curiosity(make_encoder(SPEC, {}, "novelty"), CuriositySettings(**{**sizes, **settings}), seed=1)


def seen(cells: list[list[int]]) -> dict[str, torch.Tensor]:
    return {"position": torch.eye(10, dtype=torch.uint8)[torch.tensor(cells)]}


def random_cells(low: int, high: int) -> dict[str, torch.Tensor]:
    return seen(np.random.default_rng(0).integers(low, high, size=(4, 6)).tolist())


def train(curiosity: Curiosity, obs: dict[str, torch.Tensor]) -> None:
    novelty = curiosity.measure(obs, NO_ENDS)
    novelty.loss.backward()
    curiosity.clip()
    curiosity.learn(novelty)


def test_features_are_whitened_and_clipped() -> None:
    moments = Moments.empty(2, torch.device("cpu")).including(torch.tensor([[1.0, 0.0], [3.0, 0.0]]))
    features = torch.tensor([[2.0, 0.0], [4.0, 0.0], [100.0, 0.1], [-100.0, -0.1]])
    assert whiten(features, moments, 5.0).tolist() == [[0.0, 0.0], [2.0, 0.0], [5.0, 5.0], [-5.0, -5.0]]


def test_warming_up_sets_the_whitening_and_only_that() -> None:
    curiosity = make()
    assert curiosity.needs_warm_up
    before = curiosity.export_state()
    cells = np.eye(10, dtype=np.uint8)[[0, 0, 1]]
    curiosity.warm_up({"position": cells[:2]})
    curiosity.warm_up({"position": cells[2:]})
    assert not curiosity.needs_warm_up
    after = curiosity.export_state()
    np.testing.assert_allclose(after["observations"]["mean"][:3], [2 / 3, 1 / 3, 0], rtol=1e-6)
    assert after["observations"]["count"] == 3
    assert all((before["predictor"][name] == after["predictor"][name]).all() for name in before["predictor"])
    assert before["random"] == after["random"]


def test_discounted_sums_run_along_the_window_and_past_ends() -> None:
    reward = torch.tensor([[1.0, 2.0, 0.0, 3.0]])
    is_last = torch.tensor([[False, False, True, False]])
    start = 2.0 / (1 - 0.5)  # the mean reward of slots with an action is 2
    wanted = [0.5 * start + 1, 0.25 * start + 0.5 + 2]
    wanted = [*wanted, wanted[1], 0.5 * wanted[1] + 3]
    assert discounted_sums(reward, is_last, 0.5)[0].tolist() == pytest.approx(wanted)


def test_rewards_are_errors_divided_by_the_running_std_of_their_discounted_sum() -> None:
    curiosity = make(train_share=1.0)
    first, second = random_cells(0, 5), random_cells(5, 10)
    one = curiosity.measure(first, NO_ENDS)
    one.loss.backward()
    curiosity.learn(one)
    two = curiosity.measure(second, NO_ENDS)
    raw_one, raw_two = (n.reward * n.returns.std for n in (one, two))
    sums = [discounted_sums(raw, NO_ENDS, 0.99).flatten() for raw in (raw_one, raw_two)]
    assert float(two.returns.std) == pytest.approx(float(torch.cat(sums).std(correction=0)), rel=1e-5)
    assert float(two.error) == pytest.approx(float(raw_two.mean()), rel=1e-5)
    assert float(two.loss.detach()) == pytest.approx(float(raw_two.mean()), rel=1e-5)


def test_last_slots_earn_nothing() -> None:
    is_last = NO_ENDS.clone()
    is_last[1, 2] = True
    reward = make().measure(random_cells(0, 10), is_last).reward
    assert reward[1, 2] == 0
    assert (reward[~is_last] > 0).all()


def test_what_was_seen_often_becomes_boring_and_what_was_not_stays_new() -> None:
    curiosity = make()
    known, new = random_cells(0, 5), random_cells(5, 10)
    for _ in range(100):
        train(curiosity, known)
    reward_known, reward_new = (curiosity.measure(obs, NO_ENDS).reward.mean() for obs in (known, new))
    assert reward_new > 20 * reward_known


def test_the_predictor_learns_from_the_chosen_share_only() -> None:
    curiosity = make(train_share=0.25)
    before = curiosity.export_state()["observations"]["count"]
    train(curiosity, random_cells(0, 10))
    assert curiosity.export_state()["observations"]["count"] - before == 6


def test_measuring_changes_nothing_but_the_random_numbers() -> None:
    curiosity = make()
    before, random_state = curiosity.export_state(), curiosity.random_state
    curiosity.measure(random_cells(0, 10), NO_ENDS).loss.backward()
    curiosity.forget(random_state)
    after = curiosity.export_state()
    assert before["random"] == after["random"]
    assert before["observations"]["count"] == after["observations"]["count"]


def test_the_target_is_fixed_by_its_seed_and_never_trained() -> None:
    one, other = make(), make()
    train(one, random_cells(0, 10))
    first, second = one.export_state()["target"], other.export_state()["target"]
    assert all((first[name] == second[name]).all() for name in first)


def test_making_networks_leaves_the_global_random_numbers_alone() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    make()
    assert torch.equal(torch.rand(1), wanted)
