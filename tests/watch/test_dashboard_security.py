"""Strangers get nothing: other sites, other names, paths out of the folders, oversized requests."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S, until
from tests.watch.run_folders import Page, make_run, served
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from gamefleet.watch import idling
from gamefleet.watch.security import HEADERS, LARGEST_BODY_BYTES
from gamefleet.watch.serving import LONGEST_MESSAGE_BYTES, needed_token

TOKEN = "a-token-of-this-test"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    tmp_path = tmp_path_factory.mktemp("page")
    paths = make_run(tmp_path / "runs" / "red")
    (tmp_path / "secret.png").write_bytes(b"secret")
    (paths.media / "best.png").write_bytes(b"picture")
    (paths.media / "link.png").symlink_to(tmp_path / "secret.png")
    (paths.media / "notes.txt").write_text("notes")
    (paths.media / ".hidden.png").write_bytes(b"hidden")
    with served(tmp_path / "runs") as found:
        until(lambda: bool(found.get("/api/runs")))
        yield found


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    tmp_path = tmp_path_factory.mktemp("locked")
    make_run(tmp_path / "red")
    with served(tmp_path / "red", token=TOKEN) as found:
        yield found


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "127.0.0.1:80:80", "[::1"]
)
def test_a_name_that_is_not_ours_is_refused(page: Page, host: str) -> None:
    status, _, body = page.ask("/api/runs", headers={"Host": host})

    assert status in (400, 421)
    assert b"red" not in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "[::1]:8080", "127.0.0.1"])
def test_names_of_loopback_are_ours(page: Page, host: str) -> None:
    assert page.ask("/api/runs", headers={"Host": host})[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "file://", ""])
def test_requests_of_other_sites_are_refused(page: Page, origin: str) -> None:
    assert page.ask("/api/runs", headers={"Origin": origin})[0] == 403
    assert page.ask("/api/checks", method="POST", headers={"Origin": origin, "Content-Length": "0"})[0] == 403
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        connect(f"ws://127.0.0.1:{page.port}/ws/live", origin=origin or None).recv(PATIENCE_S)  # type: ignore[arg-type]


def test_who_does_not_say_where_it_comes_from_starts_nothing(page: Page) -> None:
    assert page.ask("/api/checks", method="POST", headers={"Content-Length": "0"})[0] == 403
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{page.port}/ws/live")


def test_every_answer_has_the_headers_that_keep_strangers_out(page: Page) -> None:
    for path in ("/", "/api/runs", "/api/none", "/media/red/best.png"):
        headers = page.ask(path)[1]
        for name, value in HEADERS:
            assert headers[name.decode()] == value.decode(), path
    assert "default-src 'self'" in page.ask("/")[1]["content-security-policy"]
    assert "unsafe" not in page.ask("/")[1]["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/static/..%5cserver.py",
        "/static//etc/passwd",
        "/static/vendor/",
        "/static/.hidden.js",
        "/static/%00.js",
        "/media/red/..%2f..%2f..%2fsecret.png",
        "/media/..%2f..%2f/secret.png",
        "/media/../secret.png",
        "/media/red/link.png",
        "/media/red/notes.txt",
        "/media/red/.hidden.png",
        "/media/red/%00.png",
        f"/media/red/{'x' * 3000}.png",
        "/media/%2e%2e/secret.png",
        "/panels/..%2f..%2fserver/x.js",
    ],
)
def test_no_path_leads_out_of_what_is_shown(page: Page, path: str) -> None:
    status, _, body = page.ask(path)

    assert status == 404
    assert b"secret" not in body.replace(path.encode(), b"").replace(b"secret.png", b"")


def test_pictures_of_a_run_are_served_and_the_newest_is_named(page: Page) -> None:
    status, headers, body = page.ask("/media/red/best.png")

    assert (status, body, headers["content-type"]) == (200, b"picture", "image/png")
    assert page.get("/api/now?run=red")["best"]["picture"] == "/media/red/best.png"


def test_names_of_strangers_are_data_and_never_html(tmp_path: Path) -> None:
    name = "<script>alert(1)<~script>"
    make_run(tmp_path / name, game="<img src=x onerror=alert(1)>")
    with served(tmp_path) as page:
        until(lambda: bool(page.get("/api/site")["runs"]))
        _, headers, body = page.ask("/api/site")
    assert headers["content-type"] == "application/json"
    assert headers["x-content-type-options"] == "nosniff"
    assert json.loads(body)["runs"][0]["id"] == name


def test_large_requests_are_refused(page: Page) -> None:
    origin = {"Origin": f"http://127.0.0.1:{page.port}"}

    for length in (str(LARGEST_BODY_BYTES + 1), "-1", "many"):
        assert page.ask("/api/checks", method="POST", headers={**origin, "Content-Length": length})[0] in (400, 413)
    assert page.ask("/api/now?run=" + "x" * 9000)[0] == 414
    assert page.ask("/", headers={"X-Large": "x" * 100_000})[0] in (400, 431)
    assert page.ask("/api/runs")[0] == 200


def test_a_large_message_ends_a_socket_and_nothing_else(page: Page) -> None:
    with connect(f"ws://127.0.0.1:{page.port}/ws/live", origin=f"http://127.0.0.1:{page.port}") as chatty:  # type: ignore[arg-type]
        chatty.recv(PATIENCE_S)
        chatty.send("x" * (LONGEST_MESSAGE_BYTES + 1))
        until(lambda: has_ended(chatty))
    assert page.ask("/api/runs")[0] == 200


def has_ended(socket: ClientConnection) -> bool:
    try:
        socket.recv(PATIENCE_S)
    except ConnectionClosed:
        return True
    return False


def test_hundreds_of_idle_connections_leave_room_for_none_and_the_server_lives(page: Page) -> None:
    idle = [socket.create_connection(("127.0.0.1", page.port), PATIENCE_S) for _ in range(160)]
    for connection in idle:
        connection.sendall(b"GET /api/runs HTTP/1.1\r\nHost: 127.0.0.1\r\n")
    until(lambda: page.ask("/api/runs")[0] in (200, 503))
    for connection in idle:
        connection.close()

    until(lambda: page.ask("/api/runs")[0] == 200)


@pytest.mark.parametrize(
    "said", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"answered"], ids=["none", "half", "late"]
)
def test_connections_that_say_nothing_more_make_room_by_themselves(
    page: Page, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(idling, "LOOK_S", 0.2)
    whole = f"GET /api/site HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode()
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", page.port), PATIENCE_S)) for _ in range(160)]
        for connection in idle[:100]:
            connection.sendall(whole + b"GET" if said == b"answered" else said)
        until(lambda: page.ask("/api/runs")[0] == 200)
        for connection in idle:
            while connection.recv(1 << 16):
                pass


def test_who_asks_again_and_again_is_not_hung_up_on(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idling, "LOOK_S", 0.2)
    with closing(http.client.HTTPConnection("127.0.0.1", page.port, timeout=PATIENCE_S)) as browser:
        browser.connect()
        own = browser.sock
        for _ in range(12):
            browser.request("GET", "/api/runs")
            assert browser.getresponse().read()
            time.sleep(0.05)
        assert browser.sock is own


def test_without_the_token_there_is_nothing_where_one_is_needed(locked: Page) -> None:
    for path in ("/", "/api/runs", "/static/app.js", "/?token=wrong", "/?token="):
        status, headers, body = locked.ask(path)
        assert status == 403, path
        assert "set-cookie" not in headers
        assert TOKEN.encode() not in body
    with pytest.raises((InvalidStatus, ConnectionClosed)):
        connect(f"ws://127.0.0.1:{locked.port}/ws/live", origin=f"http://127.0.0.1:{locked.port}").recv(PATIENCE_S)  # type: ignore[arg-type]


def test_the_token_is_exchanged_for_a_cookie_that_scripts_cannot_read(locked: Page) -> None:
    status, headers, _ = locked.ask(f"/api/runs?token={TOKEN}&x=1")
    cookie = headers["set-cookie"]

    assert (status, headers["location"]) == (303, "/api/runs?x=1")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert locked.ask("/api/runs", headers={"Cookie": cookie.split(";")[0]})[0] == 200
    assert locked.ask("/api/runs", headers={"Cookie": cookie.split(";")[0] + "0"})[0] == 403


def test_the_exchange_never_sends_the_browser_elsewhere(locked: Page) -> None:
    for path in (f"//evil.example/?token={TOKEN}", f"/%2f%2fevil.example?token={TOKEN}", f"///evil?token={TOKEN}"):
        location = locked.ask(path)[1].get("location", "/")
        assert location.startswith("/")
        assert not location.startswith("//")


def test_machines_that_others_log_in_to_need_a_token_also_on_loopback() -> None:
    assert needed_token("127.0.0.1", {}) is None
    for host, environment in (("0.0.0.0", {}), ("127.0.0.1", {"SSH_CONNECTION": "x"}), ("::1", {"SLURM_JOB_ID": "1"})):
        token = needed_token(host, environment)
        assert token is not None
        assert len(token) >= 32
