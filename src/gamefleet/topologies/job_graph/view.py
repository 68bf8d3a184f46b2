"""`scheduler_state.json`: the scheduler's state, and beside it what people and pages want to know.

Job: put both into one JSON value. Place in the data flow: the loop writes it before it acts; `gamefleet skills status`,
the dashboard and `jq` read it. Left out: writing.

What the scheduler itself needs comes from `GraphState`; whatever else stands here is for readers, and a restart does
not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gamefleet.cluster.graph.order import estimates
from gamefleet.cluster.graph.proposals import is_open, why_no_more
from gamefleet.cluster.graph.state import AT_WORK, GraphState, Node
from gamefleet.cluster.local.spool import job_folder, read_facts
from gamefleet.errors import RunFolderError
from gamefleet.topologies.job_graph.executor import session_name
from gamefleet.topologies.job_graph.settings import GraphSettings

Json = dict[str, Any]

NO_USAGE: Mapping[str, Any] = {"calls": 0, "tokens_in": 0, "tokens_out": 0, "cost_usd": 0.0}


@dataclass(slots=True, kw_only=True)
class Account:
    """What is told beside the state.

    Args:
        settings: Of the graph.
        proposer: Who proposes, in a word; empty takes over what an earlier scheduler told.
        executor: Where jobs run.
        host: This machine.
        usage: What proposals took so far.
        proposals: Skill -> where it comes from and what that took.
        verdicts: Skill -> what the verification found.
        progress: Skill -> how its training goes.
        spool: Folder of the jobs on this machine; None where there is none.
    """

    settings: GraphSettings
    proposer: str
    executor: str
    host: str
    usage: Json = field(default_factory=lambda: dict(NO_USAGE))
    proposals: dict[str, Json] = field(default_factory=dict)
    verdicts: dict[str, Json] = field(default_factory=dict)
    progress: dict[str, Json] = field(default_factory=dict)
    spool: Path | None = None

    def remember(self, content: Mapping[str, Any]) -> None:
        """Take over what an earlier scheduler told, as far as it can be read; the state itself was checked before."""
        self.proposer = self.proposer or str(content.get("proposer", ""))
        usage = as_object(content.get("usage"))
        told = {name: usage[name] for name in NO_USAGE if isinstance(usage.get(name), int | float)}
        self.usage = {**NO_USAGE, **told}
        for skill in content.get("skills", []):
            self.proposals[skill["skill_name"]] = as_object(skill.get("proposal"))
            self.verdicts[skill["skill_name"]] = as_object(skill.get("verdict"))


def as_object(value: object) -> Json:
    """A JSON object; empty where something else stands."""
    return dict(value) if isinstance(value, dict) else {}


def whole(state: GraphState, account: Account, now: float) -> Json:
    """The content of `scheduler_state.json`.

    Args:
        state: Of the scheduler.
        account: What is told beside it.
        now: Seconds since 1970.
    """
    settings = account.settings
    content = state.to_json()
    thought = estimates(state.skills)
    for entry, node in zip(content["skills"], state.skills, strict=True):
        entry |= of_skill(node, account, now)
        entry["estimate_s"] = node.estimate_s  # what the scheduler reads back
        entry["expected_s"] = round(thought[node.skill_name], 1)
    return {
        **content,
        "env_name": settings.env_name,
        "proposer": account.proposer,
        "state": run_state(state),
        "updated_at": now,
        "settings": {**settings.model_dump(), "executor": account.executor},
        "usage": {**account.usage, "cap_usd": settings.max_cost, "cap_tokens": settings.max_tokens},
        "frontier": frontier(state),
    }


def of_skill(node: Node, account: Account, now: float) -> Json:
    """What is told about one skill beside its state."""
    job = node.job
    result = node.result
    is_working = node.status in AT_WORK
    has_ended = bool(job and job.ended_at)
    return {
        "executor": account.executor,
        "job": job.id if job else "",
        "session": session_of(node, account) if account.executor == "tmux" and job else "",
        "host": account.host if account.executor != "slurm" and job else "",
        "started_at": node.jobs[0].asked_at if node.jobs else None,
        "ended_at": job.ended_at if job and has_ended and not is_working else None,
        "seconds": round(result.get("seconds", node.trained_s(now)) if has_ended else node.trained_s(now), 1),
        **{name: result.get(name) for name in ("frames", "success_rate", "lower_bound", "successes", "episodes")},
        "progress": account.progress.get(node.skill_name) if is_working else None,
        "proposal": account.proposals.get(node.skill_name, {}),
        "verdict": account.verdicts.get(node.skill_name, {}),
    }


def session_of(node: Node, account: Account) -> str:
    """The skill's tmux session, which is called otherwise when another graph's job had its name."""
    folder = job_folder(account.spool, node.jobs[-1].id) if account.spool and node.jobs[-1].id else None
    try:
        told = {} if folder is None else read_facts(folder.session)
    except RunFolderError:
        told = {}  # a damaged note is no reason to stop
    return str(told.get("name", "")) or session_name(node)


def run_state(state: GraphState) -> str:
    """The whole run in a word."""
    if not state.outcome:
        return "running"
    if state.is_stopping:
        return "stopped"
    is_fruitless = not any(node.status == "completed" for node in state.skills)
    return "failed" if is_fruitless else "done"


def frontier(state: GraphState) -> Json:
    """Whether more skills are proposed, and why not."""
    why = why_no_more(state)
    if why:
        is_spent = state.proposing.has_no_more or state.proposing.ended
        return {"state": "exhausted" if is_spent else "full", "why": why}
    if is_open(state):
        return {"state": "open", "why": state.proposing.ended}
    waiting = [node for node in state.skills if node.status == "waiting" and node.dependencies]
    names = ", ".join(node.skill_name for node in waiting)
    return {"state": "blocked", "why": f"{names} must start first"}
