"""The loop around the scheduler of a skill graph: one thread decides, everything else answers.

Job: turn what happens into events, write each next state down, and only then do what it wants. Place in the data flow:
proposals, executors and merges -> events -> `cluster.graph.advance` -> `scheduler_state.json` -> commands. Left out:
decisions; how skills are proposed, trained and merged (the rest of this package).

- One owner: only this loop changes the state. The proposer works in a thread of its own and hands in an answer.
- One scheduler: a claim with a heartbeat (`runs.claim`) holds the folder while its process lives, and fences off one
  that was taken over. There is no lock file to remove.
- Nothing waits for a poll that could be told: the end of a job's process, an answer, a signal end the sleep.
- Killed anywhere, it is followed by one that finds everything in the folder and goes on.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from gamefleet.cluster.graph.advance import advance, next_wake
from gamefleet.cluster.graph.events import (
    Begun,
    Cancel,
    Command,
    Event,
    Finish,
    Merge,
    Merged,
    Propose,
    RetryAsked,
    StopAsked,
    Submit,
    Submitted,
    Ticked,
)
from gamefleet.cluster.graph.state import AT_WORK, GraphState, Limits
from gamefleet.errors import RunFolderError
from gamefleet.files import Fence, write_json
from gamefleet.skills.proposer import plain
from gamefleet.topologies.job_graph import requests
from gamefleet.topologies.job_graph.experts import mend_experts, mend_generations
from gamefleet.topologies.job_graph.jobs import Jobs, saved_progress
from gamefleet.topologies.job_graph.merging import merge, tidy
from gamefleet.topologies.job_graph.news import News
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.proposals import Answer, Proposals
from gamefleet.topologies.job_graph.view import Account, whole
from gamefleet.topologies.job_graph.wake import Waker

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between looks at what wakes nobody and costs nothing: wishes, and results of jobs on other machines."""

SHOWN_S = 5.0
"""Progress of training is brought into the state's file no more often."""


