"""Telling the user that a chain ended.

Job: run the user's own command. Place in the data flow: at the marks of `carrier` and at a stop. Left out: mail, chat
and the like, which one line of shell does better.
"""

from __future__ import annotations

import logging
import os
import subprocess

log = logging.getLogger(__name__)

TIME_OUT_S = 30.0


def notify(command: str, *, event: str, fleet: str, member: str, reason: str) -> None:
    """Run a shell command with what happened in its environment; its failure is logged and changes nothing.

    Args:
        command: As the user wrote it; empty for none. `GAMEFLEET_EVENT` (`done`, `failed`, `held`, `stopped`),
            `GAMEFLEET_FLEET`, `GAMEFLEET_MEMBER`, `GAMEFLEET_REASON` are set.
        event: What happened.
        fleet: The fleet's name.
        member: The chain; empty for the whole fleet.
        reason: In words.
    """
    if not command:
        return
    facts = {"EVENT": event, "FLEET": fleet, "MEMBER": member, "REASON": reason}
    environment = {**os.environ, **{f"GAMEFLEET_{name}": value for name, value in facts.items()}}
    try:
        subprocess.run(["sh", "-c", command], env=environment, timeout=TIME_OUT_S, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("the command of --notify failed: %s", error)
