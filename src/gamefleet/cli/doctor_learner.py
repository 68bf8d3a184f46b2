"""What `gamefleet doctor --gpu-host` looks at.

Job: put together the checks of a learner on another machine. Place in the data flow: under `gamefleet doctor`. Left
out: the checks (`cluster.check_learner`, `topologies.learner_check`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.cli.options import ask_for

if TYPE_CHECKING:
    from gamefleet.cluster.checks import Check
    from gamefleet.transport.token import Token


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """Which learner is asked about.

    Args:
        host: Its name or address; empty when none was named.
        port: Where it listens.
        config: Settings to compare with its own; None for none.
    """

    host: str
    port: int
    config: Path | None


NO_LEARNER = Learner(host="", port=0, config=None)


def learner_checks_for(learner: Learner, game: str, environ: Mapping[str, str]) -> list[Check]:
    """The checks of the way to it, and of what it says."""
    from gamefleet.cluster.check_learner import learner_checks
    from gamefleet.topologies.learner_check import checks_of_learner

    return [
        *learner_checks(learner.host, learner.port),
        *checks_of_learner(
            learner.host,
            learner.port,
            token=lambda: token_for(learner, environ),
            ask=ask,
            model=lambda: model_of(learner.config, game),
        ),
    ]


def ask(host: str, port: int, token: Token, timeout_s: float) -> Mapping[str, Any]:
    """What a learner says of itself."""
    from gamefleet.topologies.remote_status import ask_status

    said: Mapping[str, Any] = ask_status(host, port, token, timeout_s)
    return said


def token_for(learner: Learner, environ: Mapping[str, str]) -> Token:
    """The token that a command on this machine would find."""
    from gamefleet.cli.secret import Secret, token_of

    return token_of(Secret(config=learner.config), environ)


def model_of(config: Path | None, game: str) -> Mapping[str, Any] | None:
    """The settings of a file that both sides must share; None without a file."""
    if config is None:
        return None
    from gamefleet.games import open_game
    from gamefleet.topologies.config import make_config

    asked = ask_for(config, None)
    resolved = make_config(open_game(asked.game_name or game), asked).resolved()
    return {section: resolved[section] for section in ("network", "game")}
