"""What a member that only plays does next, and what is worth a line.

Job: judge its situation, and tell changes of it. Place in the data flow: asked by `actors_only` before each round.
Left out: finding the situation out; everything here is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PATIENCE_S = 10.0
"""What passes within this time is not worth a line: learners read between rounds, and synchronising takes a while."""


class Mood(Enum):
    """What a member does."""

    PLAYING = "playing"
    EXPECTING = "expecting"
    WAITING = "waiting"
    PAUSED = "paused"
    AWAY = "away"
    FULL = "full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What decides.

    Args:
        has_weights: There are weights to play with.
        trouble: Why the folder could not be used at the last try; empty when it could.
        is_full: The trouble is that there is no space.
        is_held_back: A chunk is whole and may not be written, because too many are unread.
        unread_bytes: Of those.
        num_readers: Learners at work.
        version: Of the weights that play.
        quiet_s: Seconds since something new came: a merged version, or word that chunks were read.
        pause_after_s: From then on it is called a pause.
    """

    has_weights: bool
    trouble: str = ""
    is_full: bool = False
    is_held_back: bool = False
    unread_bytes: int = 0
    num_readers: int = 0
    version: int = 0
    quiet_s: float = 0.0
    pause_after_s: float = 1800.0


def judge(now: Situation) -> Mood:
    """The mood that follows from a situation."""
    if now.is_full:
        return Mood.FULL
    if now.trouble:
        return Mood.AWAY
    if not now.has_weights:
        return Mood.EXPECTING
    if now.is_held_back:
        return Mood.PAUSED if now.quiet_s >= now.pause_after_s else Mood.WAITING
    return Mood.PLAYING


def line_for(mood: Mood, now: Situation) -> str:
    """What to tell when a mood begins."""
    unread = f"{now.unread_bytes / 1e6:.1f} MB of experience that nobody has read"
    if mood is Mood.FULL:
        return f"no space left: {now.trouble} Going on as soon as there is some."
    if mood is Mood.AWAY:
        return f"the shared folder cannot be used: {now.trouble} Going on as soon as it is back."
    if mood is Mood.EXPECTING:
        return "there are no weights to play with yet: waiting for the first version"
    if mood is Mood.PAUSED:
        quiet = f"nothing new for {now.quiet_s / 60:.0f} minutes (version {now.version}), and {unread}"
        return f"paused: {quiet}. Going on by itself when something comes."
    if mood is Mood.WAITING:
        return f"waiting: {unread}; {now.num_readers} learners at work"
    return f"playing with version {now.version}"


class Teller:
    """Says what changes: bad news after some patience, good news only after bad ones were told.

    Args:
        patience_s: See `PATIENCE_S`.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._told: Mood | None = None
        self._mood: Mood | None = None
        self._since = 0.0

    def hear(self, mood: Mood, now: Situation, at: float) -> str:
        """Take in a mood.

        Args:
            mood: Of `judge`.
            now: What it follows from.
            at: Clock in seconds.

        Returns:
            A line, or an empty text.
        """
        if mood is not self._mood:
            self._mood, self._since = mood, at
        is_settled = mood is Mood.PLAYING or at - self._since >= self._patience_s
        if mood is self._told or not is_settled:
            return ""
        self._told = mood
        return line_for(mood, now)
