"""The lossy channel: pictures of agents that play, from the processes that play to those who watch.

Job: the messages of the channel, checked where they come from outside, and the credits that keep it idle while nobody
watches. Place in the data flow: `topologies.streaming` -> link -> `watch.hub`. Left out: the link, encoding
(`pictures`), and who watches what.

    player -> viewer   facts of the link's peer: member, run, game, num_envs, picture
                       roster  {"agents": [{env, progress, milestones, reward, steps, origin}]}, once a second
                       frame   {env, number, codec, width, height, progress, reward, steps, milestones, at}, one picture
    viewer -> player   grant   {"grants": [[env, credits, frames per second], ...]}; replaces the grant before

Every message may be lost, and none is sent again: rosters and grants say everything each time, of pictures only the
newest is worth anything. Without a credit nothing is drawn, encoded or sent; a grant that is not renewed runs out, so
a viewer that fell asleep costs nothing either.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from gamefleet.transport.pictures import Codec, looks_like

ROSTER, FRAME, GRANT = "roster", "frame", "grant"
PLAYER, VIEWER = "player", "viewer"
"""Roles of the two ends."""

WINDOW = 4
"""Credits of a grant: so many pictures may be on their way before the viewer has taken the first."""

GRANT_LASTS_S = 4.0
GRANT_INTERVAL_S = 1.0
ROSTER_INTERVAL_S = 1.0

MOST_AGENTS = 1024
"""Of one player."""

NAME_CHARACTERS = 80
MOST_PIXELS_A_SIDE = 2048
FRAME_BYTES = 1 << 20
MOST_FRAMES_PER_S = 60.0

Env = Annotated[int, msgspec.Meta(ge=0, lt=MOST_AGENTS)]
Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 53)]
Side = Annotated[int, msgspec.Meta(ge=1, le=MOST_PIXELS_A_SIDE)]
Word = Annotated[str, msgspec.Meta(max_length=1024)]
"""Longer ones are no names; what is shown of one is cut to `NAME_CHARACTERS`."""


Kind = TypeVar("Kind")


class MalformedMessageError(ValueError):
    """A message of the other side that breaks the rules; the text says which."""


class PlayerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a player says of itself when it connects.

    Args:
        member: Its name among those that share weights, or of the run.
        run: Name of its run.
        game: What it plays.
        num_envs: Agents.
        picture: Height and width in pixels.
        process: Random word of the process: one that finds a viewer by two ways is shown once.
    """

    member: Word
    run: Word
    game: Word
    num_envs: Annotated[int, msgspec.Meta(ge=1, le=MOST_AGENTS)]
    picture: tuple[Side, Side]
    process: Word = ""


class AgentRow(msgspec.Struct, frozen=True, kw_only=True):
    """How one agent stands in its present episode.

    Args:
        env: Its number.
        progress: As in `Step.progress`.
        milestones: Reached, those of its start state included.
        reward: Sum so far.
        steps: So far.
        origin: Where the episode began.
    """

    env: Env
    progress: float
    milestones: Count
    reward: float
    steps: Count
    origin: Word


class Roster(msgspec.Struct, frozen=True, kw_only=True):
    """All agents of a player."""

    agents: Annotated[list[AgentRow], msgspec.Meta(max_length=MOST_AGENTS)]


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One picture and where its agent stood.

    Args:
        env: The agent.
        number: Grows with every picture of the agent.
        codec: Of `data`.
        width: In pixels.
        height: In pixels.
        progress: As in `AgentRow`, like the following ones.
        reward: Sum of the episode so far.
        steps: Of the episode so far.
        milestones: Reached so far.
        at: When it was taken, seconds since 1970 by the player's clock.
        data: The picture; not part of the header.
    """

    env: Env
    number: Count
    codec: Codec
    width: Side
    height: Side
    progress: float
    reward: float
    steps: Count
    milestones: Count
    at: float
    data: bytes = b""

    def header(self) -> dict[str, Any]:
        """Everything but the picture."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "data"}


Grants = Sequence[tuple[int, int, float]]
"""Agent, credits, pictures per second at most."""


class _GrantMessage(msgspec.Struct, frozen=True):
    grants: Annotated[
        list[
            tuple[
                Env,
                Annotated[int, msgspec.Meta(ge=0, le=1000)],
                Annotated[float, msgspec.Meta(ge=0, le=MOST_FRAMES_PER_S)],
            ]
        ],
        msgspec.Meta(max_length=MOST_AGENTS),
    ]


