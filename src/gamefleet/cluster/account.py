"""The account of a chain: its legs, from what they wrote down.

Job: read every leg's records for people and tables. Place in the data flow: `gamefleet fleet status` and the rehearsal
read. Left out: decisions, for which the newest legs are enough (`store`), and what the run itself wrote (its events).
"""

from __future__ import annotations

from dataclasses import dataclass

from gamefleet.cluster.fleet_paths import ChainPaths
from gamefleet.cluster.records import read_record


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAccount:
    """One leg, as it accounted for itself; times in seconds since 1970, 0 when not known.

    Args:
        number: From 1.
        submission: Which job of the chain ran it.
        job: The scheduler's id.
        host: Where.
        step: Of the newest checkpoint when it began, -1 for none.
        end_step: Of the newest checkpoint when it ended; None for a leg that could not say.
        outcome: `finished`, `saved`, `failed`, `superseded` (by a newer leg); empty while it is at work, and for a leg
            that was killed.
        exit_code: Of the training command; None for a leg that could not say.
        script_started_at: First line of the batch script.
        began_at: The leg was taken.
        ended_at: The training command had ended.
    """

    number: int
    submission: int
    job: str
    host: str
    step: int
    end_step: int | None
    outcome: str
    exit_code: int | None
    script_started_at: float
    began_at: float
    ended_at: float


def read_legs(chain: ChainPaths) -> list[LegAccount]:
    """All legs of a chain, oldest first."""
    return [read_leg_account(chain, number) for number in chain.numbers(chain.legs)]


def read_leg_account(chain: ChainPaths, number: int) -> LegAccount:
    """One leg; what it did not write down is empty."""
    began = read_record(chain.leg(number) / "leg.json")
    ended = read_record(chain.leg(number) / "end.json")
    return LegAccount(
        number=number,
        submission=int(began.get("submission", 0)),
        job=str(began.get("job", "")),
        host=str(began.get("node") or began.get("host", "")),
        step=int(began.get("step", -1)),
        end_step=int(ended["step"]) if "step" in ended else None,
        outcome=str(ended.get("outcome", "")),
        exit_code=int(ended["exit_code"]) if "exit_code" in ended else None,
        script_started_at=float(began.get("script_started_at", 0.0)),
        began_at=float(began.get("began_at", 0.0)),
        ended_at=float(ended.get("ended_at", 0.0)),
    )
