"""A learner and a coordinator in processes of their own, which can be stopped, killed and started again."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.topologies.remote_pair import settings_of, weights_hash
from tests.waiting import PATIENCE_S, until

from gamefleet.testing.network_namespaces import NetworkNamespaces, enter
from gamefleet.topologies.config import RunConfig
from gamefleet.transport.link_settings import LinkSettings, LinkTimes
from gamefleet.transport.token import Token, new_token

RUN = "apart"
EXACT: dict[str, Any] = {"weights": "float32", "groups": 1, "inference": "learner"}
QUICK = LinkTimes(ping_s=0.2, dead_s=1.0, handshake_s=5.0, retry_s=0.05, retry_most_s=0.2, refused_s=0.3)
ROOT = str(Path(__file__).resolve().parents[2])

PROCESSES = multiprocessing.get_context("forkserver")
"""Torch is loaded once, and each process that is killed has a successor in no time."""
PROCESSES.set_forkserver_preload(
    ["torch", "gamefleet.topologies.remote_learner.coordinator", "gamefleet.topologies.remote_learner.server"]
)


class Diary:
    """Progress as lines `seconds since 1970, text` in a file: what survives whoever wrote it.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def show(self, step: int, total_steps: int, values: Mapping[str, float]) -> None:
        with self._path.with_suffix(".jsonl").open("a") as stream:
            stream.write(json.dumps([time.time(), step, dict(values)]) + "\n")

    def say(self, text: str) -> None:
        with self._path.open("a") as stream:
            stream.write(f"{time.time():.3f} {text}\n")


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a process needs to know.

    Args:
        folder: Of this side.
        token: The secret.
        host: Where the learner listens, or is called.
        port: Its port.
        times: Of the line.
        namespace: Of this process; empty for this machine's.
    """

    folder: Path
    token: str
    host: str
    port: int
    times: LinkTimes
    namespace: str = ""


def learn(place: Place) -> None:
    """The learner's process."""
    import torch

    from gamefleet.runs.deadline import Deadline
    from gamefleet.topologies.remote_learner.server import ServeSettings, serve

    torch.set_num_threads(1)
    if place.namespace:
        enter(place.namespace)
    settings = ServeSettings(
        host=place.host,
        port=place.port,
        folder=place.folder / "learner",
        device="cpu",
        link=LinkSettings(times=place.times),
    )
    diary = Diary(place.folder / "learner.txt")
    serve(settings, Token(place.token), deadline=Deadline(max_runtime_s=None), progress=diary)


def carry(place: Place, config: RunConfig, start: Any) -> None:
    """The coordinator's process."""
    import torch

    from gamefleet.errors import GamefleetError
    from gamefleet.games import open_game
    from gamefleet.runs.deadline import Deadline
    from gamefleet.topologies.config import to_toml
    from gamefleet.topologies.remote_learner.coordinator import coordinate

    torch.set_num_threads(1)
    if place.namespace:
        enter(place.namespace)
    config = replace(config, remote=replace(config.remote, gpu_host=place.host, gpu_port=place.port))
    diary = Diary(place.folder / "coordinator.txt")
    try:
        outcome = coordinate(
            open_game(config.game_name),
            config,
            asked=to_toml(config.resolved()),
            start=start,
            deadline=Deadline(max_runtime_s=None),
            progress=diary,
            token=Token(place.token),
            link=LinkSettings(times=place.times),
        )
    except GamefleetError as error:
        diary.say(f"error: {error}")
        raise SystemExit(1) from error
    diary.say(f"outcome: {outcome.status} at step {outcome.step}")


