"""Where players and viewers find each other."""

import json
import os
from pathlib import Path

import pytest

from gamefleet.transport.rendezvous import (
    Endpoint,
    Standing,
    endpoints,
    login_hosts,
    publish_endpoint,
    publish_login_host,
    publish_token,
    read_standing,
    tokens,
    withdraw_endpoint,
    write_standing,
)
from gamefleet.transport.token import new_token, usual_place, write_token


def test_what_a_viewer_published_is_read_until_it_is_withdrawn(tmp_path: Path) -> None:
    publish_endpoint(tmp_path / "stream", "my laptop/../x", Endpoint(host="login1", port=40001, at=1.0))
    (found,) = endpoints([tmp_path / "stream"])
    assert (found.host, found.port) == ("login1", 40001)
    assert [path.parent for path in tmp_path.rglob("*.json")] == [tmp_path / "stream"]
    withdraw_endpoint(tmp_path / "stream", "my laptop/../x")
    assert endpoints([tmp_path / "stream"]) == []


def test_the_newest_viewers_come_first_and_not_too_many(tmp_path: Path) -> None:
    for number in range(9):
        publish_endpoint(tmp_path, f"v{number}", Endpoint(host="login1", port=1000 + number))
        os.utime(tmp_path / f"viewer-v{number}.json", (number, number))
    assert [endpoint.port for endpoint in endpoints([tmp_path])] == [1008, 1007, 1006, 1005]


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", '{"host": "x"}', '{"host": "-oProxyCommand=sh", "port": 1}', '{"host": "a b", "port": 1}',
        '{"host": "x", "port": 0}', '{"host": "x", "port": 70000}', '{"host": "x;rm", "port": 1}', "[" * 4000,
        '{"host": "' + "x" * 5000 + '", "port": 1}', '{"host": "x\\n", "port": 1}',
    ],
)  # fmt: skip
def test_what_somebody_else_left_is_no_endpoint(tmp_path: Path, text: str) -> None:
    (tmp_path / "viewer-x.json").write_text(text)
    assert endpoints([tmp_path]) == []


def test_links_and_pipes_are_not_followed(tmp_path: Path) -> None:
    place = tmp_path / "stream"
    place.mkdir()
    (tmp_path / "real.json").write_text('{"host": "x", "port": 1}')
    (place / "viewer-a.json").symlink_to(tmp_path / "real.json")
    os.mkfifo(place / "viewer-b.json")
    assert endpoints([place, tmp_path / "nowhere"]) == []


def test_the_login_host_is_found_and_what_is_no_host_is_not(tmp_path: Path) -> None:
    publish_login_host(tmp_path / "a", "login1.example.edu")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "login.json").write_text(json.dumps({"host": "-x"}))
    assert login_hosts([tmp_path / "a", tmp_path / "b", tmp_path / "c"]) == ["login1.example.edu"]


def test_a_run_gets_this_users_token_for_nobody_else_to_read(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    own = write_token(usual_place(environ))
    places = [tmp_path / "run" / "stream", tmp_path / "shared" / "stream"]
    assert publish_token(places, environ, usual_place(environ)) == own
    for place in places:
        assert (place / "token").stat().st_mode & 0o777 == 0o600
    assert tokens(places, environ) == [own]


def test_a_token_that_is_made_is_kept_for_this_users_other_runs(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    made = publish_token([tmp_path / "a"], environ, usual_place(environ))
    assert publish_token([tmp_path / "b"], environ, usual_place(environ)) == made


def test_a_run_keeps_its_token_and_others_of_its_fleet_take_it_over(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    first = publish_token([tmp_path / "shared"], environ, None)
    assert not usual_place(environ).exists()
    assert publish_token([tmp_path / "run", tmp_path / "shared"], environ, None) == first


def test_after_a_token_was_mended_all_of_them_are_tried(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    old = publish_token([tmp_path / "run"], environ, None)
    new = write_token(usual_place(environ), new_token())
    assert tokens([tmp_path / "run"], environ) == [old, new]


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    write_token(tmp_path / "token")
    (tmp_path / "token").chmod(0o644)
    assert tokens([tmp_path], {}) == []


def test_word_is_left_and_read_and_that_it_cannot_be_left_is_no_trouble(tmp_path: Path) -> None:
    standing = Standing(kind="refused", why="another token", at=5.0, host="node1")
    write_standing(tmp_path / "stream", standing)
    assert read_standing(tmp_path / "stream") == standing
    (tmp_path / "file").write_text("")
    write_standing(tmp_path / "file" / "stream", standing)
    assert read_standing(tmp_path / "file" / "stream") is None
