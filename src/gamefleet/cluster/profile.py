"""What a cluster lets a user do: a small file that users edit.

Job: read the cluster profile and make the resources of one job from it. Place in the data flow: `fleet start` reads it
before `detect` compares it with the cluster. Left out: what SLURM itself says (`detect`).

The defaults are those of `profile.toml` beside this module, which explains each line.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.slurm.site import parse_duration_s
from gamefleet.errors import ConfigError, nearest

FILE_NAME = "cluster.toml"
PACKAGED = Path(__file__).with_name("profile.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterProfile:
    """A cluster's limits, which are also what a job asks for by default.

    Args:
        max_jobs: Jobs of the user that may run at once.
        max_submitted_jobs: Jobs of the user that may run or wait; 0 for no limit.
        partition: Empty takes SLURM's default.
        account: Empty takes the user's default.
        qos: Empty takes the default.
        time_limit: Of one job, as SLURM writes it: `hours:minutes:seconds`, `days-hours`, or minutes.
        cpus: Per job.
        gpus: Per job.
        gpu_memory_gb: Per job, in units of 2^30 bytes.
        gpu_memory_gres: Name of the generic resource that counts GPU memory; empty where there is none.
        memory: Main memory per job as SLURM writes it; empty takes the default.
        signal_s: Seconds before the limit at which a job is told to save and end.
        setup: Shell lines before the command.
        options: Further options of `sbatch`.
        source: The file that this came from.
    """

    max_jobs: int = 4
    max_submitted_jobs: int = 0
    partition: str = ""
    account: str = ""
    qos: str = ""
    time_limit: str = "4:00:00"
    cpus: int = 8
    gpus: int = 1
    gpu_memory_gb: int = 20
    gpu_memory_gres: str = "gpumem"
    memory: str = ""
    signal_s: int = 180
    setup: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    source: str = str(PACKAGED)

    @property
    def time_limit_s(self) -> float:
        """The time limit in seconds."""
        return duration_s(self.time_limit, self.source)


LEAST: Mapping[str, int] = {"max_jobs": 1, "cpus": 1}
"""Smallest value of the numbers that cannot be 0."""


def find_profile(
    path: Path | None, *, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> Path:
    """The file that counts; an empty one does not, for `fleet profile > cluster.toml` empties it before it is read.

    Args:
        path: As given on the command line, or None.
        environment: Of this process by default; `XDG_CONFIG_HOME` and `HOME` are read.
        folder: Where `cluster.toml` is looked for first; by default the current one.

    Raises:
        ConfigError: `path` is given but there is no such file.
    """
    if path is not None:
        if not path.is_file():
            raise ConfigError(
                "There is no such cluster profile",
                value=str(path),
                where="--profile",
                remedy=f"`gamefleet fleet profile > {FILE_NAME}` writes one to edit.",
            )
        return path
    variables = os.environ if environment is None else environment
    home = variables.get("XDG_CONFIG_HOME") or (f"{variables['HOME']}/.config" if variables.get("HOME") else "")
    candidates = [(folder or Path()) / FILE_NAME, *([Path(home) / "gamefleet" / FILE_NAME] if home else [])]
    return next((one for one in candidates if one.is_file() and one.stat().st_size), PACKAGED)


def load_profile(
    path: Path | None = None, *, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> ClusterProfile:
    """Read the profile that counts; arguments as of `find_profile`.

    Raises:
        ConfigError: The file is missing, is no TOML, or holds an unknown name or a bad value.
    """
    found = find_profile(path, environment=environment, folder=folder)
    try:
        values = tomllib.loads(found.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The cluster profile is no TOML: {error}", where=found) from error
    return make_profile(values, source=str(found))


def profile_text(path: Path | None = None) -> str:
    """The text of the profile that counts, with its comments; a start for one's own."""
    return find_profile(path).read_text()


def make_profile(values: Mapping[str, Any], *, source: str) -> ClusterProfile:
    """Check values and fill in the defaults.

    Args:
        values: Names and values of the file.
        source: The file, for errors.

    Raises:
        ConfigError: An unknown name or a bad value.
    """
    defaults = {field.name: field.default for field in dataclasses.fields(ClusterProfile) if field.name != "source"}
    for name in values:
        if name not in defaults:
            raise ConfigError(
                "A cluster profile has no such setting", value=name, where=source, remedy=nearest(name, defaults)
            )
    checked = {name: checked_value(name, value, defaults[name], source) for name, value in values.items()}
    profile = ClusterProfile(**checked, source=source)
    duration_s(profile.time_limit, source)
    return profile


