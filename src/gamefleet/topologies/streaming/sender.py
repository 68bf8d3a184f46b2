"""The threads that show a player to its viewers.

Job: hold the link, hear what is granted, encode and offer pictures. Place in the data flow: `stage` -> here
-> link -> `watch.hub`. Left out: which way the link goes (`ways`).

Whatever goes wrong here is a state with a sentence, in the run's log and in `stream/standing.json`; the training does
not notice. Everything is tried again for as long as the run lasts.
"""

from __future__ import annotations

import logging
import threading

import msgspec

from gamefleet.errors import MissingDependencyError
from gamefleet.topologies.streaming.shows import Board
from gamefleet.topologies.streaming.stage import Stage, Taken
from gamefleet.topologies.streaming.ways import Ways
from gamefleet.transport.base import ClosedError
from gamefleet.transport.frames import (
    FRAME,
    GRANT,
    PLAYER,
    ROSTER,
    VIEWER,
    AgentRow,
    Credits,
    Frame,
    MalformedMessageError,
    PlayerFacts,
    read_grants,
)
from gamefleet.transport.link import Link, LinkState, Message
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.pictures import EncodedPicture

log = logging.getLogger(__name__)

TOKEN_INTERVAL_S = 5.0
HEAR_S = 0.5
WORDS = {"connecting": "looking for a viewer", "closed": "ended"}


class Sender:
    """Shows a player until it is closed; see the module's docstring.

    Args:
        stage: Where pictures come from.
        credits: Take what is granted.
        ways: To its viewer.
        facts: Of the player.
        board: Where it says how it goes.
        settings: Bounds and times of the link.
    """

    def __init__(
        self,
        stage: Stage,
        credits: Credits,
        ways: Ways,
        *,
        facts: PlayerFacts,
        board: Board,
        settings: LinkSettings | None = None,
    ) -> None:
        self._stage = stage
        self._audience = stage.admit(credits)
        self._credits = credits
        self._ways = ways
        self._facts = facts
        self._board = board
        self._settings = settings
        self._stop = threading.Event()
        self._link: Link | None = None
        self._numbers: dict[int, int] = {}
        self._told = ("", "")
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for work, name in ((self._hear, "stream-hear"), (self._show, "stream-show"))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the link and the threads."""
        self._stop.set()
        self._audience.has_news.set()
        for thread in self._threads:
            thread.join()
        self._stage.dismiss(self._audience)
        self._tell("ended", "the player ended")
        self._ways.close()

    def _hear(self) -> None:
        while not self._ways.known_tokens():
            self._tell("waiting", "there is no token for viewers; `gamefleet token` makes one")
            if self._stop.wait(TOKEN_INTERVAL_S):
                return
        dialer = Dialer(
            self._ways.connect,
            self._ways.token,
            name=self._facts.member,
            role=PLAYER,
            peer_role=VIEWER,
            facts=msgspec.to_builtins(self._facts),
            settings=self._settings,
        )
        self._link = link = dialer.link
        while not self._stop.is_set():
            try:
                message = link.receive(HEAR_S)
            except ClosedError:  # the thread that dials has ended, which it does for nobody else
                break
            self._look(link.state)
            if message is not None:
                self._understand(link, message)
        self._audience.is_there = False
        dialer.close()

    def _look(self, state: LinkState) -> None:
        is_connected = state.kind == "connected"
        if not is_connected:
            self._credits.clear()
        self._audience.is_there = is_connected
        self._tell(state.kind, state.why or WORDS.get(state.kind, ""))

    def _understand(self, link: Link, message: Message) -> None:
        try:
            if message.kind == GRANT:
                self._credits.replace(read_grants(message.header))
        except MalformedMessageError as error:
            log.warning("a viewer's grant was not understood: %s", error)
        if not message.is_lossy:
            link.acknowledge(message)

    def _tell(self, kind: str, why: str) -> None:
        """Leave word where it changed; what is refused is told once, however often it is tried."""
        if (kind, why if kind == "refused" else "") == self._told:
            return
        self._told = (kind, why if kind == "refused" else "")
        log.info("streaming: %s: %s", kind, why)
        self._board.note(self, kind, why)

    def _show(self) -> None:
        while not self._stop.is_set():
            self._audience.has_news.wait()
            self._audience.has_news.clear()
            link = self._link
            taken, roster = self._audience.take()
            if link is None:
                continue
            if roster:
                link.offer(ROSTER, {"agents": [msgspec.to_builtins(row) for row in roster]}, key=ROSTER)
            try:
                for picture in taken:
                    self._offer(link, picture)
            except MissingDependencyError as error:
                self._tell("refused", str(error))

    def _offer(self, link: Link, taken: Taken) -> None:
        env = taken.row.env
        frame = frame_of(taken.row, taken.encoded(), number=self._numbers.get(env, 0) + 1, at=taken.at)
        if link.offer(FRAME, frame.header(), [frame.data], key=f"env{env}"):
            self._numbers[env] = frame.number
            self._credits.spend(env)


def frame_of(row: AgentRow, picture: EncodedPicture, *, number: int, at: float) -> Frame:
    """A picture with what is said of it."""
    return Frame(
        env=row.env,
        number=number,
        codec=picture.codec,
        width=picture.width,
        height=picture.height,
        progress=row.progress,
        reward=row.reward,
        steps=row.steps,
        milestones=row.milestones,
        at=at,
        data=picture.data,
    )
