"""Can this be watched: the token, the viewer that answers, and what the run says of its streaming.

Job: the checks of group `streaming` that know the link and run folders. Place in the data flow: `gamefleet doctor`.
Left out: ports and tunnels (`cluster.checks.stream`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path

from gamefleet.cluster.checks.base import Check, Result, failed, ok, skipped, warning
from gamefleet.runs.folder import is_run, read_resolved
from gamefleet.runs.paths import RunPaths
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.rendezvous import LOOPBACK, Standing, read_standing, rendezvous, tokens
from gamefleet.transport.token import FILE_VARIABLE, TEXT_VARIABLE, Token, find_token, usual_place

GROUP = "streaming"
PATIENCE_S = 10.0
STALE_S = 24 * 3600.0


def checks_of_streaming(
    run: str, runs_folder: Path, fleet_folder: Path | None, *, port: int, environ: Mapping[str, str]
) -> list[Check]:
    """The checks.

    Args:
        run: A run's name; empty for none.
        runs_folder: Where it lies.
        fleet_folder: A shared folder; None for none.
        port: Of a viewer on this machine.
        environ: Where this user's token is looked for.
    """
    paths = RunPaths(runs_folder / run) if run else None
    places = [rendezvous(folder) for folder in (paths.root if paths else None, fleet_folder) if folder is not None]

    def known() -> list[Token]:
        return tokens(places, environ)

    return [
        Check(name="streaming-token", group=GROUP, run=lambda: check_token(places, environ)),
        Check(name="streaming-viewer", group=GROUP, run=lambda: check_viewer(known(), port), needs=("streaming-port",)),
        Check(name="streaming-run", group=GROUP, run=lambda: check_run(paths)),
    ]


def check_token(places: list[Path], environ: Mapping[str, str]) -> Result:
    """Whether there is one, and only one."""
    found = tokens(places, environ)
    if not found:
        has_one = bool(environ.get(FILE_VARIABLE) or environ.get(TEXT_VARIABLE)) or usual_place(environ).exists()
        if has_one:
            find_token(None, environ)  # says what is wrong with it
        return skipped("there is no token yet; a run that streams, `gamefleet view` and `gamefleet token` make one")
    marks = ", ".join(token.fingerprint for token in found)
    if len(found) > 1:
        agree = "Make them one: gamefleet token send USER@HOST, or gamefleet token fetch USER@HOST."
        return warning(f"there are several tokens, each is tried: {marks}", agree)
    return ok(f"token {marks}; a viewer elsewhere must show the same mark")


def check_viewer(known: list[Token], port: int) -> Result:
    """Whether a viewer answers on this machine's port, and holds one of the tokens."""
    if not known:
        return skipped("there is no token to ask with")
    from gamefleet.transport.frames import VIEWER

    why = ""
    for token in known:
        # Not as a player: a viewer lets nobody else in, and says so only to those who hold its token.
        dialer = Dialer(
            lambda timeout_s: socket.create_connection((LOOPBACK, port), timeout_s),
            token,
            name="doctor",
            role="doctor",
            peer_role=VIEWER,
        )
        state = dialer.link.state
        end = time.monotonic() + PATIENCE_S
        while state.kind == "connecting" and not state.why and time.monotonic() < end:
            state = dialer.link.wait_for_change(state, 0.5)
        dialer.close(0.0)
        if state.kind == "connected" or "doctor" in state.why:
            return ok(f"a viewer answers on port {port} and holds token {token.fingerprint}")
        why = state.why or "no answer"
    return failed(f"port {port} is open, but: {why}", "gamefleet token send USER@HOST puts this token there.")


def check_run(paths: RunPaths | None) -> Result:
    """What the run's settings and its player say."""
    if paths is None:
        return skipped("no run was named: --run NAME")
    if not is_run(paths):
        return skipped(f"there is no run {paths.name!r}")
    if not read_resolved(paths).get("streaming", {}).get("enabled", False):
        turn_on = f"gamefleet train GAME --run {paths.name} --resume --set streaming.enabled=true"
        return warning("this run does not stream", f"{turn_on}; in a cluster's settings: stream: true")
    standing = read_standing(rendezvous(paths.root))
    if standing is None:
        return warning("this run shall stream, but no player has said how that goes", "Start or resume it.")
    return judge_standing(standing, time.time())


def judge_standing(standing: Standing, now: float) -> Result:
    """What the player's last word means."""
    said = f"{standing.kind} on {standing.host}: {standing.why or 'a viewer watches'}"
    if standing.kind == "refused":
        return failed(said, "gamefleet token send USER@HOST, then wait: it is tried again by itself.")
    if standing.kind in ("connecting", "waiting"):
        return warning(said, "gamefleet view here, or gamefleet view --via USER@HOST:DIR where you sit.")
    return ok(said)
