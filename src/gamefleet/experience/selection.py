"""Which trajectories of a dataset are learned from.

Job: choose by rating, group, day and number of decisions. Place in the data flow: between `dataset` and `packing`. Left
out: reading records.

A record is one battle; each of its views whose player is good enough is a trajectory of its own, so that a battle
between a strong and a weak player teaches what the strong one did.

Axes: `trajectory`, `record`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from gamefleet.errors import ConfigError, nearest
from gamefleet.experience.dataset import Dataset
from gamefleet.experience.dataset_format import NUM_VIEWS
from gamefleet.experience.order import Order

CHOICE_SEED = 20_000
"""`max_samples` takes the same trajectories in every run: a smaller choice is part of a larger one."""


class NothingChosenError(ConfigError):
    """Nothing in a dataset fits a selection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is chosen; the defaults choose everything.

    Args:
        min_rating: A view is used when its own player has at least this; a player without a rating counts as 0.
        groups: Only records of these groups; all when empty.
        since_day: First day, in days since 1970-01-01; 0 for no limit. With one, records without a day are left out.
        until_day: Last day, likewise.
        max_samples: At most so many decisions, chosen at random but always alike; 0 for no limit.
    """

    min_rating: int = 0
    groups: tuple[str, ...] = ()
    since_day: int = 0
    until_day: int = 0
    max_samples: int = 0

    def in_words(self) -> str:
        """What is asked for, for people."""
        parts = [
            f"a rating of at least {self.min_rating}" if self.min_rating else "",
            f"only {' and '.join(self.groups)}" if self.groups else "",
            f"from {_date(self.since_day)} on" if self.since_day else "",
            f"up to {_date(self.until_day)}" if self.until_day else "",
            f"at most {self.max_samples:,} decisions" if self.max_samples else "",
        ]
        return ", ".join(part for part in parts if part) or "everything"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectories:
    """What was chosen.

    Args:
        record: int64 `[trajectory]`, number of the record.
        view: uint8 `[trajectory]`, 0 or 1.
        length: int32 `[trajectory]`, decisions, at least 1.
        fingerprint: Changes with the data and with the choice; a cursor is only good for what it was made for.
    """

    record: NDArray[np.int64]
    view: NDArray[np.uint8]
    length: NDArray[np.int32]
    fingerprint: str

    def __len__(self) -> int:
        return len(self.record)

    @property
    def num_decisions(self) -> int:
        """Of all of them."""
        return int(self.length.sum(dtype=np.int64))


def choose(dataset: Dataset, selection: Selection, *, holdout: tuple[int, int] = (0, 0)) -> Trajectories:
    """Find the trajectories that a selection means.

    Args:
        dataset: Where from.
        selection: What.
        holdout: `(part, parts)`: with parts > 0 every `parts`-th chosen record is set aside for evaluation; part 0
            gives the others, part 1 those.

    Raises:
        NothingChosenError: Nothing is left.
        ConfigError: A group does not exist; says what there is.
    """
    is_chosen = _records(dataset, selection)
    part, parts = holdout
    if parts:
        # Counted among those that are chosen: else a rare group could lie between two that are set aside.
        is_aside = np.cumsum(is_chosen) % parts == 0
        is_chosen &= is_aside if part else ~is_aside
    lengths, ratings = dataset.column("lengths"), dataset.column("ratings")
    is_used = is_chosen[:, None] & (lengths > 0) & (np.maximum(ratings, 0) >= selection.min_rating)
    numbers = np.flatnonzero(is_used)  # 2 * record + view
    kept = _limited(numbers, lengths.reshape(-1)[numbers], selection.max_samples)
    if not len(kept):
        raise _nothing(dataset, selection)
    choice = msgspec.json.encode([dataset.fingerprint, asdict(selection), holdout])
    return Trajectories(
        record=kept // NUM_VIEWS,
        view=(kept % NUM_VIEWS).astype(np.uint8),
        length=lengths.reshape(-1)[kept].astype(np.int32),
        fingerprint=xxhash.xxh3_64_hexdigest(choice),
    )


def _date(day: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=day)).isoformat()


def _records(dataset: Dataset, selection: Selection) -> NDArray[np.bool_]:
    is_chosen = np.ones(len(dataset), np.bool_)
    if selection.groups:
        is_chosen &= np.isin(dataset.column("group"), _numbers(selection.groups, dataset.manifest.groups))
    day = dataset.column("day")
    if selection.since_day:
        is_chosen &= day >= selection.since_day
    if selection.until_day:
        is_chosen &= (day > 0) & (day <= selection.until_day)
    return is_chosen


def _numbers(wanted: Sequence[str], known: list[str]) -> list[int]:
    for group in wanted:
        if group not in known:
            raise ConfigError("The dataset has no such group", value=group, remedy=nearest(group, known))
    return [known.index(group) for group in wanted]


def _limited(numbers: NDArray[np.int64], lengths: NDArray[np.uint16], max_samples: int) -> NDArray[np.int64]:
    """The first of a fixed random order, as many as have no more than `max_samples` decisions; sorted by number."""
    if not max_samples or not len(numbers):
        return numbers
    order = Order(len(numbers), seed=CHOICE_SEED, epoch=0).at(np.arange(len(numbers)))
    total = np.cumsum(lengths[order], dtype=np.int64)
    return np.sort(numbers[order[: np.searchsorted(total, max_samples, side="right")]])


def _nothing(dataset: Dataset, selection: Selection) -> NothingChosenError:
    ratings = dataset.column("ratings")
    highest = int(ratings.max()) if len(dataset) else 0
    return NothingChosenError(
        f"Nothing in the dataset fits what is asked for: {selection.in_words()}",
        where=dataset.folder,
        remedy=f"It holds {len(dataset)} records of {', '.join(sorted(dataset.manifest.groups)) or 'no group'}; the "
        f"highest rating is {highest}. Ask for less, or for data that has it.",
    )
