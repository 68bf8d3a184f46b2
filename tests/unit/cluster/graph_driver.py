"""A scheduler of a skill graph in a test's hands: events in, commands out, time as it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gamefleet.cluster.graph.advance import advance
from gamefleet.cluster.graph.events import (
    Accepted,
    Begun,
    Command,
    Event,
    JobEnded,
    Merge,
    Merged,
    Propose,
    Submit,
    Submitted,
    Ticked,
)
from gamefleet.cluster.graph.failures import Report
from gamefleet.cluster.graph.state import GraphState, Limits, Node


@dataclass(slots=True)
class Driver:
    """One graph; answers what is not being tested by itself: jobs exist, merges succeed."""

    limits: Limits = field(default_factory=Limits)
    state: GraphState = field(default_factory=lambda: GraphState(id="graph"))
    now: float = 1000.0
    started: list[str] = field(default_factory=list)
    last: list[Command] = field(default_factory=list)

    def begin(self) -> Driver:
        self.do(Begun(limits=self.limits))
        return self

    def do(self, event: Event) -> list[Command]:
        """Let something happen, and everything that follows at once; returns the commands of all of it."""
        self.state, commands = advance(self.state, event, self.now)
        everything = list(commands)
        for command in commands:
            if isinstance(command, Submit):
                self.started.append(command.skill_name)
                job = f"job {len(self.started)}"
                everything += self.do(Submitted(skill_name=command.skill_name, leg=command.leg, job=job))
            elif isinstance(command, Merge):
                answer = Merged(skill_name=command.skill_name, attempt=command.attempt, generation=1)
                everything += self.do(answer)
        self.last = everything
        return everything

    def accept(self, name: str, *dependencies: str, **facts: Any) -> list[Command]:
        number = self.state.proposing.number
        return self.do(Accepted(number=number, skill_name=name, dependencies=dependencies, **facts))

    def end(self, name: str, kind: str = "succeeded", *, frames: int = 0, after_s: float = 60.0) -> list[Command]:
        self.now += after_s
        leg = self.node(name).jobs[-1].leg
        return self.do(JobEnded(skill_name=name, leg=leg, report=Report(kind=kind, frames=frames)))

    def wait(self, seconds: float) -> list[Command]:
        self.now += seconds
        return self.do(Ticked())

    def node(self, name: str) -> Node:
        return self.state.by_name[name]

    def statuses(self) -> dict[str, str]:
        return {node.skill_name: node.status for node in self.state.skills}

    @property
    def is_asking(self) -> bool:
        """Whether one more skill is asked for."""
        return self.state.proposing.is_asked


def submits(commands: list[Command]) -> list[str]:
    return [command.skill_name for command in commands if isinstance(command, Submit)]


def asks(commands: list[Command]) -> bool:
    return any(isinstance(command, Propose) for command in commands)
