"""Can a graph of skills be trained here: JAX and the game, tmux, a model that proposes, memory for what trains at once.

Job: the checks of a skill graph, for `gamefleet doctor --only skills`. Place in the data flow: the command line puts
them into its list. Left out: the checks of clusters, disks and programs that every run needs.
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Mapping
from dataclasses import replace

from gamefleet.cluster.checks.base import Check, Result, failed, ok, skipped, warning
from gamefleet.cluster.checks.programs import Runner
from gamefleet.errors import ConfigError, MissingDependencyError
from gamefleet.skills.client_endpoint import RequestFailedError, Trouble, find_endpoint, list_models
from gamefleet.topologies.job_graph.machine import VISIBLE, parse_gpus, visible
from gamefleet.topologies.job_graph.settings import GraphSettings
from gamefleet.topologies.job_graph.world import how_to_install, missing_packages, open_world

GROUP = "skills"
KEY, BASE_URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
ANSWER_TIMEOUT_S = 10.0
SHOWN_MODELS = 3

REMEDY = f"Check {BASE_URL}; it usually ends in /v1."
REMEDIES = {
    Trouble.REFUSED: f"Check {KEY}.",
    Trouble.UNREACHABLE: f"{REMEDY} Start the server, or unset the variable for the catalogue.",
}

SLOTS = 3
"""Skills that train at once unless told otherwise."""

SLOT_BYTES = 6 << 30
"""GPU memory of one skill in training, the upper end of what guides of this kind of training name."""


def skills_checks(game: str, environment: Mapping[str, str], programs: Runner) -> list[Check]:
    """All of them for a game with skills, none for others.

    Args:
        game: Name of the game.
        environment: Of the user: where a model is, and its key.
        programs: Runs `tmux` and `nvidia-smi`.
    """
    from gamefleet.games import open_game

    if open_game(game).skills is None:
        return []
    return [
        Check(name="skills-jax", group=GROUP, run=check_modules),
        Check(name="skills-tmux", group=GROUP, run=lambda: check_tmux(environment, programs)),
        Check(name="skills-model", group=GROUP, run=lambda: check_model(environment)),
        Check(name="skills-gpu-memory", group=GROUP, run=lambda: check_gpu_memory(environment, programs)),
    ]


def check_modules() -> Result:
    """Whether the world that is trained unless told otherwise could be; importing what it needs would take seconds."""
    world = open_world(GraphSettings().env_name)
    missing = missing_packages(world)
    if missing:
        return failed(f"not installed: {', '.join(missing)}", how_to_install(world))
    return ok(f"all that {world.name} needs is installed")


def check_tmux(environment: Mapping[str, str], programs: Runner) -> Result:
    """Whether skills can train in sessions that a person can attach to."""
    if shutil.which("tmux", path=environment.get("PATH", "")) is None:
        return warning(
            "tmux is not installed",
            "`apt-get install tmux` (macOS: `brew install tmux`), or train with --executor local.",
        )
    if importlib.util.find_spec("libtmux") is None:
        return warning("libtmux is not installed", "`pip install 'gamefleet[tmux]'`, or train with --executor local.")
    answer = programs(["tmux", "-V"], ANSWER_TIMEOUT_S)
    if answer.status:
        return failed(f"tmux does not start: {answer.last_words}", "Mend or install it anew.")
    return ok(answer.last_words)


def check_model(environment: Mapping[str, str]) -> Result:
    """Whether the model that would propose skills answers; no token is spent on the question."""
    if not environment.get(BASE_URL) and not environment.get(KEY):
        return skipped(f"neither {KEY} nor {BASE_URL} is set, so that the built-in catalogue proposes")
    try:
        endpoint = replace(find_endpoint(environment), read_timeout_s=ANSWER_TIMEOUT_S)
        names = list_models(endpoint)
    except RequestFailedError as error:
        return failed(f"{error.what}: {error.where}", REMEDIES.get(error.trouble, REMEDY))
    except (ConfigError, MissingDependencyError) as error:
        return failed(error.what, error.remedy)
    if not names:
        return warning(f"{endpoint.base_url} answers and names no model", REMEDY)
    shown = ", ".join(names[:SHOWN_MODELS])
    return ok(f"{endpoint.base_url} has {shown}{', …' if len(names) > SHOWN_MODELS else ''}")


def check_gpu_memory(environment: Mapping[str, str], programs: Runner) -> Result:
    """How many skills fit beside each other."""
    if shutil.which("nvidia-smi", path=environment.get("PATH", "")) is None:
        return ok("no GPU here: skills train on the CPU, of which each takes a share")
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits"]
    answer = programs(query, ANSWER_TIMEOUT_S)
    gpus = parse_gpus(answer.out)
    if answer.status or not gpus:
        return warning(
            f"nvidia-smi says nothing of memory: {answer.last_words}", "Skills train on the CPU until it does."
        )
    if VISIBLE in environment:
        gpus = visible(gpus, environment[VISIBLE])
        if not gpus:
            return ok(f"{VISIBLE} names no GPU of this machine: skills train on the CPU, of which each takes a share")
    free = max(round(gpu.gb * 1e9) for gpu in gpus)
    room = free // SLOT_BYTES
    found = f"{free >> 30} GiB of GPU memory are free: room for {room} skills of {SLOT_BYTES >> 30} GiB"
    if room >= SLOTS:
        return ok(found)
    return warning(found, f"Train with --max_parallel_skills {max(1, room)} or fewer --num_envs.")
