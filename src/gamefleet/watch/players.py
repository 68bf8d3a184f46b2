"""One connected player as the hub knows it.

Job: take in what a player says, within bounds, and work out what it is granted. Place in the data flow: messages of one
link -> here -> `hub`. Left out: who watches (`subscription`), and all that concerns several players.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from gamefleet.transport.frames import (
    FRAME,
    FRAME_BYTES,
    GRANT,
    PLAYER,
    ROSTER,
    VIEWER,
    WINDOW,
    AgentRow,
    Frame,
    Grants,
    MalformedMessageError,
    PlayerFacts,
    read_frame,
    read_roster,
)
from gamefleet.transport.link import Link, Message
from gamefleet.transport.link_listener import Listener
from gamefleet.transport.link_settings import MEBIBYTE, LinkSettings
from gamefleet.transport.token import Token

SPEED_WINDOW_S = 3.0
MOST_PLAYERS = 128
MOST_MALFORMED = 50
"""A player that breaks the rules this often is sent away."""


def player_listener(host: str, port: int, token: Token, *, name: str) -> Listener:
    """Wait for players.

    Raises:
        ConfigError: The port is taken.
    """
    # Pictures are the largest thing that players say; nothing they say is kept for long.
    settings = LinkSettings(
        message_bytes=2 * FRAME_BYTES, window_bytes=MEBIBYTE, kept_bytes=MEBIBYTE, most_peers=MOST_PLAYERS
    )
    return Listener(host, port, token, name=name, role=VIEWER, peer_role=PLAYER, settings=settings)


class Player:
    """A connected player; all methods are called under the hub's lock.

    Args:
        link: To it.
        facts: Checked.
        name: Its name here, unique.
    """

    def __init__(self, link: Link, facts: PlayerFacts, name: str) -> None:
        self.link = link
        self.facts = facts
        self.name = name
        self.rows: dict[int, AgentRow] = {}
        self.roster_at = 0.0
        self.num_malformed = 0
        self.fault = ""
        self._granted: dict[int, int] = {}
        self._arrivals: dict[int, deque[tuple[float, int]]] = {}
        self._granted_at = -1.0

    @property
    def is_connected(self) -> bool:
        """Whether messages can come at present."""
        return self.link.state.kind == "connected"

    def agent(self, env: int) -> str:
        """The id of one of its agents."""
        return f"{self.name}/{env}"

    def hear(self, message: Message, now: float) -> Frame | None:
        """Take in a message; returns its picture if it has one that was asked for."""
        try:
            if message.kind == ROSTER:
                rows = read_roster(message.header)
                self.rows = {row.env: row for row in rows if row.env < self.facts.num_envs}
                self.roster_at = now
            elif message.kind == FRAME:
                return self._take(read_frame(message.header, message.payload), now)
        except MalformedMessageError as error:
            self.num_malformed += 1
            self.fault = str(error)
        return None

    def _take(self, frame: Frame, now: float) -> Frame | None:
        left = self._granted.get(frame.env, 0)
        if left <= -WINDOW:  # grants cross pictures on their way; more than these nobody asked for
            return None
        self._granted[frame.env] = left - 1
        arrivals = self._arrivals.setdefault(frame.env, deque())
        arrivals.append((now, len(frame.data)))
        self._recent(frame.env, now)  # nobody may ever ask how fast they come
        return frame

    def frames_per_s(self, env: int, now: float) -> float:
        """How fast pictures of an agent come."""
        return len(self._recent(env, now)) / SPEED_WINDOW_S

    def bytes_per_s(self, now: float) -> float:
        """Of all its pictures."""
        return sum(size for env in self._arrivals for _, size in self._recent(env, now)) / SPEED_WINDOW_S

    def _recent(self, env: int, now: float) -> deque[tuple[float, int]]:
        arrivals = self._arrivals.get(env, deque())
        while arrivals and now - arrivals[0][0] > SPEED_WINDOW_S:
            arrivals.popleft()
        return arrivals

    def grants(self, demand: Mapping[str, float], now: float, *, renew_after_s: float) -> Grants | None:
        """What to grant it now; None when it has enough and was told so not long ago.

        Args:
            demand: Agent -> pictures per second that somebody is ready to take.
            now: In seconds.
            renew_after_s: What was granted is said again after so long.
        """
        wanted = {env: demand[self.agent(env)] for env in self.rows if self.agent(env) in demand}
        runs_low = any(self._granted.get(env, 0) <= 1 for env in wanted)
        is_due = now - self._granted_at >= renew_after_s and bool(wanted or self._granted)
        if not runs_low and not is_due:
            return None
        # Those who are ready to take pictures first; the fastest first, because players count their places.
        ordered = sorted(wanted, key=lambda env: (-wanted[env], env))
        self._granted = dict.fromkeys(ordered, WINDOW)
        self._granted_at = now
        return [(env, WINDOW, wanted[env]) for env in ordered]

    def tell(self, grants: Grants) -> None:
        """Send a grant; when it is lost, the next one says the same."""
        header: Mapping[str, object] = {"grants": [list(grant) for grant in grants]}
        self.link.offer(GRANT, header, key=GRANT)
