"""Throughput and use of accelerators are counted, not guessed."""

import math

import pytest

from gamefleet.models.decoder_settings import SIZES
from gamefleet.topologies.sequence.speed import Speed, Work, peak_flops


def test_peaks_are_found_by_a_part_of_the_devices_name() -> None:
    assert peak_flops("NVIDIA H100 80GB HBM3") == 989.4e12
    assert peak_flops("NVIDIA H100 PCIe") == 756e12
    assert peak_flops("NVIDIA A100-SXM4-80GB") == 312e12
    assert peak_flops("NVIDIA L40S") == 362.05e12
    assert peak_flops("Tesla T4") == 65e12
    assert math.isnan(peak_flops("a toaster"))


def test_operations_are_six_per_parameter_and_token_plus_attention() -> None:
    shape = SIZES["200M"]
    work = Work(
        tokens_per_decision=18,
        flops_per_token=lambda mean: 6 * shape.num_parameters() + shape.attention_flops_per_token(mean),
        peak_flops=989.4e12,
    )

    # One segment of 32 decisions: each of its 576 tokens lies in a segment of 576.
    assert work.flops(32, 32 * 32) == 576 * (6 * shape.num_parameters() + 12 * 24 * 1024 * 576)


def test_a_row_tells_rates_and_shares_without_pauses() -> None:
    now = [0.0]
    speed = Speed(Work(tokens_per_decision=2, flops_per_token=lambda mean: 5.0, peak_flops=1000.0), lambda: now[0])
    speed.note_rank_wait(1.0)
    speed.note_pause(10.0)
    now[0] = 20.0

    row = speed.take({"decisions": 100.0, "tokens_seen": 400.0}, world=2)

    assert row["speed/decisions_per_s"] == 10.0
    assert row["speed/tokens_per_s"] == 20.0
    assert row["speed/utilisation"] == pytest.approx(100 * 2 * 5.0 / 10.0 / 1000.0)
    assert row["speed/rank_wait_share"] == pytest.approx(0.1)


def test_without_a_known_peak_there_is_no_utilisation() -> None:
    speed = Speed(Work(tokens_per_decision=2, flops_per_token=lambda mean: 5.0, peak_flops=math.nan))

    assert "speed/utilisation" not in speed.take({"decisions": 1.0, "tokens_seen": 1.0}, world=1)
