"""`gamefleet skills`: skills that build on skills, proposed, trained in parallel, merged.

Job: parse, call, print. Place in the data flow: `topologies.job_graph*` does the work. Left out: all decisions.
"""

from __future__ import annotations

import os

import typer

from gamefleet.cli import skills_options as options
from gamefleet.cli import skills_run, skills_show

app = typer.Typer(help="Train skills that build on skills, several at once.", no_args_is_help=True)


@app.command("run")
def run(
    context: typer.Context,
    env_name: options.EnvName = None,
    graph_path: options.Graph = options.DEFAULT_GRAPH,
    max_nodes: options.MaxNodes = None,
    max_parallel_skills: options.MaxParallel = None,
    scheduler_poll_interval: options.PollInterval = None,
    max_retries: options.MaxRetries = None,
    total_timesteps: options.Timesteps = None,
    num_envs: options.NumEnvs = None,
    llm_name: options.LlmName = None,
    proposer: options.ProposerName = None,
    prompts: options.Prompts = None,
    max_cost: options.MaxCost = None,
    max_tokens: options.MaxTokens = None,
    max_waiting_skills: options.MaxWaiting = None,
    max_dependencies: options.MaxDependencies = None,
    max_rejections: options.MaxRejections = None,
    allow_python_skills: options.AllowPython = None,
    resolver: options.ResolverName = None,
    executor: options.ExecutorName = None,
    tmux_socket: options.TmuxSocket = None,
    partition: options.Partition = None,
    account: options.Account = None,
    qos: options.Qos = None,
    time_limit: options.TimeLimit = None,
    cpus: options.Cpus = None,
    gpus: options.Gpus = None,
    memory: options.Memory = None,
    gres: options.Gres = None,
    sbatch: options.Sbatch = None,
    profile: options.Profile = None,
    gpu_memory_gb: options.GpuMemory = None,
    seed: options.Seed = None,
    threshold: options.Threshold = None,
    episodes: options.Episodes = None,
    skill_time_limit: options.SkillTimeLimit = None,
    retry_pause: options.RetryPause = None,
    settings: options.TrainerSettings = None,
    use_wandb: options.UseWandb = None,
    wandb_project: options.WandbProject = None,
    max_runtime_seconds: options.MaxRuntime = None,
) -> None:
    """Propose skills, train them as their dependencies allow, merge them; the same again goes on where it ended."""
    from gamefleet.topologies.job_graph.machine import gpus_left_to_jobs

    with gpus_left_to_jobs(os.environ) as environment:
        skills_run.schedule(graph_path, context.params, environment)


@app.command("status")
def status(graph_path: options.Graph = options.DEFAULT_GRAPH, as_json: options.Json = False) -> None:
    """Show each skill: its state, what it waits for, how it trains, how well it does."""
    if as_json:
        print(skills_show.text_of_state(graph_path))
    else:
        graph = skills_show.read_graph(graph_path)
        print("\n".join([*skills_show.status_lines(graph), *skills_show.unattended(graph_path, graph)]))


@app.command("watch")
def watch(graph_path: options.Graph = options.DEFAULT_GRAPH, interval: options.EverySeconds = 5.0) -> None:
    """Show the status again and again, until the run has ended or Ctrl-C."""
    skills_show.watch_graph(graph_path, interval)


@app.command("logs")
def logs(
    skill: options.SkillName,
    graph_path: options.Graph = options.DEFAULT_GRAPH,
    follow: options.Follow = False,
    lines: options.NumLines = 20,
) -> None:
    """Show a skill's training log, of one that trains or of one that is completed."""
    skills_show.show_log(graph_path, skill, num_lines=lines, follows=follow)


@app.command("attach")
def attach(skill: options.SkillName, graph_path: options.Graph = options.DEFAULT_GRAPH) -> None:
    """Look at a skill's training in its tmux session; leave with Ctrl-B, then D."""
    skills_run.attach_to(graph_path, skill, os.environ)


@app.command("retry")
def retry(skill: options.SkillName, graph_path: options.Graph = options.DEFAULT_GRAPH) -> None:
    """Have a failed skill tried again, or what failed below a blocked one, with all its retries."""
    skills_run.ask_for_retry(graph_path, skill)


@app.command("stop")
def stop(graph_path: options.Graph = options.DEFAULT_GRAPH) -> None:
    """Let skills that train save and end, and start nothing more; `run` goes on from there."""
    skills_run.ask_for_stop(graph_path, os.environ)


@app.command("migrate")
def migrate(
    source: options.Source,
    graph_path: options.Graph = options.DEFAULT_GRAPH,
    env_name: options.EnvName = None,
    extract: options.Extract = None,
) -> None:
    """Go on from an older, sequential run: its checkpoint.pkl becomes a graph; pickles are read locked up."""
    from gamefleet.topologies.job_graph.machine import gpus_left_to_jobs

    with gpus_left_to_jobs(os.environ):
        skills_run.migrate_run(source, graph_path, env_name, extract)


@app.command("train", hidden=True)
def train(skill: str, index: int = 0, leg: int = 1, graph_path: options.Graph = options.DEFAULT_GRAPH) -> None:
    """Be one job of a graph; the scheduler's jobs call this."""
    from gamefleet.cli.skills_train import train_skill

    train_skill(graph_path, skill, index=index, leg=leg)
