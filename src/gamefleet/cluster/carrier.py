"""Moving a fleet on: ask the scheduler once, decide for every chain, carry it out.

Job: the shell around `chain`. Place in the data flow: called by `start`, `status`, and by every leg while it runs and
when it ends; any number of callers at once is fine. Left out: the decision (`chain`), the records (`store`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from gamefleet.cluster.chain import decide
from gamefleet.cluster.chain_view import Adopt, Answer, Cancel, ChainView, Command, Give, Submit
from gamefleet.cluster.fleet import Fleet
from gamefleet.cluster.fleet_paths import ChainPaths
from gamefleet.cluster.notify import notify
from gamefleet.cluster.store import (
    Place,
    accept_job,
    begin_submission,
    give_mark,
    places_taken,
    read_chain,
    refuse_submission,
    take_place,
)
from gamefleet.errors import SchedulerSilentError, SubmitRefusedError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a fleet stands, and what was done about it.

    Args:
        views: One per chain.
        answer: What the scheduler said; None when it did not.
        silence: Why it did not.
        done: What was carried out, by chain.
        refusals: Why jobs were refused, by chain.
    """

    views: tuple[ChainView, ...]
    answer: Answer | None
    silence: str = ""
    done: Mapping[str, list[Command]]
    refusals: Mapping[str, SubmitRefusedError]


def read_views(fleet: Fleet) -> tuple[ChainView, ...]:
    """What the folder says of every chain."""
    is_stopped = fleet.paths.stop.exists()
    held = {place.member: place for place in places_taken(fleet.paths, fleet.records).values()}
    return tuple(
        read_chain(
            fleet.paths.chain(chain.member),
            step=fleet.probe.step(chain.run_path),
            is_stopped=is_stopped,
            place=held.get(chain.member),
            job_name=fleet.facts.job_name(chain.member),
            records=fleet.records,
        )
        for chain in fleet.facts.chains
    )


def ask(fleet: Fleet, views: tuple[ChainView, ...]) -> Answer:
    """Ask the scheduler what the views leave open.

    Raises:
        SchedulerSilentError: It did not answer the first question; the second may fail.
    """
    asked_at = fleet.clock()
    jobs = {job.id: job for job in fleet.executor.queue()}
    newest = [view.last for view in views if view.last is not None]
    gone = [last.job for last in newest if last.job and last.job not in jobs]
    lost = [last.name for last in newest if not last.job]
    try:
        ended = fleet.executor.ended(gone, names=lost) if gone or lost else {}
    except SchedulerSilentError as error:
        log.warning("%s", error)
        return Answer(asked_at=asked_at, jobs=jobs, ended=None)
    return Answer(asked_at=asked_at, jobs=jobs, ended=ended)


def move_on(fleet: Fleet, *, patience_s: float | None = None) -> Standing:
    """Do for every chain what is needed next.

    Args:
        fleet: Which.
        patience_s: Wait this long before a refused submission is made again; None takes the usual time.

    Returns:
        The folder and the queue as they were before, and what was done.
    """
    views = read_views(fleet)
    done: dict[str, list[Command]] = {}
    refusals: dict[str, SubmitRefusedError] = {}
    try:
        answer = ask(fleet, views)
    except SchedulerSilentError as error:
        return Standing(views=views, answer=None, silence=str(error), done=done, refusals=refusals)
    views = tuple(with_place(fleet, views, view, answer) for view in views)
    patience = {} if patience_s is None else {"patience_s": patience_s}
    for view in views:
        for command in decide(view, answer, never_starts=fleet.never_starts, **patience):
            try:
                if carry_out(fleet, view.member, command):
                    done.setdefault(view.member, []).append(command)
            except SubmitRefusedError as error:
                refusals[view.member] = error
            except SchedulerSilentError as error:
                log.warning("%s", error)
    return Standing(views=views, answer=answer, done=done, refusals=refusals)


