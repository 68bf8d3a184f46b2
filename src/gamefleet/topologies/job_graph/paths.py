"""Every file name below the folder of a skill graph, in one place.

Job: say where things lie. Place in the data flow: scheduler, jobs and commands ask here. Left out: experts and their
generations, whose names belong to `weights.experts`, and claims, whose names belong to `runs`.

    GRAPH/
    ├─ scheduler_state.json  settings.json
    ├─ skills/0_Collect_Wood/               for good: expert_0_policy/ 0.py skill.json result.json frontier.safetensors
    │                                       training.log, where asked for: gate.safetensors distilled.safetensors
    ├─ training_runs/skill_2_Make_Pickaxe/  while it trains: 2.py 2_policies/ training.log progress.json result.json
    │                                       tasks/0001.json legs/0001.json output/
    ├─ checkpoints/                         the global mixture, generation by generation
    ├─ events/scheduler.jsonl  metrics/skill_0_Collect_Wood.jsonl
    ├─ conversation.jsonl  prompts/         of a model that proposes
    ├─ attempts/                            who schedules, and who did before
    ├─ jobs/  scripts/                      of the executors
    └─ requests/                            what people want of the scheduler
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NETWORKS = ("gate", "distilled")
"""Names of what may be taught beside the expert."""


@dataclass(frozen=True, slots=True)
class TrainingPaths:
    """The names of one skill's training.

    Args:
        root: `training_runs/skill_<index>_<name>`.
        index: Of the skill.
    """

    root: Path
    index: int

    @property
    def log(self) -> Path:
        """What the training says, over all its jobs."""
        return self.root / "training.log"

    @property
    def module(self) -> Path:
        """The skill as Python, for people."""
        return self.root / f"{self.index}.py"

    @property
    def policies(self) -> Path:
        """What the trainer keeps: checkpoints of the attempt."""
        return self.root / f"{self.index}_policies"

    @property
    def progress(self) -> Path:
        """How training goes, replaced every now and then."""
        return self.root / "progress.json"

    @property
    def result(self) -> Path:
        """How the newest job ended, in its own words."""
        return self.root / "result.json"

    @property
    def expert(self) -> Path:
        """The expert of a success, before it is published."""
        return self.root / "expert.safetensors"

    @property
    def frontier(self) -> Path:
        """The end states of a success, before they are published."""
        return self.root / "frontier.safetensors"

    def network(self, name: str) -> Path:
        """One of `NETWORKS` of a success, before it is published."""
        return self.root / f"{name}.safetensors"

    @property
    def output(self) -> Path:
        """Folder of what jobs print."""
        return self.root / "output"

    def task(self, leg: int) -> Path:
        """What one job has to do."""
        return self.root / "tasks" / f"{leg:04d}.json"

    @property
    def legs(self) -> Path:
        """Folder of the claims of jobs."""
        return self.root / "legs"

    def leg(self, leg: int) -> Path:
        """The claim of one leg: of two jobs that were handed over for it, one works."""
        return self.legs / f"{leg:04d}.json"

    def newest_leg(self) -> int:
        """The highest claimed leg; 0 for none."""
        names = (path.stem for path in self.legs.glob("*.json")) if self.legs.is_dir() else ()
        return max((int(name) for name in names if name.isdigit()), default=0)


@dataclass(frozen=True, slots=True)
class GraphPaths:
    """The names of one graph.

    Args:
        root: `--graph-path`.
    """

    root: Path

    @property
    def state(self) -> Path:
        """Where the graph stands."""
        return self.root / "scheduler_state.json"

    @property
    def settings(self) -> Path:
        """What was asked for; a restart needs nothing else."""
        return self.root / "settings.json"

    @property
    def jobs(self) -> Path:
        """Spool of jobs on this machine."""
        return self.root / "jobs"

    @property
    def scripts(self) -> Path:
        """Batch scripts of jobs on SLURM."""
        return self.root / "scripts"

    @property
    def requests(self) -> Path:
        """Folder of what people want."""
        return self.root / "requests"

    @property
    def conversation(self) -> Path:
        """What was said to a model that proposes, and what it answered."""
        return self.root / "conversation.jsonl"

    @property
    def prompts(self) -> Path:
        """Folder of the prompts of such a model, to be edited."""
        return self.root / "prompts"

    @property
    def events(self) -> Path:
        """What happened."""
        return self.root / "events" / "scheduler.jsonl"

    def skill(self, index: int, name: str) -> Path:
        """The folder of a learned skill, for good."""
        return self.root / "skills" / f"{index}_{name}"

    def training(self, index: int, name: str) -> TrainingPaths:
        """The folder of a skill's training, while it lasts."""
        return TrainingPaths(self.root / "training_runs" / f"skill_{index}_{name}", index)

    def metrics(self, index: int, name: str) -> Path:
        """The metrics of a skill's training."""
        return self.root / "metrics" / f"skill_{index}_{name}.jsonl"
