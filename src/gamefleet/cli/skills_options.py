"""Options of `gamefleet skills`, each with underscores and with dashes.

Job: declare them once. Place in the data flow: command line -> `skills`. Left out: what they do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

DEFAULT_GRAPH = Path("runs/skills")


def steps(text: str) -> int:
    """A number of steps, also written as 1e8."""
    try:
        value = float(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no number of steps; write 50000000 or 5e7") from error
    if not 1 <= value < float("inf") or value != int(value):
        raise typer.BadParameter(f"{text!r} is no whole number of steps")
    return int(value)


def memory(text: str) -> str:
    """Main memory as SLURM writes it; a plain number is of GB, where SLURM itself would take it as MB."""
    size = text.strip().upper().removesuffix("B")
    if not re.fullmatch(r"[1-9]\d*[KMGT]?", size):
        raise typer.BadParameter(f"{text!r} is no memory; write 16 or 16G, or 500M")
    return size if size[-1].isalpha() else f"{size}G"


def sbatch_option(text: str) -> str:
    """An option of sbatch in its long form, which a script's line can hold."""
    if not text.startswith("--"):
        raise typer.BadParameter(f"{text!r} is no option of sbatch; write for example --sbatch=--exclude=n3")
    return text


def absolute(text: str) -> str:
    """A path that means the same wherever the next start is made."""
    return str(Path(text).absolute())


def both(name: str, text: str, **more: Any) -> Any:
    """An option in both spellings."""
    names = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    return typer.Option(*names, help=text, show_default=False, **more)


Graph = Annotated[Path, typer.Option("--graph-path", "--graph_path", metavar="DIR", help="The graph's folder.")]
EnvName = Annotated[
    str | None, both("env_name", "The world: a game's, or module:attribute. Default: Craftax-Symbolic-v1.")
]
MaxNodes = Annotated[int | None, both("max_nodes", "Skills to generate and train. Default: 40.", min=1)]
MaxParallel = Annotated[int | None, both("max_parallel_skills", "Skills trained at once. Default: 3.", min=1)]
PollInterval = Annotated[
    float | None, both("scheduler_poll_interval", "Seconds between looks at what wakes nobody. Default: 30.")
]
MaxRetries = Annotated[int | None, both("max_retries", "Further attempts at a failed skill. Default: 2.", min=0)]
MaxWaiting = Annotated[
    int | None, both("max_waiting_skills", "So many waiting skills pause generation. Default: 1.", min=1)
]
MaxRejections = Annotated[
    int | None, both("max_rejections", "Refused proposals in a row that end generation. Default: 10.", min=1)
]
MaxDependencies = Annotated[int | None, both("max_dependencies", "Of one skill. Default: 8.", min=1)]
Timesteps = Annotated[
    int | None,
    both("total_timesteps", "Steps of one skill's training, also as 1e8. Default: 1e8.", parser=steps, metavar="STEPS"),
]
NumEnvs = Annotated[int | None, both("num_envs", "Environments. Default: 1024 on a GPU, 128 on a CPU.", min=0)]
LlmName = Annotated[str | None, both("llm_name", "Model that proposes, for example gpt-4o-mini.")]
ProposerName = Annotated[str | None, both("proposer", "auto, catalogue, llm or replay:FILE. Default: auto.")]
Prompts = Annotated[str | None, both("prompts", "Folder of prompts to edit; made when missing.", metavar="DIR")]
MaxCost = Annotated[float | None, both("max_cost", "US dollars that proposals may cost. Default: 5.", min=0)]
MaxTokens = Annotated[int | None, both("max_tokens", "That proposals may take. Default: 2000000.", min=0)]
AllowPython = Annotated[
    bool | None,
    typer.Option(
        "--allow_python_skills",
        "--allow-python-skills",
        help="Let proposals be Python, in a sandbox; refused where there is none. Default: no.",
        show_default=False,
    ),
]
ResolverName = Annotated[
    str | None, both("resolver", "Function that decides what a skill builds on.", metavar="MODULE:FUNCTION")
]
ExecutorName = Annotated[str | None, both("executor", "auto, tmux, local or slurm. Default: auto.")]
Seed = Annotated[int | None, both("seed", "Of everything. Default: 0.")]
Threshold = Annotated[
    float | None, both("threshold", "What the lower bound of a success rate must reach. Default: 0.9.")
]
Episodes = Annotated[int | None, both("episodes", "Of a skill's evaluation. Default: 256.", min=1)]
SkillTimeLimit = Annotated[
    float | None, both("skill_time_limit", "Seconds of training of one skill. Default: none.", min=0)
]
GpuMemory = Annotated[
    float | None, both("gpu_memory_gb", "Of one skill. Default: an even share; on SLURM the profile's.", min=0)
]
Cpus = Annotated[int | None, both("cpus", "Cores of one job. Default: 1.", min=1)]
Gpus = Annotated[int | None, both("gpus", "GPUs of one job on SLURM. Default: 0.", min=0)]
Partition = Annotated[str | None, both("partition", "Of jobs on SLURM.")]
Account = Annotated[str | None, both("account", "That pays for jobs on SLURM.")]
TimeLimit = Annotated[str | None, both("time_limit", "Of one job on SLURM, as it writes it. Default: 4:00:00.")]
Qos = Annotated[str | None, both("qos", "Of jobs on SLURM.")]
Memory = Annotated[
    str | None, both("memory", "Main memory of one job on SLURM: 16 or 16G, 500M.", parser=memory, metavar="GB")
]
Gres = Annotated[str | None, both("gres", "Further resources of a job on SLURM, as it writes them.")]
Sbatch = Annotated[
    list[str] | None,
    typer.Option(
        "--sbatch",
        parser=sbatch_option,
        metavar="OPTION",
        help="Further option of sbatch, as in --sbatch=--exclude=n3; may be repeated.",
        show_default=False,
    ),
]
Profile = Annotated[
    str | None,
    both("profile", "Habits and limits of the cluster; `gamefleet fleet profile`.", parser=absolute, metavar="FILE"),
]
TmuxSocket = Annotated[str | None, both("tmux_socket", "Another tmux server than the default one (tmux -L).")]
TrainerSettings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the trainer; may be repeated."),
]
UseWandb = Annotated[
    bool | None,
    typer.Option(
        "--use_wandb/--no-use_wandb",
        "--use-wandb/--no-use-wandb",
        help="Mirror metrics to Weights & Biases. Default: no.",
        show_default=False,
    ),
]
WandbProject = Annotated[str | None, both("wandb_project", "Its project. Default: skill_graph.")]
RetryPause = Annotated[
    float | None, both("retry_pause", "Seconds before a crashed job's next attempt; doubles. Default: 15.", min=0)
]
MaxRuntime = Annotated[
    float | None, both("max_runtime_seconds", "End the scheduler after so long; its jobs go on. Default: never.", min=0)
]
SkillName = Annotated[str, typer.Argument(metavar="SKILL", help="Its name or its index.")]
Json = Annotated[bool, typer.Option("--json", help="Print scheduler_state.json.")]
EverySeconds = Annotated[float, typer.Option("-n", "--interval", min=0.1, help="Seconds between looks.")]
Follow = Annotated[bool, typer.Option("-f", "--follow", help="Go on printing until the skill is over.")]
NumLines = Annotated[int, typer.Option("-n", "--lines", min=0, help="Of the log's end; 0 for all.")]
Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="The older run's folder, or its checkpoint.pkl.")]
Extract = Annotated[
    Path | None, typer.Option("--extract", metavar="DIR", help="Also copy each expert into a file of its own there.")
]
