"""Comparing evaluations with their uncertainty.

Job: intervals for means, paired differences and rates, and the table that the command line prints. Place in the data
flow: results of `evaluate` -> rows of text. Left out: printing.

Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13 (percentile intervals); Wilson 1927 (the
score interval, recommended for few trials by Brown, Cai & DasGupta 2001); Agarwal et al. 2021 (intervals, not points,
for few runs of reinforcement learning).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gamefleet.actors.evaluate import EpisodeResult

NUM_RESAMPLES = 10_000
CONFIDENCE = 0.95
Z_95 = 1.959963984540054
"""The 97.5 % quantile of the normal distribution, for 95 % intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """An estimate and its 95 % interval.

    Args:
        value: The estimate.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of text under headings.

    Args:
        columns: Headings, the first of them for the row's name.
        rows: As many cells as columns.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


MEASURES: Mapping[str, Callable[[EpisodeResult], float]] = {
    "milestones": lambda result: float(len(result.summary.milestones)),
    "progress": lambda result: result.summary.progress,
    "return": lambda result: result.summary.total_return,
    "different cells": lambda result: float(result.summary.num_cells),
    "steps": lambda result: float(result.summary.num_steps),
}
"""What is compared besides the rate of each milestone."""


def mean_interval(values: Sequence[float], *, seed: int = 0) -> Interval:
    """The mean and its percentile bootstrap interval.

    Args:
        values: One per seed, at least one.
        seed: Of the resampling, so that a report is the same each time.
    """
    array = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    means = array[rng.integers(len(array), size=(NUM_RESAMPLES, len(array)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value=float(array.mean()), low=float(low), high=float(high))


def paired_difference(first: Sequence[float], second: Sequence[float], *, seed: int = 0) -> Interval:
    """The mean of first - second over the same seeds and its interval; pairing removes the seeds' own noise.

    Raises:
        ValueError: The two do not have equally many values.
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values cannot be paired")
    return mean_interval(np.subtract(first, second).tolist(), seed=seed)


def rate_interval(successes: int, trials: int) -> Interval:
    """A success rate and its Wilson score interval.

    Args:
        successes: At most `trials`.
        trials: At least 1.
    """
    rate, shrink = successes / trials, 1.0 / (1.0 + Z_95**2 / trials)
    centre = (rate + Z_95**2 / (2 * trials)) * shrink
    width = Z_95 * math.sqrt(rate * (1 - rate) / trials + Z_95**2 / (4 * trials**2)) * shrink
    return Interval(value=rate, low=max(0.0, centre - width), high=min(1.0, centre + width))


def compare(players: Mapping[str, Sequence[EpisodeResult]], milestones: Sequence[str]) -> Table:
    """Put players side by side; the first one also against each other one, paired by seed.

    Args:
        players: Results by name, all over the same seeds in the same order.
        milestones: The spec's milestones; those that nobody reached are left out.

    Returns:
        One row per measure and per milestone; one column per player and per difference.

    Raises:
        ValueError: The seeds differ.
    """
    names = list(players)
    seeds = {tuple(result.seed for result in results) for results in players.values()}
    if len(seeds) != 1:
        raise ValueError("the players did not play the same seeds")
    values = {name: _values(results) for name, results in players.items()}
    rows = [_row(measure, values) for measure in MEASURES]
    rows += [row for milestone in milestones if (row := _milestone_row(milestone, players)) is not None]
    differences = tuple(f"{names[0]} - {name}" for name in names[1:])
    return Table(columns=("measure", *names, *differences), rows=tuple(rows))


def _values(results: Sequence[EpisodeResult]) -> dict[str, list[float]]:
    return {name: [measure(result) for result in results] for name, measure in MEASURES.items()}


def _row(measure: str, values: Mapping[str, Mapping[str, Sequence[float]]]) -> tuple[str, ...]:
    columns = [per_player[measure] for per_player in values.values()]
    means = [str(mean_interval(column)) for column in columns]
    differences = [str(paired_difference(columns[0], column)) for column in columns[1:]]
    return (measure, *means, *differences)


def _milestone_row(milestone: str, players: Mapping[str, Sequence[EpisodeResult]]) -> tuple[str, ...] | None:
    reached = [_reached(milestone, results) for results in players.values()]
    if not any(column.any() for column in reached):
        return None
    rates = [str(rate_interval(int(column.sum()), len(column))) for column in reached]
    differences = [str(paired_difference(reached[0].tolist(), column.tolist())) for column in reached[1:]]
    return (f"reached {milestone}", *rates, *differences)


def _reached(milestone: str, results: Sequence[EpisodeResult]) -> NDArray[np.float64]:
    return np.array([milestone in result.first_steps for result in results], np.float64)
