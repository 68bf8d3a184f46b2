"""Step sizes follow the batch and the schedule as their sources say."""

import itertools
import math

import pytest

from gamefleet.errors import ConfigError
from gamefleet.learners.sequence_settings import SequenceSettings, step_sizes


def test_at_the_reference_batch_nothing_changes() -> None:
    sizes = step_sizes(SequenceSettings(), 1024)

    assert (sizes.learning_rate, sizes.beta1, sizes.beta2, sizes.epsilon) == (3e-4, 0.9, 0.95, 1e-8)


def test_the_square_root_rule_scales_rate_betas_and_epsilon() -> None:
    sizes = step_sizes(SequenceSettings(), 4096)

    assert sizes.learning_rate == pytest.approx(6e-4)
    assert (1 - sizes.beta1, 1 - sizes.beta2) == pytest.approx((4 * 0.1, 4 * 0.05))
    assert sizes.epsilon == pytest.approx(0.5e-8)
    assert "Malladi et al. 2022" in sizes.sentence
    assert "4,096 decisions" in sizes.sentence


def test_betas_do_not_fall_below_one_half() -> None:
    sizes = step_sizes(SequenceSettings(), 64 * 1024)

    assert (sizes.beta1, sizes.beta2) == (0.5, 0.5)
    assert "which would make the betas -5.4 and -2.2: none is taken below 0.5" in sizes.sentence
    assert "none is taken" not in step_sizes(SequenceSettings(), 5 * 1024).sentence


def test_other_rules_scale_the_rate_alone_or_nothing() -> None:
    assert step_sizes(SequenceSettings(scaling="linear"), 2048).learning_rate == pytest.approx(6e-4)
    assert step_sizes(SequenceSettings(scaling="none"), 2048).learning_rate == 3e-4
    assert step_sizes(SequenceSettings(scaling="linear"), 2048).beta1 == 0.9


@pytest.mark.parametrize("schedule", ["cosine", "wsd"])
def test_the_rate_rises_and_ends_at_the_final_share(schedule: str) -> None:
    settings = SequenceSettings(schedule=schedule)  # type: ignore[arg-type]
    shares = [settings.rate_share(step, 1000) for step in range(1000)]

    assert shares[:10] == pytest.approx([0.1 * (step + 1) for step in range(10)])
    assert max(shares) == 1.0
    assert shares[-1] == pytest.approx(0.1, abs=0.005)
    assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(shares[10:]))


def test_cosine_is_half_way_in_the_middle_and_wsd_stays_until_its_last_fifth() -> None:
    assert SequenceSettings(warmup_share=0.0).rate_share(500, 1000) == pytest.approx(0.55, abs=1e-3)
    assert SequenceSettings(schedule="wsd").rate_share(799, 1000) == pytest.approx(1.0)
    assert SequenceSettings(schedule="constant").rate_share(999, 1000) == 1.0


def test_values_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"learner\.learning_rate"):
        SequenceSettings(learning_rate=-1.0)
    assert math.isfinite(SequenceSettings().epsilon)
