"""What `gamefleet doctor --gpu-host` looks at.

Job: put together the checks of a learner on another machine. Place in the data flow: under `gamefleet doctor`. Left
out: the checks (`cluster.checks.learner`, `topologies.remote_learner.check`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gamefleet.cli.coordinate import DEFAULT_GAME
from gamefleet.cli.options import ask_for
from gamefleet.cli.secret import Secret, token_of
from gamefleet.errors import PeerError

if TYPE_CHECKING:
    from gamefleet.cluster.checks.base import Check
    from gamefleet.transport.token import Token


NOTHING_SAID = Secret()


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """Which learner is asked about.

    Args:
        host: Its name or address; empty when none was named.
        port: Where it listens.
        config: Settings to compare with its own; None for none.
        game: Whose settings `config` holds when it does not say; empty for what the learner works on, or else
            for what `gamefleet coordinate` plays.
        secret: What was said of the token.
    """

    host: str
    port: int
    config: Path | None
    game: str = ""
    secret: Secret = NOTHING_SAID


UNANSWERED = (
    "Compare `gamefleet token` on both machines: where they differ, `gamefleet token send USER@HOST --replace`. Where "
    "they do not, something else may have the port: what runs the learner says where it listens."
)

NO_LEARNER = Learner(host="", port=0, config=None)


def learner_checks_for(learner: Learner, environ: Mapping[str, str]) -> list[Check]:
    """The checks of the way to it, and of what it says.

    Args:
        learner: Which one.
        environ: Environment variables.
    """
    from gamefleet.cluster.checks.learner import learner_checks
    from gamefleet.topologies.remote_learner.check import checks_of_learner

    return [
        *learner_checks(learner.host, learner.port),
        *checks_of_learner(
            learner.host,
            learner.port,
            token=lambda: token_of(replace(learner.secret, config=learner.config), environ),
            ask=ask,
            model=lambda said: model_of(learner.config, learner.game or str(said.get("game") or DEFAULT_GAME)),
        ),
    ]


def ask(host: str, port: int, token: Token, timeout_s: float) -> Mapping[str, Any]:
    """What a learner says of itself.

    Raises:
        PeerError: It does not let this machine in, or does not answer; the advice is not to ask the doctor.
    """
    from gamefleet.topologies.remote_learner.status import ask_status

    try:
        return ask_status(host, port, token, timeout_s)
    except PeerError as error:
        raise PeerError(error.what, value=error.value, where=error.where, remedy=UNANSWERED) from error


def model_of(config: Path | None, game: str) -> Mapping[str, Any] | None:
    """The settings of a file that both sides must share; None without a file."""
    if config is None:
        return None
    from gamefleet.games import open_game
    from gamefleet.topologies.config import make_config

    asked = ask_for(config, None)
    resolved = make_config(open_game(asked.game_name or game), asked).resolved()
    return {section: resolved[section] for section in ("network", "game")}
