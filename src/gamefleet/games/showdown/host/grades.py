"""Policies inside the host, and how strong they are.

Job: the names of policies that play at the simulator's full speed, and a rating for each. Place in the data flow:
generation and matches name them; `policies.js` holds them. Left out: policies outside the host.
"""

from __future__ import annotations

from gamefleet.errors import ConfigError, nearest

RATINGS = {"random": 1000, "max-power": 1150, "max-damage": 1350, "heuristic": 1600}
"""What stands as a rating in generated logs. The scale is our own: ordered by strength, anchored at random play."""

STRONGEST = "heuristic"


def grade(policy: str, strength: float = 1.0) -> str:
    """The host's name for a policy that plays by itself with a chance of `strength`, and at random otherwise.

    Raises:
        ConfigError: There is no such policy, or the strength is no chance.
    """
    check_policy(policy)
    if not 0 <= strength <= 1:
        raise ConfigError("A strength lies between 0 and 1", value=strength, where="--strength")
    return policy if strength == 1 else f"{policy}@{round(1 - strength, 4):g}"


def check_policy(policy: str) -> None:
    """Raise a ConfigError unless there is a policy of this name inside the host."""
    if policy not in RATINGS:
        raise ConfigError("There is no such policy", value=policy, where="--policy", remedy=nearest(policy, RATINGS))


def rating_of(name: str) -> int:
    """The rating of a grade: between that of its policy and that of random play, by how often it plays at random."""
    policy, _, epsilon = name.partition("@")
    return round(RATINGS[policy] + float(epsilon or 0) * (RATINGS["random"] - RATINGS[policy]))