class RemoteEnds:
    """Both processes, within a `with` block.

    Args:
        folder: An empty one.
        times: Of the line.
        line: Namespaces to put them into.
        changes: Sections of the settings, on top of the small run's.
    """

    def __init__(
        self, folder: Path, *, times: LinkTimes = QUICK, line: NetworkNamespaces | None = None, **changes: Any
    ) -> None:
        self.folder = folder
        self.token = new_token()
        self.config = settings_of(folder / "runs", RUN, **{"remote": EXACT, **changes})
        self._line = line
        host = "127.0.0.1" if line is None else line.address("far")
        self.place = Place(folder=folder, token=self.token.text, host=host, port=free_port(), times=times)
        self.called_port = self.place.port
        self._processes: dict[str, BaseProcess] = {}

    def __enter__(self) -> RemoteEnds:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for who in tuple(self._processes):
            self.kill(who)

    def start_learner(self) -> None:
        """Start it, or start it again."""
        self._start("learner", learn, self.place)

    def start_coordinator(self, start: str | None = None) -> None:
        """Start it, or have it go on from where its run folder is."""
        known = (self.folder / "runs" / RUN / "manifest.json").exists()
        place = replace(self.place, port=self.called_port)
        self._start("coordinator", carry, place, self.config, start or ("resume" if known else "first"))

    def start_both(self) -> None:
        """As it says."""
        self.start_learner()
        self.start_coordinator()

    def kill(self, who: str) -> None:
        """As `kill -9`."""
        process = self._processes.pop(who)
        process.kill()
        process.join()

    def freeze(self, who: str) -> None:
        """As a laptop whose lid is closed."""
        self._signal(who, signal.SIGSTOP)

    def thaw(self, who: str) -> None:
        """The lid is opened."""
        self._signal(who, signal.SIGCONT)

    def is_alive(self, who: str) -> bool:
        """Whether its process runs."""
        return who in self._processes and self._processes[who].is_alive()

    def pid(self, who: str) -> int:
        """Of its process."""
        pid = self._processes[who].pid
        assert pid is not None
        return pid

    def finish(self) -> str:
        """Wait for the coordinator's end; returns the hash of the weights that the run led to."""
        self._processes["coordinator"].join(PATIENCE_S)
        assert not self.is_alive("coordinator"), f"the run does not end\n{self.said('coordinator')[-10:]}"
        said = self.said("coordinator")
        assert any(text.startswith("outcome: finished") for _, text in said), said[-10:]
        return self.hash()

    def hash(self) -> str:
        """Of the weights in the newest checkpoint of the coordinator."""
        from types import SimpleNamespace

        found: Any = SimpleNamespace(folder=self.folder / "runs" / RUN)
        return weights_hash(found)

    def said(self, who: str) -> list[tuple[float, str]]:
        """What a side said so far, over all its lives, with seconds since 1970."""
        path = self.folder / f"{who}.txt"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(float(line.split(" ", 1)[0]), line.split(" ", 1)[1]) for line in lines if " " in line]

    def when(self, who: str, part: str, *, after: float = 0.0) -> float:
        """Wait until a side says something with these words; returns when it did."""

        def moments() -> list[float]:
            may_come = who != "coordinator" or self.is_alive(who)
            found = [at for at, text in self.said(who) if at >= after and part in text]
            assert found or may_come, f"it ended\n{self.said(who)[-10:]}"
            return found

        return until(moments, lambda: f"{part!r} from the {who}\n{self.said(who)[-10:]}", poll_s=0.02)[0]

    def checkpoints(self, who: str = "learner") -> list[Path]:
        """The checkpoints of a side, the newest last."""
        run = self.folder / ("learner" if who == "learner" else "runs") / RUN
        return sorted((run / "checkpoints").glob("step-*"))

    def _start(self, who: str, entry: Callable[..., None], place: Place, *rest: Any) -> None:
        old = self._processes.pop(who, None)
        assert old is None or not old.is_alive(), f"the {who} is still there"
        if self._line is not None:
            place = replace(place, namespace=self._line.names["far" if who == "learner" else "near"])
        if ROOT not in sys.path:  # which the new process takes over, to find this module
            sys.path.append(ROOT)
        self._processes[who] = PROCESSES.Process(target=entry, args=(place, *rest), name=who)
        self._processes[who].start()

    def _signal(self, who: str, number: signal.Signals) -> None:
        os.kill(self.pid(who), number)


def free_port() -> int:
    """A port at which nobody listens; free in a namespace of its own, too, as far as chance goes."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
