"""What a user asks of a skill graph, kept beside it so that a restart needs only its folder.

Job: one checked set of settings, with defaults, from flags and from `settings.json`. Place in the data flow: the
command line -> here -> the scheduler and its jobs. Left out: parsing options (`cli`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gamefleet.cluster.graph.room import never_fits
from gamefleet.cluster.graph.state import Limits, Needs
from gamefleet.errors import ConfigError, nearest
from gamefleet.files import write_json
from gamefleet.skills.training import lower_bound
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.saved import saved_settings

FIXED = ("env_name", "seed", "threshold")
"""Settings of which the experts that are there are a consequence: others make another graph."""

OF_SLURM = ("partition", "account", "qos", "memory", "gres", "sbatch", "profile", "time_limit_s", "gpus")
"""Settings that nothing but jobs of SLURM can be asked for."""

MOST_ENVS = 1 << 20
"""Environments beyond which memory, not speed, is what a training has most of."""


class GraphSettings(BaseModel):
    """Settings of one graph.

    Args:
        env_name: The world in which skills are trained.
        max_nodes: Skills to be had.
        max_parallel_skills: Jobs at one time.
        scheduler_poll_interval: Seconds between looks at what wakes nobody.
        max_retries: Further attempts at a failed skill.
        max_waiting_skills: New skills are proposed while fewer than this many wait for dependencies.
        max_rejections: Proposals refused in a row after which no more are asked for.
        max_dependencies: Skills that one may directly build on.
        total_timesteps: Environment steps of one skill's training, at most.
        num_envs: Environments at the same time; 0 lets the trainer choose.
        threshold: What the lower bound of the success rate must reach.
        episodes: Of the evaluation.
        seed: Of everything.
        proposer: `auto`, `catalogue`, `llm` or `replay:FILE`.
        llm_name: The model that proposes; empty for none.
        max_cost: US dollars that proposals may cost.
        max_tokens: Tokens that proposals may take.
        prompts: Folder of edited prompts; empty for `prompts` in the graph's folder.
        allow_python_skills: Whether proposals may be Python, checked and run in a sandbox only.
        resolver: `module:function` that decides what a skill builds on; empty for the default.
        executor: `auto` (tmux where it is installed, else local), `tmux`, `local` or `slurm`.
        partition: SLURM's; empty for its default.
        account: SLURM's; empty for its default.
        qos: SLURM's; empty for its default.
        memory: Main memory of one job on SLURM, as it writes it; empty for its default.
        gres: Further generic resources of one job on SLURM, as it writes them.
        sbatch: Further options of `sbatch`.
        setup: Shell lines before each job on SLURM; a cluster profile has them.
        signal_s: Seconds before its time limit at which a job on SLURM is told to save and end.
        profile: The cluster profile; empty looks for one where others are found.
        time_limit_s: Of one job on SLURM; a skill that needs longer goes on in the next.
        cpus: Cores of one job.
        gpus: GPUs of one job on SLURM.
        gpu_memory_gb: Of one skill; 0 shares the GPU's memory evenly among the skills that run at once, and on SLURM
            takes what the cluster profile says.
        skill_time_limit_s: Training time of one skill; 0 for none.
        tmux_socket: Which tmux server (`tmux -L`); empty for the user's default one.
        retry_pause_s: Before a crashed job's next attempt; doubles with each crash.
        use_wandb: Whether metrics are mirrored to Weights & Biases.
        wandb_project: Its project.
        trainer: Further settings for the world's trainer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    env_name: str = "Craftax-Symbolic-v1"
    max_nodes: int = Field(default=40, ge=1)
    max_parallel_skills: int = Field(default=3, ge=1)
    scheduler_poll_interval: float = Field(default=30.0, gt=0)
    max_retries: int = Field(default=2, ge=0)
    max_waiting_skills: int = Field(default=1, ge=1)
    max_rejections: int = Field(default=10, ge=1)
    max_dependencies: int = Field(default=8, ge=1)
    total_timesteps: int = Field(default=100_000_000, ge=1)
    num_envs: int = Field(default=0, ge=0, le=MOST_ENVS)
    threshold: float = Field(default=0.9, gt=0, lt=1)
    episodes: int = Field(default=256, ge=1)
    seed: int = 0
    proposer: str = "auto"
    llm_name: str = ""
    max_cost: float = Field(default=5.0, ge=0)
    max_tokens: int = Field(default=2_000_000, ge=0)
    prompts: str = ""
    allow_python_skills: bool = False
    resolver: str = ""
    executor: Literal["auto", "tmux", "local", "slurm"] = "auto"
    partition: str = ""
    account: str = ""
    qos: str = ""
    memory: str = Field(default="", pattern=r"^([1-9]\d*[KMGT])?$")
    gres: str = ""
    sbatch: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    signal_s: int = Field(default=180, ge=1)
    profile: str = ""
    time_limit_s: int = Field(default=4 * 3600, gt=0)
    cpus: int = Field(default=1, ge=1)
    gpus: int = Field(default=0, ge=0)
    gpu_memory_gb: float = Field(default=0.0, ge=0)
    skill_time_limit_s: float = Field(default=0.0, ge=0)
    tmux_socket: str = Field(default="", pattern=r"^[\w.-]*$")
    retry_pause_s: float = Field(default=15.0, ge=0)
    use_wandb: bool = False
    wandb_project: str = Field(default="skill_graph", min_length=1)
    trainer: dict[str, Any] = Field(default_factory=dict)

    def limits(self, gpus_gb: tuple[float, ...], cpus: int = 0, gpu_names: tuple[str, ...] = ()) -> Limits:
        """What the scheduler has to keep to.

        Args:
            gpus_gb: Memory of each GPU of this machine; empty where it is not counted.
            cpus: Cores of this machine; 0 where they are not counted. Jobs of one core share cores, as many as
                `max_parallel_skills` says; those that ask for more get them.
            gpu_names: Of each GPU, as its jobs are told to use it.

        Raises:
            ConfigError: Not even one job would fit.
        """
        per_gpu = -(-self.max_parallel_skills // max(len(gpus_gb), 1))
        share = self.gpu_memory_gb or (min(gpus_gb) / per_gpu if gpus_gb else 0.0)
        limits = Limits(
            max_parallel_skills=self.max_parallel_skills,
            max_nodes=self.max_nodes,
            max_retries=self.max_retries,
            max_waiting_skills=self.max_waiting_skills,
            max_rejections=self.max_rejections,
            # A job measures its own time; on SLURM the wait in the queue would count here.
            skill_time_limit_s=0.0 if self.executor == "slurm" else 1.2 * self.skill_time_limit_s,
            pause_s=self.retry_pause_s,
            cpus=float(cpus) if self.cpus > 1 else 0.0,
            gpus_gb=gpus_gb,
            gpu_names=gpu_names,
            needs=Needs(cpus=float(self.cpus), gpu_memory_gb=share),
        )
        if reason := never_fits(limits.needs, limits):
            raise ConfigError(
                f"No skill could ever train here: {reason}", remedy="Ask for less with --cpus or --gpu_memory_gb."
            )
        return limits


def settings_for(paths: GraphPaths, asked: Mapping[str, Any]) -> GraphSettings:
    """The settings of a start: as they were, and what was asked for now above them.

    Args:
        paths: Of the graph; it need not be there yet.
        asked: Names and values that a user gave.

    Raises:
        ConfigError: A value is wrong, or changes what the graph's experts are a consequence of.
    """
    before = saved_settings(paths)
    changed = [name for name in FIXED if name in asked and name in before and asked[name] != before[name]]
    if changed and paths.state.exists():
        name = changed[0]
        raise ConfigError(
            f"This graph has another {name}: {before[name]!r}",
            value=asked[name],
            where=paths.root,
            remedy="Leave the option out to go on with this graph, or choose another --graph-path.",
        )
    refuse_useless_model(asked)
    refuse_idle_wishes(asked, str({**before, **asked}.get("executor", "auto")))
    trainer = {**before.get("trainer", {}), **asked.get("trainer", {})}
    return checked({**before, **asked, "trainer": trainer}, paths.settings)


def checked(values: Mapping[str, Any], where: Path) -> GraphSettings:
    """Settings of names and values.

    Raises:
        ConfigError: A name or a value is wrong.
    """
    try:
        settings = GraphSettings(**values)
        json.dumps(settings.trainer, allow_nan=False)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        remedy = nearest(name, GraphSettings.model_fields) if first["type"] == "extra_forbidden" else first["msg"]
        raise ConfigError(f"{name} is wrong", value=first.get("input"), where=where, remedy=remedy) from error
    except ValueError as error:
        remedy = "Give numbers that are finite."
        raise ConfigError("A setting of the trainer is wrong", value=values["trainer"], remedy=remedy) from error
    refuse_unreachable(settings)
    return settings


def refuse_useless_model(asked: Mapping[str, Any]) -> None:
    """Fail where a model is named and somebody else is to propose.

    Raises:
        ConfigError: That is so.
    """
    proposer = str(asked.get("proposer", "auto"))
    if asked.get("llm_name") and proposer not in ("auto", "llm"):
        remedy = "Leave out one of the two options."
        raise ConfigError(f"--proposer {proposer} asks no model", value=asked["llm_name"], remedy=remedy)


def refuse_idle_wishes(asked: Mapping[str, Any], executor: str) -> None:
    """Fail where something is asked of SLURM's jobs and there will be none.

    Raises:
        ConfigError: That is so.
    """
    idle = [name for name in OF_SLURM if name in asked]
    if idle and executor != "slurm":
        remedy = "Add --executor slurm, or leave the option out."
        raise ConfigError(f"--{idle[0].removesuffix('_s')} is for jobs of SLURM", value=asked[idle[0]], remedy=remedy)


def refuse_unreachable(settings: GraphSettings) -> None:
    """Fail where so few episodes cannot show the threshold even if all succeed: training would never end well.

    Raises:
        ConfigError: Says how many episodes can.
    """
    asked, threshold = settings.episodes, settings.threshold
    if lower_bound(asked, asked) >= threshold:
        return
    least = asked
    while lower_bound(least, least) < threshold:
        least *= 2
    below = least // 2
    while least - below > 1:
        middle = (below + least) // 2
        below, least = (below, middle) if lower_bound(middle, middle) >= threshold else (middle, least)
    raise ConfigError(
        f"{asked} episodes cannot show a success rate of {threshold}",
        where="--episodes",
        remedy=f"At least {least} are needed, all of them successes; or lower --threshold.",
    )


def store(paths: GraphPaths, settings: GraphSettings) -> None:
    """Keep settings for the next start and for jobs."""
    write_json(paths.settings, settings.model_dump())