def with_place(fleet: Fleet, views: tuple[ChainView, ...], view: ChainView, answer: Answer) -> ChainView:
    """Give a chain that needs one a place under the job cap, if there is one.

    Everybody picks the same place, and taking it is exclusive: two callers cannot take two places for one that is free.
    The place of a chain that has ended may be taken while its last job is still there: that job is the one that looks.
    """
    if view.has_place or view.ending:
        return view
    taken = places_taken(fleet.paths, fleet.records)
    if given := [place for place in taken.values() if place.member == view.member]:  # by somebody else, a moment ago
        return replace(view, has_place=True, place_after=given[0].after)
    found = next_place(fleet, views, answer, taken)
    if found is None:
        return view
    index, after = found
    turn = taken[index].turn + 1 if index in taken else 1
    place = Place(turn=turn, member=view.member, after=after)
    return replace(view, has_place=take_place(fleet.paths, index, place), place_after=after)


def next_place(
    fleet: Fleet, views: tuple[ChainView, ...], answer: Answer, taken: Mapping[int, Place]
) -> tuple[int, str] | None:
    """The place that is to be taken next, and the job that must end before; None when there is none.

    Jobs of the user that belong to somebody else count, unless they wait for another job.
    """
    jobs, most = answer.jobs.values(), fleet.facts.max_jobs
    going_on = {view.member for view in views if not view.ending}
    last_jobs = {view.member: job.id for view in views for job in view.jobs(jobs) if job.state != "pending"}
    busy = {index for index, place in taken.items() if place.member in going_on}
    ending = {
        index: last_job
        for index, place in taken.items()
        # One that has ended before it began still stood behind the job that had the place before it.
        if index not in busy and (last_job := last_jobs.get(place.member, place.after)) in answer.jobs
    }
    others = sum(not job.name.startswith(fleet.facts.job_prefix) and not job.waits_for_parent for job in jobs)
    if len(busy) + others >= most:
        return None
    if len(busy) + len(ending) + others < most:
        return min(set(range(most)) - busy - set(ending)), ""
    return min(ending.items())


def carry_out(fleet: Fleet, member: str, command: Command) -> bool:
    """Carry out one command; returns whether it was this process that did.

    Raises:
        SubmitRefusedError: The scheduler refused the job; that is written down.
        SchedulerSilentError: It did not answer.
    """
    chain = fleet.paths.chain(member)
    match command:
        case Submit():
            return hand_over(fleet, chain, command)
        case Adopt(number=number, job=job):
            return accept_job(chain, number, job, now=fleet.clock()) == job
        case Cancel(jobs=jobs):
            fleet.executor.cancel(jobs)
            return True
        case Give(mark=mark, reason=reason):
            return end_chain(fleet, member, mark, reason)


def hand_over(fleet: Fleet, chain: ChainPaths, command: Submit) -> bool:
    """Submit one job; of several processes that want to, one does.

    Raises:
        SubmitRefusedError: The scheduler refused it; that is written down.
        SchedulerSilentError: No answer: a later call finds the job by its name, or makes it again.
    """
    if not begin_submission(chain, command, now=fleet.clock(), by=fleet.who):
        return False
    try:
        job = fleet.executor.submit(fleet.request(chain.member, command.number, command.after))
    except SubmitRefusedError as error:
        refuse_submission(chain, command, str(error), now=fleet.clock())
        raise
    if accept_job(chain, command.number, job, now=fleet.clock()) != job:
        fleet.executor.cancel([job])  # an earlier try, thought lost, turned up and was adopted meanwhile
        return False
    return True


def end_chain(fleet: Fleet, member: str, mark: str, reason: str) -> bool:
    """Mark a chain and tell the user; once, whoever comes first."""
    if not give_mark(fleet.paths.chain(member), mark, {"reason": reason, "by": fleet.who}):
        return False
    notify(fleet.facts.notify, event=mark, fleet=fleet.facts.name, member=member, reason=reason)
    return True
