"""A learner on another machine gives the result of one machine, bit for bit, and goes on where it was cut."""

from pathlib import Path
from typing import Any

import pytest
from tests.topologies.remote_pair import coordinated, served, settings_of, solo, weights_hash

EXACT = {"weights": "float32", "groups": 1}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Hash of the weights after the run on one machine."""
    return weights_hash(solo(settings_of(tmp_path_factory.mktemp("solo"), "alone")))


@pytest.mark.parametrize(
    "remote",
    [
        {"inference": "actor"},
        {"inference": "learner"},
        {"inference": "actor", "batches": "arrays"},
        {"inference": "learner", "batches": "arrays"},
    ],
    ids=lambda remote: "-".join(remote.values()),
)
def test_the_result_is_that_of_one_machine(wanted: str, tmp_path: Path, remote: dict[str, Any]) -> None:
    config = settings_of(tmp_path / "runs", "apart", remote={**EXACT, **remote})
    with served(tmp_path / "learner") as learner:
        outcome = coordinated(config, learner)

    assert outcome.status == "finished"
    assert weights_hash(outcome) == wanted
