"""Does the learner elsewhere fit: the token, what answers, its version, and the settings of both sides.

Job: the checks of group `learner` that speak with it. Place in the data flow: `gamefleet doctor --gpu-host`. Left out:
names and ports (`cluster.checks.learner`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from gamefleet import __version__
from gamefleet.cluster.checks.base import Check, Result, failed, ok, skipped, warning
from gamefleet.topologies.layers import flattened
from gamefleet.transport.token import Token

GROUP = "learner"
PATIENCE_S = 10.0
ROLE = "learner"

Status = Mapping[str, Any]
Ask = Callable[[str, int, Token, float], Status]


def checks_of_learner(
    host: str, port: int, *, token: Callable[[], Token], ask: Ask, model: Callable[[Status], Status | None]
) -> list[Check]:
    """The checks.

    Args:
        host: Name or address; empty when none was named.
        port: Of the learner.
        token: Finds the token of this machine.
        ask: Asks a learner how it is: `(host, port, token, timeout_s)`.
        model: Given what the learner says, the settings that both sides must share, as this machine has them; None
            when none were named.
    """

    @lru_cache(maxsize=1)
    def answer() -> Status:
        return ask(host, port, token(), PATIENCE_S)

    way = ("learner-port", "learner-token")
    return [
        Check(name="learner-token", group=GROUP, run=lambda: check_token(host, token)),
        Check(name="learner-answer", group=GROUP, run=lambda: judge_answer(answer()), needs=way),
        Check(
            name="learner-model",
            group=GROUP,
            run=lambda: judge_model(model(answer()), answer()),
            needs=("learner-answer",),
        ),
    ]


def check_token(host: str, token: Callable[[], Token]) -> Result:
    """Whether this machine has one."""
    if not host:
        return skipped("no learner was named: --gpu-host HOST")
    return ok(f"this machine has a token, {token().fingerprint}; `gamefleet token` at the learner must show the same")


def judge_answer(said: Status) -> Result:
    """Whether it is a learner, of this version, and how it is."""
    if said.get("role") != ROLE:
        return failed(
            f"what answers there is no learner, but {said.get('role') or 'nothing known'}",
            "Another port? `gamefleet learner serve --port 5555` is the other end.",
        )
    state = f"{said.get('state', '?')}, {said.get('updates', 0):,} updates on {said.get('device', '?')}"
    if said.get("why"):
        state += f" ({said['why']})"
    if said.get("version") != __version__:
        return warning(
            f"the learner is gamefleet {said.get('version')}, this is {__version__}; {state}",
            "Install the same version on both machines.",
        )
    return ok(f"a learner of this version answers: {state}")


def judge_model(ours: Status | None, said: Status) -> Result:
    """Whether both sides describe the same network and game."""
    theirs = said.get("model")
    if not theirs:
        return skipped("the learner has no model yet; the first coordinator brings one")
    if ours is None:
        return skipped("no settings to compare were named: --config FILE")
    difference = first_difference(ours, theirs)
    if difference is None:
        return ok("the model's settings are the same on both sides")
    name, here, there = difference
    return failed(
        f"{name} is {here!r} here and {there!r} at the learner",
        "Give both sides the same settings, or the learner another --folder.",
    )


def first_difference(ours: Status, theirs: Status) -> tuple[str, Any, Any] | None:
    """The first setting that differs, in alphabetical order: (name, here, there); None where all are equal."""
    here, there = dict(flattened(ours)), dict(flattened(theirs))
    for name in sorted({*here, *there}):
        if here.get(name) != there.get(name):
            return name, here.get(name), there.get(name)
    return None
