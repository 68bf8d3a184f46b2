"""What runs on the login node, in a folder into which others may write as well."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gamefleet.cluster.ssh import Remote
from gamefleet.cluster.tunnel import agree_on_token

HERE = ("sh", "-c", 'eval "$2"', "ssh")
"""In place of ssh: what was to run there runs here."""


def agreed(folder: Path, offered: str) -> str:
    return agree_on_token(Remote(user="", host="login", folder=str(folder)), offered, ssh=HERE)


def test_of_many_viewers_that_offer_a_token_at_once_all_get_the_same(tmp_path: Path) -> None:
    offers = [f"offer-{number}" for number in range(12)]
    with ThreadPoolExecutor(len(offers)) as pool:
        got = set(pool.map(lambda offer: agreed(tmp_path, offer), offers))
    token = tmp_path / "stream" / "token"
    assert got == {token.read_text().strip()}
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "stream").iterdir()] == ["token"]


@pytest.mark.parametrize("leftover", [None, ""])
def test_a_token_that_a_full_disk_left_empty_is_replaced(tmp_path: Path, leftover: str | None) -> None:
    (tmp_path / "stream").mkdir()
    if leftover is not None:
        (tmp_path / "stream" / "token").write_text(leftover)
    assert agreed(tmp_path, "mine") == "mine"
    assert agreed(tmp_path, "another") == "mine"
