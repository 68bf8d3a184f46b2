"""`gamefleet bench data`: which benchmarks it stands for, and what they are told."""

from pathlib import Path

import pytest

from gamefleet.cli.bench import find_benchmarks, is_long
from gamefleet.cli.bench_data import BENCHMARKS, expanded, words_for
from gamefleet.errors import ConfigError


def test_data_stands_for_its_benchmarks_which_exist_and_do_not_run_without_being_named(repository: Path) -> None:
    available = find_benchmarks(repository / "benchmarks")

    assert expanded(["data", "replay"]) == [*BENCHMARKS, "replay"]
    assert all(is_long(available[name]) for name in BENCHMARKS)
    assert expanded([]) == []


def test_what_is_asked_for_reaches_the_benchmarks_that_understand_it() -> None:
    assert words_for("loader", comprehensive=True, data_dir=Path("d")) == ["--comprehensive", "--data-dir=d"]
    assert words_for("replay_stores", comprehensive=True, data_dir=Path("d")) == ["--comprehensive"]
    assert words_for("replay", comprehensive=False, data_dir=None) == []
    with pytest.raises(ConfigError, match="Only the benchmarks of data"):
        words_for("replay", comprehensive=True, data_dir=None)
