"""The checks of a skill graph say what is missing and what mends it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gamefleet.cluster.checks.programs import Completed, Programs
from gamefleet.topologies.job_graph.check import SLOT_BYTES, check_gpu_memory, check_model, check_tmux

KEY = "sk-local"
ANSWERS = {
    "/v1/models": (200, json.dumps({"data": [{"id": "small"}, {"id": "a\x1b[2Jb"}]})),
    "/odd/models": (200, "<html>welcome</html>"),
    "/list/models": (200, "[1]"),
}


class Server(BaseHTTPRequestHandler):
    """A model's server, as far as a list of models goes."""

    def do_GET(self) -> None:
        status, text = ANSWERS.get(self.path, (404, "{}"))
        if self.headers["Authorization"] != f"Bearer {KEY}":
            status, text = 401, "{}"
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_without_a_model_the_catalogue_proposes() -> None:
    assert check_model({}).status == "skipped"
    assert "catalogue" in check_model({}).found


def test_a_model_that_answers_is_named(address: str) -> None:
    result = check_model({"OPENAI_BASE_URL": f"{address}/v1/", "OPENAI_API_KEY": KEY})

    assert result.status == "ok"
    assert f"{address}/v1 has small, a" in result.found
    assert "\x1b" not in result.found


@pytest.mark.parametrize(
    ("path", "key", "status", "found", "remedy"),
    [
        ("/v1", "wrong", "failed", "401", "Check OPENAI_API_KEY"),
        ("", KEY, "failed", "404", "usually ends in /v1"),
        ("/odd", KEY, "failed", "lists no models", "usually ends in /v1"),
        ("/list", KEY, "failed", "lists no models", "usually ends in /v1"),
        ("/v1", "", "failed", "401", "Check OPENAI_API_KEY"),
        ("/v1", "two\nlines", "failed", "characters that no key has", ""),
    ],
)
def test_what_is_wrong_with_a_model_is_said_with_what_mends_it(
    address: str, path: str, key: str, status: str, found: str, remedy: str
) -> None:
    result = check_model({"OPENAI_BASE_URL": address + path, "OPENAI_API_KEY": key})

    assert result.status == status
    assert found in result.found
    assert remedy in result.remedy


def test_a_server_that_is_away_is_told_from_one_that_refuses() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        port = server.server_port

    result = check_model({"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": KEY})

    assert (result.status, "Connection refused" in result.found) == ("failed", True)
    assert "Not the address" in check_model({"OPENAI_BASE_URL": "file:///etc", "OPENAI_API_KEY": KEY}).found


def test_a_local_server_needs_no_key_and_a_hosted_one_does(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.KEY", "local")  # what a client that has no key sends

    assert check_model({"OPENAI_BASE_URL": f"{address}/v1"}).status == "ok"
    assert "No key for" in check_model({"OPENAI_BASE_URL": "https://models.example.org/v1"}).found


@pytest.mark.parametrize(
    ("out", "variables", "status", "found"),
    [
        (f"0, GPU-a, {3 * SLOT_BYTES >> 20}\n1, GPU-b, 500\n", {}, "ok", "room for 3 skills"),
        (f"0, GPU-a, {3 * SLOT_BYTES >> 20}\n1, GPU-b, 500\n", {"CUDA_VISIBLE_DEVICES": "1"}, "warning", "room for 0"),
        ("0, GPU-a, 7000\n", {"CUDA_VISIBLE_DEVICES": ""}, "ok", "names no GPU of this machine"),
        ("0, GPU-a, 7000\n", {}, "warning", "room for 1 skills"),
        ("0, GPU-a, [N/A]\n", {}, "warning", "says nothing of memory"),
    ],
)
def test_the_memory_of_the_gpus_that_may_be_used_says_how_many_skills_fit(
    out: str, variables: dict[str, str], status: str, found: str, tmp_path: Any
) -> None:
    (tmp_path / "nvidia-smi").touch(mode=0o755)
    environment = {"PATH": str(tmp_path), **variables}
    result = check_gpu_memory(environment, lambda *_: Completed(status=0, out=out, err=""))

    assert result.status == status
    assert found in result.found


def test_without_a_gpu_or_tmux_it_is_said_what_then(tmp_path: Any) -> None:
    environment = {"PATH": str(tmp_path)}
    with Programs(environment) as programs:
        assert "on the CPU" in check_gpu_memory(environment, programs).found
        assert "--executor local" in check_tmux(environment, programs).remedy
