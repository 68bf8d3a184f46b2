"""A learner and a coordinator of a small game, in this process or in processes of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gamefleet.games import open_game
from gamefleet.runs.checkpoint import find_checkpoint, open_checkpoint
from gamefleet.runs.deadline import Deadline
from gamefleet.topologies.config import RunConfig, make_config, merge, to_toml
from gamefleet.topologies.remote_learner.coordinator import coordinate
from gamefleet.topologies.remote_learner.server import ServeSettings, serve
from gamefleet.topologies.remote_learner.status import StatusLine
from gamefleet.topologies.training import Outcome, train
from gamefleet.transport.link_settings import LinkSettings, LinkTimes
from gamefleet.transport.token import Token, new_token
from gamefleet.weights.snapshot import checksum

SMALL: dict[str, Any] = {
    "game": {"variant": "mini"},
    "network": {
        "encoder": {
            "d_model": 16,
            "num_heads": 2,
            "num_layers": 1,
            "d_hidden": 16,
            "max_players": 0,
            "max_colors": 0,
            "max_ranks": 0,
            "max_hand_size": 0,
            "max_moves": 0,
        }
    },
    "learner": {
        "batch_size": 8,
        "learning_starts_steps": 64,
        "target_update_interval_updates": 5,
        "learning_rate": 3e-3,
        "adam_epsilon": 1e-8,
        "replay_ratio": 3.0,
    },
    "replay": {"capacity_steps": 600},
    "actors": {"num_envs": 6, "num_workers": 0, "refresh_every_steps": 4, "device": "cpu"},
    "run": {"seed": 5, "device": "cpu", "total_steps": 600, "checkpoint_interval_steps": 150},
}
"""Some twenty-five rounds and two hundred updates."""

RED: dict[str, Any] = {
    "game_name": "pokemon_red",
    "game": {"max_episode_steps": 40},
    "network": {"hidden_size": 8, "head_size": 8, "encoder": {"features": 8}},
    "learner": {"batch_size": 2, "num_steps": 2, "learning_starts_steps": 40, "target_update_interval_updates": 3},
    "curiosity": {"enabled": True, "hidden_size": 8, "output_size": 4, "warm_up_steps": 20},
    "replay": {"capacity_steps": 400, "unroll": 4, "burn_in": 2},
    "actors": {"num_envs": 2, "num_workers": 0, "refresh_every_steps": 5, "device": "cpu"},
    "curriculum": {"kind": "none"},
    "run": {"seed": 3, "device": "cpu", "total_steps": 120},
}

QUICK = LinkSettings(times=LinkTimes(ping_s=0.1, dead_s=1.0, retry_s=0.05, retry_most_s=0.2, refused_s=0.3))


class Lines:
    """Progress that is remembered."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def show(self, step: int, total_steps: int, values: Mapping[str, float]) -> None:
        pass

    def say(self, text: str) -> None:
        self.said.append(text)


def settings_of(folder: Path, name: str, base: Mapping[str, Any] = SMALL, **changes: Mapping[str, Any]) -> RunConfig:
    """The settings of a small run with a run folder, and other sections on top."""
    settings: dict[str, Any] = {}
    merge(settings, base)
    merge(settings, {"run": {"runs_folder": str(folder), "name": name}})
    merge(settings, changes)
    return make_config(open_game(settings.get("game_name", "hanabi")), settings)


def solo(config: RunConfig, start: Any = "first") -> Outcome:
    """The same run on one machine."""
    package = open_game(config.game_name)
    return train(
        package,
        config,
        asked=to_toml(config.resolved()),
        start=start,
        deadline=Deadline(max_runtime_s=None),
        progress=Lines(),
    )


def weights_hash(outcome: Outcome) -> str:
    """Of the weights in a run's newest checkpoint."""
    return checksum(open_checkpoint(find_checkpoint(outcome.folder)).part("model"), {})


class Served:
    """A learner in threads of this process.

    Args:
        folder: For its run folders.
        token: The secret.
        port: 0 for any.
    """

    def __init__(self, folder: Path, token: Token | None = None, *, port: int = 0, **settings: Any) -> None:
        self.token = token or new_token()
        self.lines = Lines()
        self._ends: list[str] = []
        self._deadline = Deadline(max_runtime_s=None)
        self._deadline.reason = lambda: self._ends[0] if self._ends else ""  # type: ignore[method-assign]
        self._deadline.listening = nullcontext  # type: ignore[assignment,method-assign]  # signals are the main thread's
        self._settings = ServeSettings(folder=folder, port=port, device="cpu", link=QUICK, **settings)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        while not (line := next((line for line in self.lines.said if line.startswith("learner at ")), "")):
            assert self._thread.is_alive()
            self._thread.join(0.02)
        return int(line.split(":")[1].split()[0])

    def end(self) -> None:
        """Let it end as a signal would."""
        self._ends.append("the test ends it")
        self._thread.join()

    def _serve(self) -> None:
        serve(self._settings, self.token, deadline=self._deadline, progress=self.lines)


@contextmanager
def served(folder: Path, **settings: Any) -> Iterator[Served]:
    """A learner that ends with the block."""
    torch.set_num_threads(1)
    learner = Served(folder, **settings)
    try:
        yield learner
    finally:
        learner.end()


class Restarting:
    """A learner that is ended and started again on the same port, each time it has made so many updates.

    Args:
        folder: For its run folders.
        at_updates: When.
        meanwhile: What happens to the folder while it is away.
    """

    def __init__(self, folder: Path, at_updates: tuple[int, ...], meanwhile: Callable[[Path], None] | None) -> None:
        self.restarts = 0
        self._folder = folder
        self._at_updates = at_updates
        self._meanwhile = meanwhile
        self._learner = Served(folder)
        self.token, self.port = self._learner.token, self._learner.port
        self._line = StatusLine("127.0.0.1", self.port, self.token, link=QUICK)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it for good."""
        self._is_over.set()
        self._thread.join()
        self._line.close()
        self._learner.end()

    def _watch(self) -> None:
        for updates in self._at_updates:
            while self._line.ask(10.0)["updates"] < updates:
                if self._is_over.wait(0.005):
                    return
            self._learner.end()
            if self._meanwhile is not None:
                self._meanwhile(self._folder)
            self._learner = Served(self._folder, self.token, port=self.port)
            self.restarts += 1


@contextmanager
def restarting(
    folder: Path, *, at_updates: tuple[int, ...], meanwhile: Callable[[Path], None] | None = None
) -> Iterator[Restarting]:
    """A learner that is started again now and then; it ends with the block."""
    torch.set_num_threads(1)
    learner = Restarting(folder, at_updates, meanwhile)
    try:
        yield learner
    finally:
        learner.close()


def coordinated(
    config: RunConfig,
    learner: Served | Restarting,
    *,
    start: Any = "first",
    lines: Lines | None = None,
    reason: Callable[[], str] | None = None,
    in_thread: bool = False,
    kept_bytes: int = QUICK.kept_bytes,
) -> Outcome:
    """Carry a run whose learner is `learner`."""
    deadline = Deadline(max_runtime_s=None)
    if reason is not None:
        deadline.reason = reason  # type: ignore[method-assign]
    if in_thread:
        deadline.listening = nullcontext  # type: ignore[assignment,method-assign]
    config = replace(config, remote=replace(config.remote, gpu_host="127.0.0.1", gpu_port=learner.port))
    return coordinate(
        open_game(config.game_name),
        config,
        asked=to_toml(config.resolved()),
        start=start,
        deadline=deadline,
        progress=lines or Lines(),
        token=learner.token,
        link=replace(QUICK, kept_bytes=kept_bytes),
    )
