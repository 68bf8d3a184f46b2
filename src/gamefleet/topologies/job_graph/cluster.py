"""What the jobs of a skill graph ask of a cluster: what the user said, and what profile, shell and cluster add.

Job: fill in the settings of a graph whose jobs are those of SLURM, and refuse what the cluster would not run. Place in
the data flow: once at the start of a scheduler, before anything is proposed. Left out: asking SLURM
(`cluster.detect`), the script of a job (`cluster.slurm.script`).

What is filled in is not kept: a profile that was mended counts from the next start on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from gamefleet.cluster.detect import check_and_complete, detect
from gamefleet.cluster.profile import PACKAGED, ClusterProfile, gpu_memory, habits, load_profile, within
from gamefleet.cluster.slurm.site import SiteFacts
from gamefleet.errors import MissingDependencyError
from gamefleet.topologies.job_graph.executor import resources
from gamefleet.topologies.job_graph.settings import GraphSettings


def for_cluster(settings: GraphSettings, environment: Mapping[str, str], say: Callable[[str], None]) -> GraphSettings:
    """The settings with which jobs are handed to SLURM.

    Args:
        settings: Of the graph.
        environment: Of this process; `SBATCH_PARTITION` and the like count where nothing else is said.
        say: Gets notes for people.

    Raises:
        ConfigError: The cluster would refuse such jobs, or let them wait for ever; says what is possible.
        MissingDependencyError: There is no SLURM on this machine.
    """
    path = Path(settings.profile) if settings.profile else None
    filled = fill(settings, load_profile(path, environment=environment), habits(environment))
    found, notes = check_and_complete(resources(filled), ask(environment))
    if filled.time_limit_s < settings.time_limit_s:
        notes.append(f"one job may take {filled.time_limit_s / 60:g} minutes, as the cluster profile says")
    for note in notes:
        say(f"note: {note}")
    return filled.model_copy(update={"partition": found.partition, "gres": ",".join(found.gres)})


def ask(environment: Mapping[str, str]) -> SiteFacts:
    """What SLURM says of itself; a controller that does not answer now is no reason not to start."""
    try:
        return detect(environment)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            "There is no SLURM on this machine",
            value=error.what,
            where="--executor slurm",
            remedy="Start the scheduler on a login node, or train here with --executor local.",
        ) from error


def fill(settings: GraphSettings, profile: ClusterProfile, usual: Mapping[str, str]) -> GraphSettings:
    """What the user did not say, from the shell's habits and the cluster profile.

    Args:
        settings: Of the graph.
        profile: The packaged one says nothing of this cluster but the name under which GPU memory is often counted.
        usual: What the user's shell asks of every job.

    Raises:
        ConfigError: A job asks for more than the user's own profile allows.
    """
    is_own = profile.source != str(PACKAGED)
    time_limit_s = settings.time_limit_s
    if is_own:
        within("cpus", settings.cpus, profile)
        within("gpus", settings.gpus, profile)
        time_limit_s = min(time_limit_s, int(profile.time_limit_s))  # a skill that needs longer goes on in the next job
    gpu_gb = math.ceil(settings.gpu_memory_gb) or (profile.gpu_memory_gb if is_own else 0)
    gres = gpu_memory(profile, gpu_gb) if settings.gpus else ()
    return settings.model_copy(
        update={
            "partition": settings.partition or usual.get("partition") or profile.partition,
            "account": settings.account or usual.get("account") or profile.account,
            "qos": settings.qos or usual.get("qos") or profile.qos,
            "time_limit_s": time_limit_s,
            "memory": settings.memory or profile.memory,
            "gres": settings.gres or ",".join(gres),
            "sbatch": tuple(dict.fromkeys((*profile.options, *settings.sbatch))),
            "setup": tuple(dict.fromkeys((*profile.setup, *settings.setup))),
            "signal_s": profile.signal_s if is_own else settings.signal_s,
        }
    )