def checked_value(name: str, value: Any, default: object, source: str) -> Any:
    """One value of the type that its default has.

    Raises:
        ConfigError: It has another type, or is too small.
    """
    if isinstance(value, datetime.time):  # TOML reads 04:00:00 without quotes as a time of day
        value = value.isoformat()
    if isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(line, str) for line in value):
            return tuple(value)
        raise bad_value(name, value, source, 'It is a list of texts in quotes: ["...", "..."].')
    if isinstance(default, int) and (not isinstance(value, int) or isinstance(value, bool)):
        raise bad_value(name, value, source, "It is a whole number, without quotes.")
    if isinstance(default, int) and value < LEAST.get(name, 0):
        raise bad_value(name, value, source, f"It is at least {LEAST.get(name, 0)}.")
    if isinstance(default, str) and not isinstance(value, str):
        raise bad_value(name, value, source, "It is a text in quotes.")
    return value


def bad_value(name: str, value: object, source: str, remedy: str) -> ConfigError:
    """The error about a value that cannot be."""
    return ConfigError(f"The cluster profile's {name} cannot be", value=value, where=source, remedy=remedy)


def duration_s(text: str, where: str) -> float:
    """A time limit in seconds.

    Raises:
        ConfigError: It is none.
    """
    found = parse_duration_s(text)
    if not found:
        raise ConfigError(
            "This is no time limit",
            value=text,
            where=where,
            remedy="Write hours:minutes:seconds (4:00:00), days-hours (1-12), or minutes (240).",
        )
    return found


def resources(
    profile: ClusterProfile,
    *,
    partition: str = "",
    account: str = "",
    qos: str = "",
    time_limit: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    gpu_memory_gb: int | None = None,
) -> Resources:
    """What one job may use; what is not asked for is taken from the profile.

    Args:
        profile: Limits and defaults.
        partition: Empty takes the profile's, as for all texts here.
        account: Who pays.
        qos: Quality of service.
        time_limit: As SLURM writes it; None takes the profile's, as for all numbers.
        cpus: Per job.
        gpus: Per job; 0 for a CPU job.
        gpu_memory_gb: Per job, in units of 2^30 bytes.

    Raises:
        ConfigError: More than the profile allows; names the limit and the value.
    """
    time_limit_s = int(allowed_time_s(profile, time_limit))
    num_gpus = within("gpus", gpus, profile)
    return Resources(
        partition=partition or profile.partition,
        account=account or profile.account,
        qos=qos or profile.qos,
        time_limit_s=time_limit_s,
        cpus=within("cpus", cpus, profile),
        gpus=num_gpus,
        gres=gpu_memory(profile, within("gpu_memory_gb", gpu_memory_gb, profile) if num_gpus else 0),
        memory=profile.memory,
        signal_s=min(profile.signal_s, time_limit_s // 2),  # a short job is told after half of its time
        options=profile.options,
    )


def habits(environment: Mapping[str, str]) -> dict[str, str]:
    """What the user's shell always asks of sbatch; a job's own variables are not habits."""
    if "SLURM_JOB_ID" in environment:
        return {}
    names = {name: f"SBATCH_{name.upper()}" for name in ("partition", "account", "qos")}
    return {name: environment[variable] for name, variable in names.items() if environment.get(variable)}


def allowed_time_s(profile: ClusterProfile, asked: str | None) -> float:
    """The time limit of a job, seconds.

    Raises:
        ConfigError: It is above the profile's, or no time.
    """
    if asked is None:
        return profile.time_limit_s
    time_limit_s = duration_s(asked, "time_limit")
    if time_limit_s > profile.time_limit_s:
        raise beyond("time_limit", asked, profile.time_limit, profile)
    return time_limit_s


def gpu_memory(profile: ClusterProfile, gb: int) -> tuple[str, ...]:
    """GPU memory as SLURM counts it here."""
    return (f"{profile.gpu_memory_gres}:{gb}G",) if gb and profile.gpu_memory_gres else ()


def within(name: str, value: int | None, profile: ClusterProfile) -> int:
    """A number that was asked for, or the profile's.

    Raises:
        ConfigError: It is above the profile's, or too small.
    """
    limit: int = getattr(profile, name)
    if value is None:
        return limit
    if value < LEAST.get(name, 0):
        raise ConfigError(f"{name} is at least {LEAST.get(name, 0)}", value=value, where=f"--{name.replace('_', '-')}")
    if value > limit:
        raise beyond(name, value, limit, profile)
    return value


def beyond(name: str, value: object, limit: object, profile: ClusterProfile) -> ConfigError:
    """The error about asking for more than is allowed."""
    return ConfigError(
        f"The cluster profile allows {name} = {limit} per job, not",
        value=value,
        where=profile.source,
        remedy=f"Ask for less; if your cluster allows more, set {name} in your own profile "
        f"(`gamefleet fleet profile > {FILE_NAME}` makes a copy to edit).",
    )
