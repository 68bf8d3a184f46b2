"""`gamefleet actors`: let this machine play for a fleet.

Job: find the fleet, decide how much this machine does, and hand over to `topologies.actors_only`, or to training for a
machine that learns, too. Place in the data flow: a laptop beside `gamefleet sync`, or any machine that sees the shared
folder. Left out: playing, learning and synchronising.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from gamefleet.cli.actors_sync import KeptInSync, pull_once
from gamefleet.cli.options import SetOption
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.games.base import GamePackage
    from gamefleet.topologies.actors_only.plan import Fleet
    from gamefleet.topologies.config import RunConfig
    from gamefleet.topologies.streaming.settings import StreamingSettings

DEFAULT_SHARED_DIR = "~/shared_weights"
Given = Literal["experience", "weights", "both"]
SharedDirOption = Annotated[Path, typer.Option(metavar="DIR", help="The shared folder, or this machine's copy of it.")]
NumEnvsOption = Annotated[
    str, typer.Option(metavar="auto|N", help="Games at the same time; auto follows `gamefleet autotune`.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for.

    Args:
        user_id: Name of this machine; None for the host's.
        num_envs: A number, or `auto`.
        measures: Run the benchmark first.
        device: As `actors.device`.
        max_runtime_s: End after so many seconds; None for never.
        assignments: `--set`.
    """

    user_id: str | None
    num_envs: str
    measures: bool
    device: str
    max_runtime_s: float | None
    assignments: list[str]

    @property
    def machine(self) -> str:
        """Name of this machine's profile."""
        from gamefleet.cluster.machine_profile import default_user_id

        return default_user_id(platform.node()) if self.user_id is None else self.user_id

    @property
    def member(self) -> str:
        """Name among the fleet's members."""
        from gamefleet.topologies.shared_folder.settings import safe_member_name

        return safe_member_name(platform.node()) if self.user_id is None else self.user_id.lower()


