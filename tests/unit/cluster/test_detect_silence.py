"""What is said where SLURM's programs answer nothing."""

from collections.abc import Sequence

import pytest

from gamefleet.cluster.commands import Finished
from gamefleet.cluster.detect import detect

NO_CLUSTER = "error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host"


@pytest.mark.parametrize(
    ("error", "plain"),
    [
        (NO_CLUSTER, "this machine belongs to no cluster"),
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", "controller does not answer"),
        ("something else is wrong", "something else is wrong"),
    ],
)
def test_one_note_says_in_words_why_nothing_can_be_learned(error: str, plain: str) -> None:
    def silent(words: Sequence[str], *, timeout_s: float = 30.0) -> Finished:
        return Finished(status=0 if "--version" in words else 1, out="", err=f"{error}\nmore")

    (note,) = detect({}, silent, user="user").unknown

    assert note.startswith("partitions, nodes and accounts cannot be learned here and are not checked: ")
    assert plain in note
    assert "res_nsearch" not in note
