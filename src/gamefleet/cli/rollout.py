"""`gamefleet rollout`: play one episode and look at it.

Job: show steps, decoded flags, a video, or save a state, for debugging games and agents without a display. Left out:
playing and encoding.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gamefleet.cli.options import ConfigOption, GameArgument, SetOption, ask_for
from gamefleet.errors import ConfigError

if TYPE_CHECKING:
    from gamefleet.topologies.evaluation import Player


def rollout(
    game: GameArgument,
    steps: Annotated[int, typer.Option(min=1, help="Steps to play.")] = 200,
    policy: Annotated[str, typer.Option(help="random, scripted, or a run or checkpoint folder.")] = "random",
    flags: Annotated[bool, typer.Option("--flags", help="Print the decoded flags of the game at the end.")] = False,
    video: Annotated[bool, typer.Option("--video/--no-video", help="Write an mp4 and a gif instead of lines.")] = False,
    max_frames: Annotated[int, typer.Option(min=1, help="Frames of the video, one per step.")] = 500,
    output: Annotated[Path, typer.Option(help="Folder of the video files.")] = Path("runs/rollout"),
    save_state: Annotated[Path | None, typer.Option(help="Write the game's state at the end to this file.")] = None,
    seed: Annotated[int, typer.Option(help="Of the episode.")] = 0,
    epsilon: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Chance of a random action of a network; the game's own if left out."),
    ] = None,
    config: ConfigOption = None,
    assignments: SetOption = None,
) -> None:
    """Play one episode: print its steps, its flags, or write a video."""
    player = find_player(game, policy, config, assignments)
    if video:
        write_videos(player, output, max_frames=max_frames, seed=seed, epsilon=epsilon)
    else:
        play(player, steps=steps, seed=seed, epsilon=epsilon, show_flags=flags, save_state=save_state)


def find_player(game: str, policy: str, config: Path | None, assignments: list[str] | None) -> Player:
    """The player under the settings asked for; a checkpoint brings its own."""
    from gamefleet.games import open_game
    from gamefleet.topologies.config import make_config, merge
    from gamefleet.topologies.evaluation import RANDOM, SCRIPTED, load_player

    asked = ask_for(config, assignments).settings
    settings: dict[str, Any] = {}
    if policy not in (RANDOM, SCRIPTED):
        settings = load_player(policy, game=game).config.resolved()
    merge(settings, asked)
    return load_player(policy, game=game, config=make_config(open_game(game), settings))


def write_videos(player: Player, folder: Path, *, max_frames: int, seed: int, epsilon: float | None) -> None:
    """Write the episode as mp4 and gif."""
    from gamefleet.topologies.media import record_player

    paths = [folder / f"{player.package.name}.mp4", folder / f"{player.package.name}.gif"]
    count = record_player(player, paths, max_frames=max_frames, seed=seed, epsilon=epsilon)
    print(f"{count} frames: {paths[0]} {paths[1]}")


def play(
    player: Player, *, steps: int, seed: int, epsilon: float | None, show_flags: bool, save_state: Path | None
) -> None:
    """Play and print a line for the start, for every step that paid or reached something, and for the end."""
    import numpy as np

    from gamefleet.actors.accounts import Accounts
    from gamefleet.actors.steps import Restart
    from gamefleet.actors.vector import InlineVector
    from gamefleet.topologies.evaluation import make_policy

    game: Any = player.package.make_game(player.config.game)
    vector = InlineVector([game])
    policy = make_policy(player, vector, seed=seed, epsilon=epsilon)
    accounts = Accounts(vector.spec, 1)
    vector.send(np.zeros(1, np.int16), {0: (restart := Restart(seed=seed))})
    view = vector.receive()
    accounts.begin(0, restart, view)
    for step in range(1, steps + 1):
        if view.ended[0]:
            break
        decision = policy.act(view)
        vector.send(decision.sent, {})
        view = vector.receive()
        fresh = accounts.add(view, np.ones(1, np.bool_))
        print_step(vector.spec, step, int(decision.actions[0]), view.terms[0], fresh[0])
    summary = accounts.summary(0, "")
    print(
        f"{summary.num_steps} steps  return {summary.total_return:.3f}  progress {summary.progress:g}  "
        f"{summary.num_cells} cells  milestones: {', '.join(summary.milestones) or 'none'}"
    )
    if show_flags:
        print_flags(game)
    if save_state is not None:
        from gamefleet.files import write_bytes

        write_bytes(save_state, game.save_state())
        print(f"State: {save_state}")


def print_step(spec: Any, step: int, action: int, terms: Any, fresh: Any) -> None:
    """One line, unless nothing happened."""
    paid = "  ".join(f"{name} {value:+.3f}" for name, value in zip(spec.reward_terms, terms, strict=True) if value)
    reached = "  ".join(f"milestone {name}" for name, new in zip(spec.milestones, fresh, strict=True) if new)
    if paid or reached:
        print(f"step {step:5d}  {spec.actions[action]:6}  {paid}  {reached}".rstrip())


def print_flags(game: Any) -> None:
    """The decoded flags of a game that can describe them.

    Raises:
        ConfigError: The game has none.
    """
    if not hasattr(game, "describe_flags"):
        raise ConfigError("The game has no flags to describe", value=game.spec.name, remedy="Leave out --flags.")
    rows = game.describe_flags()
    print(f"{sum(row.value > 0 for row in rows)} of {len(rows)} flags are set")
    for row in rows:
        index = "" if row.index is None else row.index
        print(f"{index:>5}  {row.value or '-':>3}  {row.name:44}  {row.place}: {row.meaning}")
