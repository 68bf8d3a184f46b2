"""The two services of a learner on another machine: the learner itself, and the coordinator that plays.

Job: say which commands they keep running, with which settings, and what else they may do. Place in the data flow:
`gamefleet service` installs them; `deploy/systemd/` holds their files. Left out: the text of files (`service_files`).

What a unit forbids was chosen for what these programs need: an environment in somebody's home folder, shared memory
between workers, and, for the learner, the devices and the compiled code of CUDA. So the learner's unit has no
`PrivateDevices`, `DevicePolicy` or `ProtectClock` (all three hide /dev/nvidia*), and neither unit has
`MemoryDenyWriteExecute` (compiled kernels are written and then run) or `ProtectHome`. A user's own manager can enforce
little of it, and turns on `NoNewPrivileges` for what it can; under that, the driver's own loader cannot make devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gamefleet.cluster.service_files import RESTART_S, Flavour, Service, Setting, settings_text, systemd_unit
from gamefleet.errors import ConfigError, nearest

LEARNER, COORDINATOR = "learner", "coordinator"
KINDS = (LEARNER, COORDINATOR)

HOME = "/home/USER"
"""What stands for the home folder until it is known which."""

HIGHEST_PORT = 65_535

OWN_PROGRAM = "gamefleet/.venv/bin/gamefleet"

ENVIRONMENT: Mapping[str, str] = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1"}

TOKEN_VARIABLE = "AUTH_TOKEN"
TOKEN = Setting(
    name=TOKEN_VARIABLE,
    value="",
    meaning="The token of both machines; needed only where ~/.config/gamefleet/token of the unit's user has none.",
    is_set=False,
)
OPTIONS = Setting(name="OPTIONS", value="", meaning="Further options of the command.", is_list=True)

LEARNER_SETTINGS: Sequence[Setting] = (
    Setting(
        name="HOST",
        value="127.0.0.1",
        meaning="Where to listen: 0.0.0.0 is every network of this machine, 127.0.0.1 this machine and ssh tunnels.",
    ),
    Setting(name="PORT", value="5555", meaning="Open it in the firewall when HOST is not 127.0.0.1."),
    Setting(name="DEVICE", value="auto", meaning="auto, cpu, cuda or mps."),
    Setting(name="FOLDER", value="runs/learner", meaning="The learner's checkpoints."),
    TOKEN,
    OPTIONS,
)
COORDINATOR_SETTINGS: Sequence[Setting] = (
    Setting(name="GPU_HOST", value="localhost", meaning="The machine with the GPU: its name or address."),
    Setting(name="GPU_PORT", value="5555", meaning="Of the learner there."),
    Setting(name="GAME", value="", meaning="What is played; empty for what a --config in OPTIONS says, or the usual."),
    Setting(name="RUN", value="", meaning="Name of the run and of its folder below runs/; empty for the game's name."),
    TOKEN,
    OPTIONS,
)

RESTARTS = (
    "Restart=always",
    f"RestartSec={RESTART_S}",
    "# Up to five minutes between attempts; systemd older than 254 says that it does not know these two.",
    "RestartSteps=6",
    "RestartMaxDelaySec=300",
    "# SIGTERM has the program save and end; its workers are ended by it.",
    "KillMode=mixed",
    "TimeoutStopSec=180",
    "UMask=0077",
)

SECCOMP = (
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictNamespaces=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    "SystemCallFilter=~@clock @cpu-emulation @module @mount @obsolete @raw-io @reboot @swap",
    "SystemCallErrorNumber=EPERM",
)
WHOLE_MACHINE = (
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "PrivateTmp=yes",
    "ProtectSystem=full",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "KeyringMode=private",
)
LOAD_DRIVER = (
    "# The service itself may not load the driver's part for computing, nor make its devices.",
    "ExecStartPre=+-/usr/bin/nvidia-modprobe -u -c=0",
)
NOTHING_FORBIDDEN = (
    "# Nothing is forbidden: a user's own unit could forbid little, and then the GPU's driver could not be loaded.",
    "# The unit of the whole machine (`--system`) forbids what it can.",
)
NO_DEVICES = ("PrivateDevices=yes", "ProtectClock=yes")


def remote_service(
    kind: str, flavour: Flavour, *, program: Sequence[str], home: Path, folder: str, values: Mapping[str, str]
) -> Service:
    """One of the two services.

    Args:
        kind: `learner` or `coordinator`.
        flavour: For which system.
        program: How `gamefleet` is started.
        home: The user's home folder; not looked at for a unit of the whole machine.
        folder: Where it works, as `runs/` lies there; `~` for the home of the unit's user.
        values: Settings that differ from the usual ones.

    Raises:
        ConfigError: There is no such service or setting.
    """
    if kind not in KINDS:
        raise ConfigError("There is no such service", value=kind, remedy=nearest(kind, KINDS))
    name = f"gamefleet-{kind}"
    settings = with_values(LEARNER_SETTINGS if kind == LEARNER else COORDINATOR_SETTINGS, values)
    config = home / ".config" / "gamefleet"
    return Service(
        name=name,
        description="gamefleet: " + ("learn for a coordinator" if kind == LEARNER else "play for a learner"),
        command=[*program, *words_of(kind, settings)],
        environment=ENVIRONMENT,
        log=home / ".cache" / "gamefleet" / f"{kind}.log",
        settings=settings,
        settings_file=Path("/etc/default") / name if flavour == "system" else config / f"{kind}.env",
        folder=folder,
        directives=directives_of(kind, flavour),
        has_an_end=kind == COORDINATOR,
    )


def with_values(settings: Sequence[Setting], values: Mapping[str, str]) -> list[Setting]:
    """Settings with other values.

    Raises:
        ConfigError: There is no setting of that name.
    """
    known = {one.name: option_of(one.name) for one in settings}
    for name, value in values.items():
        option = option_of(name)
        if name not in known:
            raise ConfigError("This service has no such option", value=option, remedy=nearest(option, known.values()))
        if name.endswith("PORT") and not (value.isdecimal() and 0 < int(value) <= HIGHEST_PORT):
            raise ConfigError("This is no port", value=value, where=option, remedy=f"Choose 1 to {HIGHEST_PORT}.")
    return [
        Setting(name=one.name, value=values[one.name], meaning=one.meaning, is_list=one.is_list)
        if one.name in values
        else one
        for one in settings
    ]


def option_of(name: str) -> str:
    """The option that a setting is on the command line."""
    return f"--{name.lower().replace('_', '-')}"


def words_of(kind: str, settings: Sequence[Setting]) -> list[str | Setting]:
    """The words after the program's name: an option for each setting."""
    first: list[str | Setting] = ["learner", "serve"] if kind == LEARNER else ["coordinate"]
    for one in settings:
        if one.name == TOKEN_VARIABLE:
            first += ["--auth-token-env", TOKEN_VARIABLE]
        elif one.is_list:
            first.append(one)
        else:
            first += [option_of(one.name), one]
    return first


def directives_of(kind: str, flavour: Flavour) -> tuple[str, ...]:
    """How it is started again, and what it may not do."""
    if flavour == "system":
        own = LOAD_DRIVER if kind == LEARNER else NO_DEVICES
        return (*RESTARTS, *own, *SECCOMP, *WHOLE_MACHINE)
    return (*RESTARTS, *NOTHING_FORBIDDEN) if kind == LEARNER else (*RESTARTS, *SECCOMP)


def files_by_hand(program: str) -> dict[str, str]:
    """What those need who install by hand: relative path -> text.

    Args:
        program: Path of `gamefleet`, for the units of the whole machine.
    """
    found = {}
    for kind in KINDS:
        service = remote_service(kind, "system", program=[program], home=Path("/"), folder="~", values={})
        own = remote_service(
            kind, "systemd", program=[f"{HOME}/{OWN_PROGRAM}"], home=Path(HOME), folder=HOME, values={}
        )
        found[f"{service.name}@.service"] = systemd_unit(service, "system")
        found[f"{service.name}.example"] = settings_text(service)
        # Units of a user have a word for the home folder; those of the machine have none for that of their user.
        found[f"user/{service.name}.service"] = systemd_unit(own).replace(HOME, "%h")
    return found
