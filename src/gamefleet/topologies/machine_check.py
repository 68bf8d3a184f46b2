"""Does this machine know how many games it can play, and has it the memory for them now.

Job: the checks of group `laptop`. Place in the data flow: `gamefleet doctor`; what is found is what `--num-envs auto`
would do. Left out: measuring (`autotune`), and asking for accelerators, which takes PyTorch: those of the profile are
believed.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gamefleet.actors.cpus import usable_cpus
from gamefleet.cluster.autotune import as_measured, recommend
from gamefleet.cluster.checks.base import Check, Result, ok, skipped, warning
from gamefleet.cluster.hardware import Hardware, detect_hardware
from gamefleet.cluster.machine_profile import (
    MachineProfile,
    default_user_id,
    hardware_difference,
    load_profile,
    profile_path,
)
from gamefleet.cluster.measurements import Needs
from gamefleet.cluster.room import find_limits, gb, planned_bytes
from gamefleet.games import open_game
from gamefleet.topologies.autotune import needs_of
from gamefleet.topologies.config import make_config

LEARNER = "`--contribute experience` plays without learning and needs least"


def laptop_checks(
    game: str, environ: Mapping[str, str] = os.environ, *, hardware: Hardware | None = None
) -> list[Check]:
    """Checks of a machine that plays for a fleet.

    Args:
        game: What is played.
        environ: Environment variables.
        hardware: The machine; None looks at this one.
    """
    user_id = known_id(environ)

    def present(profile: MachineProfile | None) -> Hardware:
        known = profile.hardware.accelerators if profile else ()
        found = hardware or detect_hardware(granted_cpus=usable_cpus(environ), environ=environ)
        return replace(found, accelerators=known)

    def check_profile() -> Result:
        profile = load_profile(user_id, environ)
        return judge_profile(user_id, profile, present(profile), is_there=profile_path(user_id, environ).exists())

    def check_room() -> Result:
        package = open_game(game)
        profile = load_profile(user_id, environ)
        return judge_room(user_id, present(profile), needs_of(package, make_config(package, {})), profile)

    return [
        Check(name="machine-profile", group="laptop", run=check_profile),
        Check(name="room-for-games", group="laptop", run=check_room),
    ]


def known_id(environ: Mapping[str, str]) -> str:
    """The name under which this machine has a profile: the host's, or else that of the newest profile there is."""
    usual = default_user_id(socket.gethostname())
    if not (environ.get("HOME") or environ.get("XDG_CONFIG_HOME")):
        return usual
    path = profile_path(usual, environ)
    others = sorted(path.parent.glob("*.json"), key=written_at)
    return usual if path.exists() or not others else others[-1].stem


def written_at(path: Path) -> float:
    """When a file was written; long ago when it has gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def judge_profile(user_id: str, profile: MachineProfile | None, present: Hardware, *, is_there: bool) -> Result:
    """Whether measurements of this machine count.

    Args:
        user_id: The machine's name.
        profile: What was measured; None when there is nothing that can be read.
        present: The machine as it is now.
        is_there: Whether there is a file.
    """
    measure = f"gamefleet autotune --user-id {user_id}"
    if profile is None and is_there:
        return warning(f"the profile of {user_id} cannot be read", f"Measure again, which replaces it: {measure}")
    if profile is None:
        return skipped(f"this machine was not measured: `{measure}`; until then `auto` goes by cores and memory")
    if difference := hardware_difference(profile.hardware, present):
        return warning(f"the profile of {user_id} does not count any more: {difference}", measure)
    found = profile.recommendation
    return ok(f"{user_id} was measured on {profile.date[:10]}: games: {found.num_envs}, actions on {found.device}")


def judge_room(user_id: str, present: Hardware, needs: Needs, profile: MachineProfile | None) -> Result:
    """Whether memory suffices for as many games as the cores allow, or as were measured to be best.

    Args:
        user_id: The machine's name, for commands.
        present: The machine as it is now.
        needs: Of the game.
        profile: What was measured.
    """
    counts = profile is not None and not hardware_difference(profile.hardware, present)
    measured = profile.measurements if profile is not None and counts else None
    needs = needs if measured is None else as_measured(needs, measured)
    limits, found = find_limits(present, needs), recommend(present, needs, measured)
    best = profile.recommendation.num_envs if profile is not None and counts else limits.max_workers
    tune = f"gamefleet autotune --user-id {user_id}"
    if planned_bytes(present)[0] < needs.learner_bytes + needs.env_bytes:
        words = f"memory is short even for one game: {limits.memory_reason}"
        return warning(
            words, f"End other programs, then `gamefleet actors --num-envs 1`; {LEARNER}. `{tune}` measures."
        )
    if found.num_envs < best:
        words = (
            f"games that fit the memory: {found.num_envs}, that the cores would do for: {best}: {limits.memory_reason}"
        )
        return warning(words, f"gamefleet actors --num-envs {found.num_envs}  # or auto; `{tune}` measures")
    return ok(f"room for games: {found.num_envs}; {gb(limits.planned_bytes)} may be used, {limits.memory_reason}")