def actors(
    what: Annotated[
        str | None, typer.Argument(metavar="[experience|weights|both]", help="With --contribute: what; both.")
    ] = None,
    shared_dir: SharedDirOption = Path(DEFAULT_SHARED_DIR),
    num_envs: NumEnvsOption = "auto",
    autotune: Annotated[bool, typer.Option("--autotune", help="Measure this machine first.")] = False,
    contribute: Annotated[
        bool, typer.Option("--contribute", help="Contribute experience and weights; without it, experience.")
    ] = False,
    user_id: Annotated[
        str | None, typer.Option(metavar="NAME", help="This machine's name in the fleet; the host name by default.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Show the games to `gamefleet view`.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    sync: Annotated[
        str | None,
        typer.Option(
            metavar="REMOTE", help="Pull from and push to [USER@]HOST:DIR meanwhile; '' as `sync setup` said."
        ),
    ] = None,
    max_runtime_seconds: Annotated[float | None, typer.Option(help="End after so many seconds.")] = None,
    assignments: SetOption = None,
) -> None:
    """Play for a fleet with its newest weights, and hand over what was played (or also learn from it)."""
    contribution = contribution_of(contribute, what)
    wishes = Wishes(
        user_id=user_id,
        num_envs=num_envs,
        measures=autotune,
        device=device,
        max_runtime_s=max_runtime_seconds,
        assignments=[*(["streaming.enabled=true"] if stream else []), *(assignments or [])],
    )
    folder = shared_dir.expanduser().absolute()
    with kept_in_sync(folder, sync):
        take_part(folder, wishes, contribution)


def contribution_of(contribute: bool, what: str | None) -> Given:
    """What is contributed.

    Raises:
        ConfigError: It is none of the three, or was named without `--contribute`.
    """
    if what is not None and what not in ("experience", "weights", "both"):
        raise ConfigError("This cannot be contributed", value=what, remedy="Choose experience, weights or both.")
    if what is not None and not contribute:
        raise ConfigError("This word needs --contribute before it", value=what, remedy=f"Say --contribute {what}.")
    if what == "weights":
        return "weights"
    return "both" if contribute and what in (None, "both") else "experience"


@contextmanager
def kept_in_sync(folder: Path, remote: str | None) -> Iterator[None]:
    """Sync while the block lasts, if that is wanted; otherwise say when nothing will reach the others.

    A folder that `gamefleet sync` has worked on is a copy: what is written there gets away only by another push. Any
    other folder is taken for the shared one.
    """
    from gamefleet.cluster.sync.presence import sync_state

    state = sync_state(folder)
    if state is not None and not state.delivers and (remote is None or state.is_running):
        reason = state.fault or ("its sync only pulls" if state.is_running else "no sync of it is running")
        remedy = "End that sync" if state.is_running else "Add --sync '' here"
        tell(
            f"{folder} is a copy, and {reason}: what this machine contributes will not reach the others. {remedy}, "
            'or run `gamefleet sync bidirectional "" DIR 5` instead.'
        )
    if remote is None:
        yield
        return
    pull_once(remote, folder)
    with KeptInSync(remote, folder):
        yield


def take_part(folder: Path, wishes: Wishes, contribution: Given) -> None:
    """Play, or play and learn, until the end.

    Raises:
        RunFolderError: There is no fleet in the folder.
        IncompatibleError: This installation does not fit the fleet.
    """
    from gamefleet.games import open_game
    from gamefleet.topologies.actors_only.plan import find_fleet
    from gamefleet.topologies.actors_only.player import settings_of

    # A scheduler or a user may send it at any time; the loop listens, before and after it there is nothing to save.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    fleet = find_fleet(folder)
    package = open_game(fleet.facts.game_name)
    config = settings_of(package, fleet.facts, own_settings(wishes, {}))
    own = own_settings(wishes, machine_settings(package, config, wishes))
    if contribution == "experience":
        play_only(package, folder, wishes, own)
    else:
        learn_too(package, fleet, folder, wishes, own, shares_play=contribution == "both")


def own_settings(wishes: Wishes, machine: dict[str, Any]) -> dict[str, Any]:
    """The settings of this machine: what was chosen, with what was asked for on top.

    Args:
        wishes: Of the command line.
        machine: Dotted names -> values.
    """
    from gamefleet.topologies.config import ask, merge
    from gamefleet.topologies.layers import nested

    chosen: dict[str, Any] = {}
    for name, value in machine.items():
        merge(chosen, nested(name, value))
    return dict(ask(file=None, assignments=wishes.assignments, flags={}, base=chosen).settings)


def machine_settings(package: GamePackage, config: RunConfig, wishes: Wishes) -> dict[str, Any]:
    """How many games, in how many processes, on which device: as asked for, by the profile, or by the rule.

    Raises:
        ConfigError: `--num-envs` is no number.
    """
    if wishes.num_envs != "auto" and not (wishes.num_envs.isdigit() and int(wishes.num_envs) > 0):
        raise ConfigError(
            "This is no number of games", value=wishes.num_envs, where="--num-envs", remedy="Say auto, or 1 or more."
        )
    asked = {"actors.device": wishes.device, "run.device": wishes.device}
    if wishes.num_envs != "auto" and not wishes.measures:
        return {**asked, "actors.num_envs": int(wishes.num_envs), "actors.num_workers": "auto"}
    from gamefleet.topologies.autotune import choose

    choice = choose(wishes.machine, package, config, measure=wishes.measures, tell=tell)
    tell(f"{choice.num_envs} environments in {choice.num_workers} processes, on {choice.device}; {choice.source}")
    if wishes.device == "auto":
        asked = {"actors.device": choice.device, "run.device": choice.learning_device}
    is_free = wishes.num_envs == "auto"
    num_envs = choice.num_envs if is_free else int(wishes.num_envs)
    return {**asked, "actors.num_envs": num_envs, "actors.num_workers": choice.num_workers if is_free else "auto"}


def play_only(package: GamePackage, folder: Path, wishes: Wishes, own: dict[str, Any]) -> None:
    """Play with the fleet's weights and hand over what was played."""
    from gamefleet.runs.deadline import Deadline, job_end
    from gamefleet.runs.progress import progress_on
    from gamefleet.topologies.actors_only.member import state_folder
    from gamefleet.topologies.actors_only.plan import ActorsPlan
    from gamefleet.topologies.actors_only.wiring import play

    plan = ActorsPlan(
        shared_dir=folder, member=wishes.member, state_folder=state_folder(), own=own, streaming=streaming_of(own)
    )
    deadline = Deadline(max_runtime_s=wishes.max_runtime_s, job_end=job_end(os.environ))
    with progress_on() as progress:
        account = play(package, plan, deadline=deadline, progress=progress)
    print(f"ended: {account.reason}. {account.steps:,} steps played, {account.chunks} chunks handed over.")


def streaming_of(own: dict[str, Any]) -> StreamingSettings:
    """Whether this machine shows its games: only if it was told so itself, whatever the fleet's own jobs do."""
    from gamefleet.topologies.streaming.settings import StreamingSettings

    return StreamingSettings(**own.get("streaming", {}))


def learn_too(
    package: GamePackage, fleet: Fleet, folder: Path, wishes: Wishes, own: dict[str, Any], *, shares_play: bool
) -> None:
    """Train here as a member of the fleet; the run is named after the member and goes on where it was."""
    from gamefleet.cli.train import conclude, run_exists, train_run
    from gamefleet.topologies.config import Asked, make_config, merge

    settings: dict[str, Any] = {}
    shared = fleet.facts.settings.items()
    merge(settings, {name: value for name, value in shared if name not in ("collaboration", "streaming")})
    merge(settings, own)
    merge(settings, learning_settings(folder, wishes, fleet, shares_play=shares_play))
    asked = Asked(settings=settings)
    start: Literal["resume", "first"] = "resume" if run_exists(package, asked) else "first"
    outcome = train_run(package, make_config(package, settings), asked, start)
    conclude(outcome, package.name, video=False)


def learning_settings(folder: Path, wishes: Wishes, fleet: Fleet, *, shares_play: bool) -> dict[str, Any]:
    """What makes a run a member that never merges: it may be working on a copy."""
    from gamefleet.identity import derive_seed

    seed = derive_seed(fleet.facts.seed, purpose="learning member", member=wishes.member)
    return {
        "run": {"name": wishes.member, "seed": seed, "max_runtime_s": wishes.max_runtime_s},
        "collaboration": {
            "enabled": True,
            "shared_dir": str(folder),
            "member": wishes.member,
            "may_merge": False,
            "share_experience": shares_play,
            "accept_experience": False,
        },
    }


def tell(line: str) -> None:
    """One line for whoever watches."""
    print(f"gamefleet: {line}", file=sys.stderr, flush=True)
