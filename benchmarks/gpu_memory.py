"""How much accelerator memory does training with configs/slim.yaml need at its peak?

With CUDA the peak of real updates is measured. Without, an upper bound is computed from real updates on the CPU at a
small batch: bytes that autograd keeps for the backward pass, plus everything that any layer puts out while no gradient
is kept (as if nothing were freed), both in proportion to the batch; plus weights, target, gradients and two moments.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gamefleet.games import open_game
from gamefleet.topologies.build import build_solo
from gamefleet.topologies.config import RunConfig, ask, make_config
from gamefleet.topologies.solo import Solo
from table import report

GOAL_GB = 10.0
SMALL_BATCH = 4


def main() -> None:
    """Measure or compute, and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--write", action="store_true")
    write = arguments.parse_args().write
    package = open_game("pokemon_red")
    asked = ask(file=Path(__file__).parent.parent / "configs" / "slim.yaml", assignments=[], flags={})
    config = make_config(package, asked.settings)
    method, peak_bytes = measured(config) if torch.cuda.is_available() else computed(config)
    report(
        "gpu_memory",
        "How much accelerator memory does configs/slim.yaml need at its peak?",
        [
            {"what": f"peak, {method}", "GB": f"{peak_bytes / 1e9:.2f}"},
            {"what": "goal: less than", "GB": f"{GOAL_GB:.2f}"},
        ],
        write,
    )


def measured(config: RunConfig) -> tuple[str, float]:
    """Peak of three real updates on CUDA."""
    with filled(shortened(config, config.learner.batch_size, "cuda")) as solo:
        torch.cuda.reset_peak_memory_stats()
        solo._learn(3)
        return "measured on CUDA", float(torch.cuda.max_memory_allocated())


def computed(config: RunConfig) -> tuple[str, float]:
    """The upper bound of the module's docstring."""
    with filled(shortened(config, SMALL_BATCH, "cpu")) as solo:
        solo._learn(1)  # the first update also warms curiosity up
        with counted(solo) as counts:
            solo._learn(1)
        parameters = sum(p.numel() * p.element_size() for p in solo.learner.network.parameters())
    scale = config.learner.batch_size / SMALL_BATCH
    return "upper bound computed on the CPU", (counts["kept"] + counts["passing"]) * scale + 5 * parameters


def shortened(config: RunConfig, batch_size: int, device: str) -> RunConfig:
    """The same learning with few games and a small replay."""
    return replace(
        config,
        run=replace(config.run, device=device),
        actors=replace(config.actors, num_envs=4, num_workers=0),
        replay=replace(config.replay, capacity_steps=4 * 40 * 12),
        learner=replace(config.learner, batch_size=batch_size, learning_starts_steps=10**9),
    )


@contextmanager
def filled(config: RunConfig) -> Iterator[Solo]:
    """A wiring whose replay can be sampled."""
    with build_solo(open_game("pokemon_red"), config) as solo:
        while solo.replay.num_sampleable < 4:
            solo.run_round()
        yield solo


@contextmanager
def counted(solo: Solo) -> Iterator[dict[str, float]]:
    """Count bytes while the block lasts: `kept` for backward, `passing` through layers without gradient."""
    counts = {"kept": 0.0, "passing": 0.0}
    seen: set[int] = set()

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            counts["kept"] += storage.nbytes()
        return tensor

    def passed(_module: Any, _inputs: Any, output: Any) -> None:
        if not torch.is_grad_enabled():
            tensors = output if isinstance(output, tuple) else (output,)
            counts["passing"] += sum(t.numel() * t.element_size() for t in tensors if isinstance(t, torch.Tensor))

    with ExitStack() as stack:
        for network in (solo.learner.network, solo.learner._target):
            for module in network.modules():
                stack.callback(module.register_forward_hook(passed).remove)
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor))
        yield counts


if __name__ == "__main__":
    main()
