"""Who is who: ids, seeds and the compatibility hash.

Job: every run, attempt, member, actor and environment has an id that appears in metrics, events and errors; every
random stream derives from (run seed, member, actor, environment, purpose); one hash says whether weights, experience
and peers fit together. Place in the data flow: a leaf, standard library only, so that machines without numpy agree.
Left out: random number generators themselves; callers seed theirs with `derive_seed`.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MEMBER_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
"""Names of a fleet's members: they become folders on every machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Where something happened; each level may be empty.

    Args:
        run: The run's name, the same over all its attempts.
        attempt: Number of this process's start of the run, from 1; 0 when not known.
        member: Process group that shares weights, `m0` in a run on one machine.
        actor: Actor process within the member.
        environment: One game within the actor.
    """

    run: str
    attempt: int = 0
    member: str = "m0"
    actor: str = "a0"
    environment: str = ""

    def __str__(self) -> str:
        parts = [self.run, f"attempt {self.attempt}" if self.attempt else "", self.member, self.actor]
        return "/".join(part for part in [*parts, self.environment] if part)


def derive_seed(run_seed: int, *, purpose: str, member: str = "m0", actor: str = "a0", environment: str = "") -> int:
    """A 63-bit seed for one random stream, independent of every other stream of the run.

    Args:
        run_seed: The run's seed, any integer.
        purpose: What the stream is for, for example `exploration`, `replay` or `reset`.
        member: As in `Identity`.
        actor: As in `Identity`.
        environment: As in `Identity`.

    Returns:
        An integer in [0, 2**63), equal on every machine and Python version.
    """
    label = json.dumps([run_seed, member, actor, environment, purpose], separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(label.encode(), digest_size=8).digest(), "big") >> 1


def compatibility_hash(
    *, game_version: str, observation: Mapping[str, Any], reward: Mapping[str, Any], architecture: Mapping[str, Any]
) -> str:
    """One hash over everything that must be equal for weights and experience to be exchanged.

    Args:
        game_version: Version of the game's code and data, from its spec.
        observation: The observation spec as plain JSON values.
        reward: The reward settings as plain JSON values.
        architecture: The network settings as plain JSON values.

    Returns:
        32 hex digits.
    """
    parts = {"game": game_version, "observation": observation, "reward": reward, "architecture": architecture}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def first_difference(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> str:
    """Name the first key at which two nested settings differ, for the error that follows unequal hashes.

    Returns:
        A text such as `reward.badge_weight: 5.0 here, 1.0 there`, or an empty string when they are equal.
    """
    for key in sorted({*ours, *theirs}):
        name = f"{prefix}{key}"
        here, there = ours.get(key, "(absent)"), theirs.get(key, "(absent)")
        if isinstance(here, Mapping) and isinstance(there, Mapping):
            inner = first_difference(here, there, f"{name}.")
            if inner:
                return inner
        elif json.dumps(here, sort_keys=True) != json.dumps(
            there, sort_keys=True
        ):  # as the hash sees them: 1 is not 1.0
            return f"{name}: {here!r} here, {there!r} there"
    return ""


def fresh_run_name(game: str) -> str:
    """A run name that no other machine is likely to choose: game, date, time and four random digits."""
    return f"{game}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
