"""What goes wrong in a history of a fleet: nodes, users, schedulers.

Job: let faults happen at random moments, from one random stream. Place in the data flow: tests call `live`. Left
out: what must hold all the same (`chain_history`), and faults of single calls (`scripted_slurm`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from gamefleet.cluster.leg import must_end
from gamefleet.testing.chain_history import History
from gamefleet.testing.chain_work import FAULTY_S, HOUR_S
from gamefleet.testing.scripted_slurm import BEGINNING, ScriptedJob


def live(history: History) -> None:
    """Live through a history with faults.

    Raises:
        AssertionError: Something that must hold did not.
    """
    history.world.after(history.world.random.uniform(0, HOUR_S), Faulty(history).fault)
    history.run()


@dataclass(frozen=True, slots=True)
class Faulty:
    """Faults of one history.

    Args:
        history: In which they happen.
    """

    history: History

    def fault(self) -> None:
        """Something goes wrong now; the next one is on its way."""
        if self.history.world.now >= BEGINNING + FAULTY_S:
            return
        self.history.world.random.choice(
            [
                self.lose_node,
                self.cancel_running,
                self.cancel_waiting,
                self.requeue,
                self.start_early,
                self.submit_by_hand,
                self.silence,
                self.history.glance,
                self.history.start,
            ]
        )()
        self.history.world.after(self.history.world.random.expovariate(1 / (1.5 * HOUR_S)), self.fault)

    def some(self, state: str) -> ScriptedJob | None:
        """Any job in this state."""
        jobs = [job for job in self.history.slurm.jobs.values() if job.state == state]
        return self.history.world.random.choice(jobs) if jobs else None

    def lose_node(self) -> None:
        """The scheduler gives a node up; its processes may go on for a while."""
        if (job := self.some("running")) is None:
            return
        goes_on = self.history.world.chance(0.6)
        self.history.work.kill(job, "node_fail", is_alive=goes_on)
        self.history.world.after(
            self.history.world.random.uniform(10, 5 * HOUR_S), partial(self.history.work.kill, job, "node_fail")
        )

    def cancel_running(self) -> None:
        """`scancel`: the leg saves and ends, or is killed."""
        if (job := self.some("running")) is None:
            return
        work = next(iter(self.history.work.of(job)), None)
        if work is not None and self.history.world.chance(0.6):
            if not must_end(work.fleet, work.fleet.paths.chain(work.member), work.leg):
                self.history.work.save(work)
            self.history.work.finish(work, 0)
        self.history.work.kill(job, "cancelled")

    def cancel_waiting(self) -> None:
        """`scancel` of a job that waits."""
        if (job := self.some("pending")) is not None:
            self.history.work.note(f"job {job.id} is cancelled while it waits")
            self.history.slurm.end(job, "cancelled")

    def requeue(self) -> None:
        """`scontrol requeue`."""
        if (job := self.some("running")) is not None:
            self.history.work.note(f"job {job.id} is requeued")
            for work in self.history.work.of(job):
                self.history.work.leave(work)
            self.history.slurm.requeue(job)

    def start_early(self) -> None:
        """A job starts before its parent has ended."""
        if (job := self.some("pending")) is not None:
            job.ignores_parent = True
            self.history.world.after(1.0, self.history.slurm.schedule)

    def submit_by_hand(self) -> None:
        """Somebody submits a chain's batch script once more."""
        if self.history.slurm.jobs:
            request = self.history.world.random.choice(list(self.history.slurm.jobs.values())).request
            job = self.history.slurm.create(request)
            self.history.work.note(f"job {job.id} is submitted by hand, as {request.name}")

    def silence(self) -> None:
        """The scheduler is away for some time."""
        self.history.slurm.faults.is_down = True
        self.history.world.after(self.history.world.random.uniform(30, 3 * HOUR_S), self.answer_again)

    def answer_again(self) -> None:
        """It is back."""
        self.history.slurm.faults.is_down = False
