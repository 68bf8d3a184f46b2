"""Telling people what a skill graph does.

Job: one line for the terminal and one record for `events/scheduler.jsonl` for each skill whose status changes, and for
each proposal that is refused or not made. Place in the data flow: the loop calls it after every event that changed
something. Left out: the state itself, which is a file of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gamefleet.cluster.graph.events import Event, ProposalFailed
from gamefleet.cluster.graph.state import GraphState, Node
from gamefleet.errors import GamefleetError
from gamefleet.runs.lines import LineWriter

EVENTS = {
    "skill_accepted": "a proposal passed the verification and joined the graph",
    "skill_status": "a skill's `status` changed, for `reason`",
    "proposal_refused": "a proposal did not pass, for `reasons`",
    "proposer_failed": "the proposer did not answer, for `reason`",
    "proposer_exhausted": "the proposer has nothing more to propose, for `reason`: all is learned, or a cap is spent",
    "experts_damaged": "a file of the global mixture, `where`, cannot be used: `what`",
    "experts_mended": "experts `joined` the global mixture again, or were `restored` from their copies; indices",
    "graph_ended": "the run ended, for `reason`",
}
"""Kind -> meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Tells.

    Args:
        lines: Gets the records.
        say: Gets the lines for people.
        attempt: Number of this scheduler's start.
    """

    lines: LineWriter
    say: Callable[[str], None]
    attempt: int

    def tell(self, event: Event, before: GraphState, after: GraphState) -> None:
        """Say what is new."""
        for node in after.skills:
            old = before.skills[node.index] if node.index < len(before.skills) else None
            if old is None:
                self._write("skill_accepted", skill=node.skill_name, dependencies=list(node.dependencies))
            if old is None or old.status != node.status:
                self._write("skill_status", skill=node.skill_name, status=node.status, reason=node.reason)
                self.say(sentence(node))
        if after.rejections[-1:] != before.rejections[-1:]:
            refused = after.rejections[-1]
            self._write("proposal_refused", skill=refused.skill_name, reasons=list(refused.reasons))
            self.say(f"refused: {refused.skill_name or 'a proposal'}: {'; '.join(refused.reasons)}")
        if isinstance(event, ProposalFailed):
            self._write("proposer_failed", reason=event.reason)
            self.say(f"the proposer did not answer: {event.reason}")
        reason = after.proposing.no_more_reason
        if reason and reason != before.proposing.no_more_reason:
            self._write("proposer_exhausted", reason=reason)
            self.say(f"nothing more is proposed: {reason}")
        if after.outcome and not before.outcome:
            self._write("graph_ended", reason=after.outcome)

    def damaged(self, error: GamefleetError) -> None:
        """Say what of the global mixture cannot be used."""
        self._write("experts_damaged", what=error.what, where=str(error.where))
        self.say(f"damaged: {error}")

    def mended(self, *, joined: Sequence[int], restored: Sequence[int]) -> None:
        """Say which experts were brought back, by their skills' indices."""
        self._write("experts_mended", joined=list(joined), restored=list(restored))
        if joined:
            self.say(f"experts that joined the global mixture again: {', '.join(map(str, joined))}")
        if restored:
            self.say(f"experts that came back from their copies: {', '.join(map(str, restored))}")

    def _write(self, kind: str, **details: Any) -> None:
        record: Mapping[str, Any] = {"time": time.time(), "kind": kind, "attempt": self.attempt, **details}
        self.lines.write(record)


def sentence(node: Node) -> str:
    """A skill's new status, for people."""
    name = f"{node.index} {node.skill_name}"
    job = node.job
    if node.status == "completed":
        result = node.result
        rate = f"{result['success_rate']:.1%} of {result['episodes']} episodes" if "success_rate" in result else ""
        return f"{name}: completed, {rate}, {result.get('frames', 0):,} frames, {result.get('seconds', 0):.0f} s"
    if node.status == "running" and job is not None:
        again = f", attempt {job.attempt}, leg {job.leg}" if job.leg > 1 else ""
        return f"{name}: training (job {job.id}{again})"
    if node.status == "waiting" and node.dependencies and not node.reason:
        return f"{name}: waiting for {', '.join(node.dependencies)}"
    return f"{name}: {node.status}{f': {node.reason}' if node.reason else ''}"
