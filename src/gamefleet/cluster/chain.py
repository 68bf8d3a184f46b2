"""What a chain of jobs does next: facts in, commands out.

Job: decide, from what the folder says and what the scheduler answered, which job is handed over, adopted or cancelled
next. Place in the data flow: `store` reads the facts, `carrier` carries the commands out; jobs, `start` and `status`
all ask the same question, at any time and in any number, and the answer is the same. Left out: files, clocks,
schedulers.

The rules, each of which a fault has taught somebody:

- A submission has a number, and one process may make it (the file is created once). One job counts for it, the first
  that is written down; any other job of the same name is cancelled and would end by itself.
- A scheduler that does not answer says nothing: no command follows.
- A job that has ended is followed by the next submission; a running one gets its successor queued behind it
  (`afterany`), so that the wait in the queue overlaps with the work.
- Three submissions in a row that bring no progress end the chain. So does a job that can never start.
- The last job of a chain hands its place under the cap to a chain that waits for one: nobody may look again. Its own
  end is awaited by the scheduler (`afterany`), as with a successor.
- A job that somebody cancelled while it waited was cancelled on purpose: the chain is held until it is started again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from gamefleet.cluster.chain_view import Adopt, Answer, Cancel, ChainView, Command, Give, Submission, Submit
from gamefleet.cluster.jobs import EndedJob

LOST_AFTER_S = 90.0
"""A submission without an answer is looked for this long before it is made again; longer than any call's time-out."""

REFUSED_AGAIN_S = 60.0
"""A refused submission is made again after this time: limits on the number of jobs come and go."""

SETTLED_S = 300.0
"""A younger job that is not in the queue has ended only if the scheduler says so: clocks of two machines differ."""

LEGS_WITHOUT_PROGRESS = 3
"""So many in a row end a chain."""

YIELDED = "yielded"
"""Why a submission ended without a leg: another job of the chain was at work. It proves nothing about progress."""


def decide(
    view: ChainView,
    answer: Answer | None,
    *,
    never_starts: Callable[[str], str] = lambda reason: "",
    patience_s: float = REFUSED_AGAIN_S,
) -> list[Command]:
    """What must happen next; nothing while the scheduler is silent.

    Args:
        view: The folder, read before the scheduler was asked.
        answer: What the scheduler said; None when it did not.
        never_starts: Why a pending job with this reason can never start; empty when it can.
        patience_s: Wait this long before a refused submission is made again.

    Returns:
        Commands in order; usually none or one.
    """
    if answer is None:
        return []
    commands: list[Command] = list(strays(view, answer))
    if not view.ending:
        commands += next_step(view, answer, never_starts, patience_s)
    return commands


def strays(view: ChainView, answer: Answer) -> list[Cancel]:
    """Jobs of this chain that must not run: doubles of a submission, and what waits although the chain has ended."""
    counting = {submission.name: submission.job for submission in view.submissions}
    mine = view.jobs(answer.jobs.values())
    doubles = tuple(job.id for job in mine if counting.get(job.name) and job.id != counting[job.name])
    waiting = tuple(job.id for job in mine if view.ending and job.state == "pending" and job.id not in doubles)
    found = [Cancel(jobs=doubles, reason="another job counts for the same submission")] if doubles else []
    return found + ([Cancel(jobs=waiting, reason=f"the chain is {view.ending}")] if waiting else [])


def next_step(view: ChainView, answer: Answer, never_starts: Callable[[str], str], patience_s: float) -> list[Command]:
    """The one thing that a chain which shall go on needs next."""
    last = view.last
    fruitless = without_progress(view, answer.jobs)
    if fruitless >= LEGS_WITHOUT_PROGRESS and not is_training(view, answer.jobs):
        return [give_up(fruitless)]
    if last is not None and last.job in answer.jobs:
        return behind(view, last, answer, never_starts)
    if not view.has_place:
        return []
    if last is None:
        return [Submit(number=1, after=leaving(view, answer))]
    if not last.job:
        return find_again(last, answer, patience_s)
    if answer.ended is not None and last.job in answer.ended:
        return after_ended(view, last, answer, answer.ended[last.job])
    is_settled = answer.asked_at - last.accepted_at > SETTLED_S
    return after_ended(view, last, answer, None) if is_settled else []


