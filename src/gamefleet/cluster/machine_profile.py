"""The profile of a machine: what a benchmark found, kept for the next start.

Job: write, read and judge `machines/NAME.json` in the user's configuration folder. Place in the data flow: `gamefleet
autotune` writes it, `--num-envs auto` reads it. Left out: limits of clusters (`profile`), and the rule (`autotune`),
which is applied anew to what the machine has free today.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from gamefleet.cluster.autotune import Recommendation, recommend
from gamefleet.cluster.hardware import Hardware
from gamefleet.cluster.measurements import Measurements, Needs
from gamefleet.cluster.room import gb
from gamefleet.errors import ConfigError
from gamefleet.files import explained, write_json

FORMAT = 1
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"

RAM_TOLERANCE = 0.05
"""A kernel update changes the memory that a machine reports by a per cent or so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineProfile:
    """What is known of a machine.

    Args:
        user_id: Its name.
        hardware: As it was measured.
        measurements: What the benchmark found.
        recommendation: What followed then.
        gamefleet: Version that measured.
        date: When, as ISO 8601.
        format: Of the file.
    """

    user_id: str
    hardware: Hardware
    measurements: Measurements
    recommendation: Recommendation
    gamefleet: str
    date: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A recommendation and where it comes from.

    Args:
        recommendation: The numbers.
        source: One sentence.
    """

    recommendation: Recommendation
    source: str


def profile_path(user_id: str, environ: Mapping[str, str] = os.environ) -> Path:
    """Where a machine's profile is.

    Raises:
        ConfigError: The name could leave the folder, or there is no folder.
    """
    if re.fullmatch(NAME_PATTERN, user_id) is None:
        raise ConfigError(
            "This is no name for a machine",
            value=user_id,
            where="--user-id",
            remedy="Use letters, digits, dots, dashes and underscores, for example --user-id $(hostname).",
        )
    home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else "")
    if not home:
        raise ConfigError("There is no folder for profiles", where="HOME", remedy="Set HOME or XDG_CONFIG_HOME.")
    return Path(home) / "gamefleet" / "machines" / f"{user_id}.json"


def default_user_id(host_name: str) -> str:
    """A host's name as a machine's, whatever characters it has."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", host_name).strip("-._")[:64] or "this-machine"


def save_profile(profile: MachineProfile, environ: Mapping[str, str] = os.environ) -> Path:
    """Write a profile and return its path.

    Raises:
        ConfigError: See `profile_path`.
        RunFolderError: The folder is not writable.
        StorageFullError: No space.
    """
    path = profile_path(profile.user_id, environ)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, asdict(profile))
    return path


def load_profile(user_id: str, environ: Mapping[str, str] = os.environ) -> MachineProfile | None:
    """The profile of a machine; None when there is none or it cannot be read (it is then measured again).

    Raises:
        ConfigError: See `profile_path`.
    """
    try:
        profile = msgspec.json.decode(profile_path(user_id, environ).read_bytes(), type=MachineProfile)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return profile if profile.format == FORMAT else None


def hardware_difference(measured: Hardware, present: Hardware) -> str:
    """Why measurements of one machine do not count for another, in words; empty when they do."""
    if measured.cpus != present.cpus or measured.granted_cpus != present.granted_cpus:
        now, then = f"{present.granted_cpus} of {present.cpus}", f"{measured.granted_cpus} of {measured.cpus}"
        return f"{now} CPUs now, {then} when it was measured"
    if abs(measured.ram_bytes - present.ram_bytes) > RAM_TOLERANCE * measured.ram_bytes:
        return f"{gb(present.ram_bytes)} RAM now, {gb(measured.ram_bytes)} when it was measured"
    if kinds(measured) != kinds(present):
        return f"{kinds(present)} now, {kinds(measured)} when it was measured"
    return ""


def kinds(hardware: Hardware) -> str:
    """What a machine can compute on."""
    return ", ".join(["cpu", *sorted(accelerator.device for accelerator in hardware.accelerators)])


def recommended(
    user_id: str, hardware: Hardware, needs: Needs, *, game: str, environ: Mapping[str, str] = os.environ
) -> Advice:
    """What a machine should do, by its profile if that still fits, else by the rule alone.

    The rule is applied to the present hardware: memory that others take now makes the numbers smaller.

    Args:
        user_id: The machine.
        hardware: As it is now.
        needs: Of the game.
        game: What shall be played; measurements of another game do not count.
        environ: Environment variables.

    Raises:
        ConfigError: See `profile_path`.
    """
    profile = load_profile(user_id, environ)
    by_rule = "by the rule for cores and memory, without measurements"
    remedy = f"`gamefleet autotune --user-id {user_id}` measures"
    if profile is None:
        return Advice(recommendation=recommend(hardware, needs), source=f"no profile: {by_rule}; {remedy}")
    difference = hardware_difference(profile.hardware, hardware)
    if profile.measurements.game != game:
        difference = f"it was measured with {profile.measurements.game}, not {game}"
    if difference:
        words = f"the profile of {user_id} does not count ({difference}): {by_rule}; {remedy}"
        return Advice(recommendation=recommend(hardware, needs), source=words)
    return Advice(
        recommendation=recommend(hardware, needs, profile.measurements),
        source=f"measured on {profile.date[:10]} with gamefleet {profile.gamefleet}",
    )
