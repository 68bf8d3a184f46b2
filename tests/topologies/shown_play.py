"""A toy that plays and shows itself, and viewers of it, in this process or in one of their own."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.topologies.fleet_of_toys import SETTINGS, package_of
from tests.waiting import PATIENCE_S, until

from gamefleet.topologies.build import build_solo
from gamefleet.topologies.config import make_config
from gamefleet.topologies.solo import Solo
from gamefleet.topologies.streaming.settings import StreamingSettings
from gamefleet.topologies.streaming.wiring import streamed
from gamefleet.transport.link_settings import LinkSettings, LinkTimes
from gamefleet.transport.rendezvous import Standing, read_standing
from gamefleet.transport.token import Token
from gamefleet.watch.hub import Hub
from gamefleet.watch.players import player_listener
from gamefleet.watch.subscription import Subscription, Wish

QUICK = LinkSettings(
    times=LinkTimes(ping_s=0.2, dead_s=1.0, handshake_s=1.5, retry_s=0.05, retry_most_s=0.2, refused_s=0.3)
)
PAUSE_S = 0.004
"""Between two steps, so that a test leaves a core to the others."""

VIEWER = """
import sys
from pathlib import Path
from gamefleet.transport.token import read_token
from gamefleet.watch.hub import Hub
from gamefleet.watch.players import player_listener
from gamefleet.watch.subscription import Wish

hub = Hub(player_listener("127.0.0.1", int(sys.argv[2]), read_token(Path(sys.argv[1])), name="viewer"))
watcher = hub.watch()
watcher.wish(Wish(agents="best", top_k=1, frames_per_s=15.0))
while True:
    for shown in watcher.next(1.0):
        print(shown.id, shown.frame.number, flush=True)
"""


class Play:
    """Steps a toy in a thread, until the block of `playing` ends.

    Args:
        solo: Its actor is stepped.
    """

    def __init__(self, solo: Solo) -> None:
        self.solo = solo
        self.num_steps = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._is_over.wait(PAUSE_S):
            self.solo.actor.step()
            self.num_steps += 1


def goes_on(play: Play) -> bool:
    """Whether more steps are made, however busy the machine is."""
    wanted = play.num_steps + 20
    until(lambda: play.num_steps >= wanted, "step")
    return True


def toy(name: str = "grid", *, num_workers: int = 0) -> Solo:
    package = package_of(name)
    settings = {**SETTINGS, "actors": {**SETTINGS["actors"], "num_workers": num_workers}}
    return build_solo(package, make_config(package, settings))


@contextmanager
def playing(
    place: Path, port: int | None, *, member: str = "m0", environ: Mapping[str, str] | None = None
) -> Iterator[Play]:
    """A toy that plays and is shown to whoever listens on the port; without one, to who leaves word in the folder."""
    settings = StreamingSettings() if port is None else StreamingSettings(enabled=True, port=port)
    with (
        toy() as solo,
        streamed(solo.actor, settings, places=[place], member=member, run="run", environ=environ or {}, link=QUICK),
    ):
        play = Play(solo)
        try:
            yield play
        finally:
            play.close()


@contextmanager
def viewing(token: Token, port: int = 0) -> Iterator[tuple[Hub, int]]:
    """A hub, and its port."""
    listener = player_listener("127.0.0.1", port, token, name="viewer")
    hub = Hub(listener, listening="here")
    try:
        yield hub, listener.address[1]
    finally:
        hub.close()


def watching(hub: Hub, wish: Wish | None = None) -> Subscription:
    watcher = hub.watch()
    watcher.wish(wish or Wish())
    return watcher


def viewer_process(token: Path, port: int) -> subprocess.Popen[str]:
    """A viewer that prints a line per picture."""
    return subprocess.Popen([sys.executable, "-c", VIEWER, str(token), str(port)], stdout=subprocess.PIPE, text=True)


def pictures(watcher: Subscription, number: int) -> list[str]:
    """Ids of so many pictures; fails when they do not come."""
    found: list[str] = []
    end = time.monotonic() + PATIENCE_S
    while len(found) < number:
        assert time.monotonic() < end, f"{len(found)} of {number} pictures came"
        found += [shown.id for shown in watcher.next(0.2)]
    return found


def standing(place: Path) -> Standing:
    return read_standing(place) or Standing(kind="silent", why="", at=0.0, host="")
