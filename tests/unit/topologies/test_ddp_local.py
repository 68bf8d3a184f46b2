"""Ranks that were started on this machine end with whoever started them; failures of rank 0 keep their exit status."""

import subprocess
import sys
from collections.abc import Mapping

import pytest
from tests.waiting import PATIENCE_S

from gamefleet.errors import ConfigError
from gamefleet.topologies.ddp.group import Group, RankLostError
from gamefleet.topologies.ddp.local import run_local_ranks
from gamefleet.topologies.ddp.ranks import Place

RANK = """
import os, time
from gamefleet.topologies.ddp.local import ask_to_end, end_with_parent
end_with_parent(os.environ, ask_to_end)
print("rank", flush=True)
time.sleep(600)
"""
PARENT = """
import os, sys
from gamefleet.topologies.ddp.local import run_local_ranks
sys.exit(run_local_ranks([sys.executable, "-c", sys.argv[1]], 2, os.environ))
"""


def test_ranks_end_when_their_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, RANK], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert [parent.stdout.readline() for _ in range(2)] == ["rank\n"] * 2

    parent.kill()

    # The ranks hold the other end of this pipe: it ends when all of them have.
    assert parent.communicate(timeout=PATIENCE_S) == ("", None)


def test_a_status_of_a_rank_is_that_of_all() -> None:
    assert run_local_ranks([sys.executable, "-c", "raise SystemExit(5)"], 2, {}) == 5
    assert run_local_ranks([sys.executable, "-c", ""], 2, {}) == 0


class Notes(dict[str, str]):
    """A store of one process."""

    def set(self, name: str, text: str) -> None:
        self[name] = text

    def add(self, name: str, amount: int) -> int:
        """A counter; the other rank has always heard already."""
        return 1


def test_other_ranks_end_with_the_exit_status_of_rank_0() -> None:
    notes = Notes()

    def refuse() -> Mapping[str, object]:
        raise ConfigError("There is no such setting", value="x")

    with pytest.raises(ConfigError):
        Group(place=Place(rank=0, world=2), store=notes).from_first(refuse, name="decision")
    with pytest.raises(RankLostError, match="no such setting") as lost:
        Group(place=Place(rank=1, world=2), store=notes).from_first(refuse, name="decision")
    assert lost.value.exit_code == ConfigError.exit_code
