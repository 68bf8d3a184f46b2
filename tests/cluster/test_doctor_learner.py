"""What doctor says of a learner on another machine, and of one beside it."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from gamefleet import __version__
from gamefleet.cluster.checks.base import Result, run_checks
from gamefleet.cluster.checks.learner import (
    check_listening,
    check_name,
    check_port,
    is_here,
    judge_listening,
    learner_checks,
)
from gamefleet.errors import ConfigError
from gamefleet.testing.local_ssh import free_port
from gamefleet.topologies.remote_learner.check import checks_of_learner, first_difference, judge_answer, judge_model
from gamefleet.transport.token import Token, new_token

TOKEN = new_token()
MODEL = {"network": {"encoder": {"d_model": 128, "num_layers": 4}}, "game": {"num_players": 2}}
SAID: dict[str, Any] = {
    "role": "learner",
    "version": __version__,
    "state": "serving",
    "updates": 1200,
    "device": "cuda",
    "model": MODEL,
}


def ask_all(said: dict[str, Any], port: int, *, model: dict[str, Any] | None = MODEL) -> dict[str, Result]:
    def ask(host: str, asked_port: int, token: Token, timeout_s: float) -> dict[str, Any]:
        assert (host, asked_port, token) == ("127.0.0.1", port, TOKEN)
        return said

    checks = [
        *learner_checks("127.0.0.1", port),
        *checks_of_learner("127.0.0.1", port, token=lambda: TOKEN, ask=ask, model=lambda _: model),
    ]
    return {check.name: result for check, result in run_checks(checks)}


def test_a_learner_that_fits_passes_every_check_and_one_on_the_loopback_address_is_a_warning() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = ask_all(SAID, server.getsockname()[1])

    loopback = found.pop("learner-listens")
    assert {name: result.status for name, result in found.items()} == dict.fromkeys(found, "ok")
    assert "1,200 updates on cuda" in found["learner-answer"].found
    assert TOKEN.fingerprint in found["learner-token"].found
    assert loopback.status == "warning"
    assert "--host 0.0.0.0" in loopback.remedy


def test_a_port_where_nobody_listens_names_the_command_and_the_tunnel_and_nothing_more_is_asked() -> None:
    port = free_port()
    found = ask_all(SAID, port)

    assert found["learner-port"].status == "failed"
    assert f"learner serve --host 0.0.0.0 --port {port}" in found["learner-port"].remedy
    assert f"ssh -R {port}:localhost:{port}" in found["learner-port"].remedy
    assert [found[name].status for name in ("learner-answer", "learner-model", "learner-listens")] == ["skipped"] * 3


def test_a_machine_that_does_not_answer_is_told_from_one_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        monkeypatch.setattr("gamefleet.cluster.checks.learner.CONNECT_TIMEOUT_S", 0.2)
        # A full queue drops what knocks, as firewalls do.
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        result = check_port("127.0.0.1", port)
        for one in waiting:
            one.close()
    assert result.status == "failed"
    assert "does not answer" in result.found
    assert f"sudo ufw allow {port}/tcp" in result.remedy


def test_names_are_looked_up_first() -> None:
    assert check_name("").status == "skipped"
    assert check_name("localhost").status == "ok"
    unknown = check_name("no-such-machine.invalid")
    assert unknown.status == "failed"
    assert "no-such-machine.invalid" in unknown.found
    assert is_here("localhost")
    assert not is_here("192.0.2.1")
    assert check_listening("192.0.2.1", 5555).status == "skipped"


def test_where_a_learner_listens_decides_who_reaches_it() -> None:
    assert judge_listening({"0.0.0.0"}, 5555).status == "ok"
    assert judge_listening({"127.0.0.1", "192.0.2.4"}, 5555).status == "ok"
    assert judge_listening({"127.0.0.1", "::1"}, 5555).status == "warning"


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"role": "viewer"}, "failed", "no learner, but viewer"),
        ({"version": "0.0.1"}, "warning", "is gamefleet 0.0.1"),
        ({"why": "no coordinator"}, "ok", "(no coordinator)"),
    ],
)
def test_what_answers_is_judged(change: dict[str, Any], status: str, words: str) -> None:
    result = judge_answer({**SAID, **change})
    assert result.status == status
    assert words in result.found


def test_the_first_setting_that_differs_is_named_with_both_values() -> None:
    other = {"network": {"encoder": {"d_model": 64, "num_layers": 2}}, "game": {"num_players": 2}}
    assert first_difference(MODEL, other) == ("network.encoder.d_model", 128, 64)
    assert first_difference(MODEL, {**MODEL, "extra": 1}) == ("extra", None, 1)

    result = judge_model(MODEL, {**SAID, "model": other})
    assert result.status == "failed"
    assert "network.encoder.d_model is 128 here and 64 at the learner" in result.found
    assert judge_model(MODEL, SAID).status == "ok"
    assert judge_model(None, SAID).status == "skipped"
    assert judge_model(MODEL, {**SAID, "model": None}).status == "skipped"


def test_without_a_learner_to_look_at_nothing_fails_and_no_token_is_needed() -> None:
    def nobody(*_: object) -> Any:
        raise ConfigError("not to be asked")

    checks = [*learner_checks("", 5555), *checks_of_learner("", 5555, token=nobody, ask=nobody, model=nobody)]
    assert {result.status for _, result in run_checks(checks)} == {"skipped"}