@dataclass(slots=True, kw_only=True)
class GraphLoop:
    """A scheduler at work.

    Args:
        paths: Of the graph.
        state: As it was written down.
        limits: Of this start.
        jobs: Hands jobs over and reads their ends.
        proposals: Asks for skills; None where the scheduler is only there to let jobs save and end.
        account: What is told beside the state.
        waker: Sleeps.
        news: Tells people and the events' file.
        fence: Raises when another scheduler has taken over.
        poll_s: Between looks at executors that wake nobody.
        clock: Seconds since 1970.
    """

    paths: GraphPaths
    state: GraphState
    limits: Limits
    jobs: Jobs
    proposals: Proposals | None
    account: Account
    waker: Waker
    news: News
    fence: Fence
    poll_s: float
    clock: Callable[[], float] = time.time
    _todo: deque[Event] = field(default_factory=deque)
    _looked_at: float = 0.0
    _shown_at: float = 0.0

    def run(self, should_stop: Callable[[], str]) -> str:
        """Go on until the run ends or somebody wants this process to.

        Args:
            should_stop: Why this process must end; empty while it may go on. Jobs go on without it.

        Returns:
            Why it ended.

        Raises:
            RunFolderError: Another scheduler has taken over, or the folder cannot be written.
        """
        mend_experts(self.paths, self.state, self.news, self.fence)
        self._begin()
        tidy(self.paths, self.state)
        while not self.state.outcome:
            reason = should_stop()
            if reason:
                return reason
            self._look()
            self._work_off()
            if not self.state.outcome:
                self._sleep()
        tidy(self.paths, self.state)
        return self.state.outcome

    def _begin(self) -> None:
        """Take the graph over together with what people left: nobody who wants a stop wants a question paid before it.

        Nor is the end of a graph with nothing left to do final while there is a wish for more.
        """
        wishes = requests.found(self.paths)
        is_stopping = self.proposals is None or any(isinstance(wish, StopAsked) for _, wish in wishes)
        retried = tuple(wish.skill_name for _, wish in wishes if isinstance(wish, RetryAsked))
        self._todo.append(Begun(limits=self.limits, is_stopping=is_stopping, retried=retried))
        self._work_off()
        for path, _ in wishes:
            requests.done(path)

    # ---- looking

    def _look(self) -> None:
        """Everything that may have happened since."""
        self._take_wishes()
        self._todo.append(Ticked())
        answer = None if self.proposals is None else self.proposals.answer()
        if answer is not None:
            self._take(answer)
        if self._is_time_to_ask():
            self._todo.extend(self.jobs.ended(self.state))
        self._show_progress()

    def _take_wishes(self) -> None:
        """What people left for the scheduler; each is removed once what it led to is written down."""
        for path, wish in requests.found(self.paths):
            self._todo.append(wish)
            self._work_off()
            requests.done(path)

    def _is_time_to_ask(self) -> bool:
        """Executors on this machine are asked at every look, which costs a few small files; others now and then."""
        now = self.clock()
        if self.jobs.is_local or now - self._looked_at >= self.poll_s or self.jobs.has_results(self.state):
            self._looked_at = now
            return True
        return False

    def _take(self, answer: Answer) -> None:
        """What the proposer said."""
        usage = self.account.usage
        usage["calls"] += answer.usage.requests
        usage["tokens_in"] += answer.usage.tokens_in
        usage["tokens_out"] += answer.usage.tokens_out
        usage["cost_usd"] += answer.usage.cost or 0.0
        name = getattr(answer.event, "skill_name", "")
        if name and answer.verdict is not None and answer.verdict.accepted:
            self.account.proposals[name] = {
                "source": self.account.proposer,
                "text": plain(answer.text),
                "tokens_in": answer.usage.tokens_in,
                "tokens_out": answer.usage.tokens_out,
                "cost_usd": answer.usage.cost,
            }
            statistics = dict(answer.verdict.statistics)
            self.account.verdicts[name] = {"accepted": True, "reasons": [], "statistics": statistics}
        self._todo.append(answer.event)

    def _show_progress(self) -> None:
        """Bring progress of training into the state's file every few seconds."""
        now = self.clock()
        if now - self._shown_at < SHOWN_S:
            return
        self._shown_at = now
        working = [node for node in self.state.skills if node.status in AT_WORK]
        found = {node.skill_name: saved_progress(self.paths, node) for node in working}
        if found != self.account.progress:
            self.account.progress = found
            self._write()

    # ---- acting

    def _work_off(self) -> None:
        """Decide on every event, write the state, act; what comes back at once are further events."""
        while self._todo:
            event = self._todo.popleft()
            before = self.state
            self.state, commands = advance(before, event, self.clock())
            if self.state != before or commands:
                self._write()
                self.news.tell(event, before, self.state)
            if isinstance(event, Merged):
                tidy(self.paths, self.state)  # only now that the state says so, too
            for command in commands:
                self._carry_out(command)
        self.waker.watch(self.jobs.runner_pids(self.state))

    def _write(self) -> None:
        write_json(self.paths.state, whole(self.state, self.account, self.clock()), fence=self.fence)

    def _carry_out(self, command: Command) -> None:
        if isinstance(command, Submit):
            self.fence()
            answer = self.jobs.submit(self.state, command)
            self._todo.append(answer)
            if isinstance(answer, Submitted) and command.may_exist:
                self._looked_at = 0.0  # it may have ended meanwhile
        elif isinstance(command, Cancel):
            self.jobs.cancel(command)
        elif isinstance(command, Merge):
            node = self.state.by_name[command.skill_name]
            with suppress(RunFolderError):  # the merge itself meets it, and can be repeated
                mend_generations(self.paths, self.state, self.news, self.fence)
            self._todo.append(merge(self.paths, node, command, self.fence))
        elif isinstance(command, Propose):
            assert self.proposals is not None, "a scheduler that stops asks for nothing"
            self.proposals.ask(self.state, command.number)
        elif isinstance(command, Finish):
            log.info("%s", command.reason)

    def _sleep(self) -> None:
        now = self.clock()
        self.waker.wait(min(next_wake(self.state) - now, LOOK_S, self.poll_s))
