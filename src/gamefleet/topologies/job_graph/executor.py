"""Where the jobs of a skill graph run, and under which names.

Job: make the executor that was asked for, and the request of a job. Place in the data flow: between `jobs`
and `cluster`. Left out: when a job runs.

A job is named `gamefleet_e0_Collect_Wood.<graph>.a1.l1`: index, skill, graph, attempt, leg. In tmux its session is
called by the first part alone, so that people find it: `tmux attach -t gamefleet_e0_Collect_Wood`.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

from gamefleet.cluster.graph.state import GraphState, Node, SkillJob
from gamefleet.cluster.jobs import Executor, JobRequest, Resources
from gamefleet.cluster.local.executor import Background, Launcher, LocalExecutor
from gamefleet.cluster.local.spool import JobFolder
from gamefleet.errors import ConfigError, nearest
from gamefleet.skills.proposer import without_keys
from gamefleet.topologies.job_graph.machine import VISIBLE
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.settings import GraphSettings

NAMES = ("tmux", "local", "slurm")
LONG_S = 365 * 24 * 3600
"""Time limit of a job on this machine, which has no queue to be fair to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortNamed:
    """Starts a job's runner under the first part of its name.

    Args:
        launcher: Who starts it.
    """

    launcher: Launcher

    def start(self, job: JobFolder, name: str, environment: Mapping[str, str]) -> None:
        """Start it; see `Launcher.start`."""
        self.launcher.start(job, name.partition(".")[0], environment)


def choose(name: str) -> str:
    """The executor that `auto` means here: tmux where program and library are installed."""
    if name != "auto":
        return name
    return "tmux" if shutil.which("tmux") and find_spec("libtmux") else "local"


def make_executor(name: str, paths: GraphPaths, settings: GraphSettings, environment: Mapping[str, str]) -> Executor:
    """Make an executor.

    Args:
        name: One of `NAMES`.
        paths: Of the graph; scripts and local jobs are kept there.
        settings: Name the tmux server.
        environment: Of this process; jobs inherit it without the keys of models.

    Raises:
        ConfigError: There is none of that name.
        MissingDependencyError: tmux or its library is not there.
    """
    clean = without_keys(environment)
    if name == "slurm":
        from gamefleet.cluster.slurm.executor import SlurmExecutor

        return SlurmExecutor(script_folder=paths.scripts, environment=clean)
    if name == "tmux":
        from gamefleet.cluster.tmux import Session

        launcher: Launcher = Session(settings.tmux_socket)
    elif name == "local":
        launcher = Background()
    else:
        raise ConfigError("No such executor", value=name, where="--executor", remedy=nearest(name, NAMES))
    return LocalExecutor(paths.jobs, environment=clean, launcher=ShortNamed(launcher=launcher))


def session_name(node: Node) -> str:
    """The tmux session of a skill."""
    return f"gamefleet_e{node.index}_{node.skill_name}"


def job_name(state: GraphState, node: Node, job: SkillJob) -> str:
    """The name by which a leg's job is found again."""
    return f"{session_name(node)}.{state.id}.a{job.attempt}.l{job.leg}"


def request_for(paths: GraphPaths, settings: GraphSettings, state: GraphState, node: Node) -> JobRequest:
    """The newest job of a skill, as an executor takes it."""
    training = paths.training(node.index, node.skill_name)
    job = node.jobs[-1]
    words = ["skills", "train", node.skill_name, "--index", str(node.index), "--leg", str(job.leg)]
    return JobRequest(
        name=job_name(state, node, job),
        command=[sys.executable, "-u", "-P", "-m", "gamefleet.cli.main", *words, "--graph-path", str(paths.root)],
        resources=resources(settings),
        work_folder=paths.root,
        log_folder=training.output,
        setup=exports(settings, state, node),
        comment=f"skill {node.skill_name} of {paths.root.name}",
    )


def resources(settings: GraphSettings) -> Resources:
    """What a job may use."""
    if settings.executor != "slurm":
        return Resources(time_limit_s=LONG_S, cpus=settings.cpus, gpus=0)
    return Resources(
        partition=settings.partition,
        account=settings.account,
        qos=settings.qos,
        time_limit_s=settings.time_limit_s,
        cpus=settings.cpus,
        gpus=settings.gpus,
        gres=tuple(filter(None, settings.gres.split(","))),
        memory=settings.memory,
        signal_s=min(settings.signal_s, settings.time_limit_s // 2),  # a short job is told after half of its time
        options=settings.sbatch,
    )


def exports(settings: GraphSettings, state: GraphState, node: Node) -> tuple[str, ...]:
    """Shell lines that give a job its share of this machine: JAX would take three quarters of a GPU for itself.

    SLURM gives jobs their GPUs itself, also where the skill's job was placed by a scheduler of an earlier start, on the
    machine that is now only a login node. Where it counts a GPU's memory, a job takes memory only as it needs it.
    """
    if settings.executor == "slurm":
        is_shared = settings.gpus > 0 and settings.gres
        return (*settings.setup, *(["export XLA_PYTHON_CLIENT_PREALLOCATE=false"] if is_shared else []))
    gpu, sizes = node.jobs[-1].gpu, state.limits.gpus_gb
    if gpu < 0 or gpu >= len(sizes):
        return ()
    needs = node.needs or state.limits.needs
    share = min(0.95, 0.95 * needs.gpu_memory_gb / sizes[gpu])
    name = dict(enumerate(state.limits.gpu_names)).get(gpu, str(gpu))
    return (f"export {VISIBLE}={shlex.quote(name)}", f"export XLA_PYTHON_CLIENT_MEM_FRACTION={share:.3f}")