def find_again(last: Submission, answer: Answer, patience_s: float) -> list[Command]:
    """A submission without an answer: its job is adopted when it exists, and made again when it surely does not."""
    if answer.ended is None:
        return []
    known = {job.id: job.name for job in answer.jobs.values()}
    if not last.refusal:  # a refused job may have left an id behind that never was a job
        known |= {job.id: job.name for job in answer.ended.values()}
    candidates = [job for job, name in known.items() if name == last.name]
    if candidates:
        return [Adopt(number=last.number, job=min(candidates, key=by_age))]
    if answer.asked_at - last.asked_at < (patience_s if last.refusal else LOST_AFTER_S):
        return []
    return [Submit(number=last.number, after=last.after, retry=last.tries)]


def by_age(job: str) -> tuple[int, str]:
    """Job ids count up."""
    return int("".join(filter(str.isdigit, job)) or 0), job


def behind(view: ChainView, last: Submission, answer: Answer, never_starts: Callable[[str], str]) -> list[Command]:
    """The newest job exists: one at work gets a successor, one that can never start ends the chain."""
    job = answer.jobs[last.job]
    if job.state == "pending":
        never = never_starts(job.reason)
        return [Give(mark="failed", reason=never), Cancel(jobs=(job.id,), reason=never)] if never else []
    if not view.has_place:  # it ended, another chain waits for the end of this job, and then it was started again
        return []
    if last.outcome:
        return [Submit(number=last.number + 1, after=at_work(view, last, answer) or leaving(view, answer) or job.id)]
    # Before it has taken its leg it may still find that another job is at work.
    return [Submit(number=last.number + 1, after=job.id)] if view.legs_of(last.number) else []


def at_work(view: ChainView, last: Submission, answer: Answer) -> str:
    """The chain's job that has not ended although it is not the newest; empty when there is none."""
    others = (job for job in view.jobs(answer.jobs.values()) if job.id != last.job and job.state != "pending")
    return max((job.id for job in others), key=by_age, default="")


def leaving(view: ChainView, answer: Answer) -> str:
    """The job of another chain that still has this one's place; empty when it has ended."""
    return view.place_after if view.place_after in answer.jobs else ""


def after_ended(view: ChainView, last: Submission, answer: Answer, facts: EndedJob | None) -> list[Command]:
    """The newest job has ended: the next one, unless that is pointless or unwanted."""
    live = at_work(view, last, answer) or leaving(view, answer)
    if last.number > view.counts_from:
        was_cancelled = facts is not None and facts.how == "cancelled"
        if was_cancelled and not view.legs_of(last.number) and not last.outcome:
            return [Give(mark="held", reason=f"job {last.job} was cancelled while it waited")]
    return [Submit(number=last.number + 1, after=live)]


def give_up(fruitless: int) -> Give:
    """The end of a chain that brings nothing any more."""
    return Give(mark="failed", reason=f"{fruitless} jobs in a row ended without a newer checkpoint")


def is_live(view: ChainView, submission: Submission, jobs: Collection[str]) -> bool:
    """Whether a submission's job may still do something: it has not ended, and neither has its leg."""
    legs = view.legs_of(submission.number)
    return (not submission.job or submission.job in jobs) and not (legs and legs[-1].has_ended)


def is_training(view: ChainView, jobs: Collection[str]) -> bool:
    """Whether a job of the chain is in the middle of a leg."""
    return any(view.legs_of(one.number) for one in view.submissions if is_live(view, one, jobs))


def without_progress(view: ChainView, jobs: Collection[str]) -> int:
    """How many of the newest submissions that have ended left, in a row, no newer checkpoint.

    Args:
        view: The chain.
        jobs: Ids of all jobs that have not ended.
    """
    count = 0
    step = view.step
    for submission in reversed(view.submissions):
        if submission.number <= view.counts_from:
            return count
        legs = view.legs_of(submission.number)
        if is_live(view, submission, jobs):
            step = legs[0].step if legs else step
            continue
        if legs and legs[0].step < step:
            return count
        step = legs[0].step if legs else step
        count += submission.outcome != YIELDED
    return count