def read_facts(facts: Mapping[str, Any]) -> PlayerFacts:
    """Check what a player says of itself.

    Raises:
        MalformedMessageError: Says what is wrong.
    """
    found = _converted(facts, PlayerFacts)
    return msgspec.structs.replace(found, **{name: plain(getattr(found, name)) for name in ("member", "run", "game")})


def read_roster(header: Mapping[str, Any]) -> list[AgentRow]:
    """Check a roster; numbers that are none become 0.

    Raises:
        MalformedMessageError: Says what is wrong.
    """
    return [
        msgspec.structs.replace(row, progress=finite(row.progress), reward=finite(row.reward), origin=plain(row.origin))
        for row in _converted(header, Roster).agents
    ]


def read_frame(header: Mapping[str, Any], payload: Sequence[bytes | memoryview]) -> Frame:
    """Check a picture and what is said of it.

    Raises:
        MalformedMessageError: Says what is wrong.
    """
    frame = _converted({**header, "data": b""}, Frame)
    if len(payload) != 1 or not 0 < len(payload[0]) <= FRAME_BYTES:
        sizes = [len(part) for part in payload]
        raise MalformedMessageError(f"a frame has one picture of at most {FRAME_BYTES} bytes, not {sizes[:4]}")
    if not looks_like(frame.codec, payload[0], width=frame.width, height=frame.height):
        raise MalformedMessageError(f"the picture is no {frame.codec} of {frame.width} x {frame.height}")
    numbers = {name: finite(getattr(frame, name)) for name in ("progress", "reward", "at")}
    return msgspec.structs.replace(frame, data=bytes(payload[0]), **numbers)


def read_grants(header: Mapping[str, Any]) -> Grants:
    """Check a grant.

    Raises:
        MalformedMessageError: Says what is wrong.
    """
    return _converted(header, _GrantMessage).grants


def _converted(header: Mapping[str, Any], kind: type[Kind]) -> Kind:
    try:
        return msgspec.convert(dict(header), kind)
    except (msgspec.ValidationError, TypeError) as error:
        raise MalformedMessageError(str(error)[:200]) from error


def finite(number: float) -> float:
    """The number, or 0 for what is none: JSON knows neither infinity nor NaN."""
    return number if math.isfinite(number) else 0.0


def plain(text: str) -> str:
    """A name from elsewhere as it may be shown: printable characters only, not too many of them."""
    kept = "".join(character for character in text if character.isprintable())
    return kept if len(kept) <= NAME_CHARACTERS else f"{kept[: NAME_CHARACTERS - 1]}…"


class Credits:
    """What a player may draw and send; see the module's docstring.

    Args:
        top_k: Agents that are shown at full speed at most; others get a picture a second.
        frames_per_s: Full speed at most.
        clock: In seconds.
    """

    def __init__(self, *, top_k: int, frames_per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._top_k = top_k
        self._frames_per_s = frames_per_s
        self._clock = clock
        self._left: dict[int, int] = {}
        self._interval_s: dict[int, float] = {}
        self._next_at: dict[int, float] = {}
        self._until = -math.inf

    @property
    def is_empty(self) -> bool:
        """Whether nobody watches."""
        return not self._left

    def replace(self, grants: Grants) -> None:
        """Take what a viewer grants in place of what there was."""
        wanted = [(env, credits, speed) for env, credits, speed in grants if speed > 0]
        intervals = {}
        for place, (env, _, speed) in enumerate(wanted):
            most = self._frames_per_s if place < self._top_k else 1.0
            intervals[env] = 1.0 / min(speed, most)
        self._next_at = {env: at for env, at in self._next_at.items() if env in intervals}
        self._interval_s = intervals
        self._left = {env: credits for env, credits, _ in wanted}
        self._until = self._clock() + GRANT_LASTS_S

    def clear(self) -> None:
        """Nobody watches any more."""
        self._left, self._interval_s, self._next_at = {}, {}, {}

    def due(self) -> list[int]:
        """The agents of which a picture may be taken now; each counts as taken."""
        if not self._left:
            return []
        now = self._clock()
        if now > self._until:
            self.clear()
            return []
        # One grant replaces another while this runs, so each is looked at through names of its own.
        left, intervals, next_at = self._left, self._interval_s, self._next_at
        found = [env for env, credits in left.items() if credits > 0 and now >= next_at.get(env, -math.inf)]
        for env in found:
            # In step with the speed that was asked for, not with the moment of the last picture, or a game that makes
            # 20 steps a second would be shown at 10 a second instead of 15.
            planned = next_at.get(env, now) + intervals.get(env, 1.0)
            next_at[env] = max(planned, now)
        return found

    def spend(self, env: int) -> None:
        """A picture of an agent was sent."""
        left = self._left
        if left.get(env, 0) > 0:
            left[env] -= 1
