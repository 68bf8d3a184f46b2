"""From settings to what a rank learns with.

Job: decide what `auto` means, and build network, learner and the averaging of gradients. Place in the data flow: called
once per attempt by `ddp`. Left out: run folder, data, the loop.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gamefleet.games.base import GamePackage
from gamefleet.identity import derive_seed
from gamefleet.learners.sequence import Parallel, Precision, SequenceLearner
from gamefleet.models.decoder import compile_blocks
from gamefleet.runs.checkpoint import Checkpoint
from gamefleet.topologies.build import choose_device
from gamefleet.topologies.ddp.group import Group
from gamefleet.topologies.ddp.ranks import Place
from gamefleet.topologies.recorded.data import recorded_of
from gamefleet.topologies.sequence.config import SequenceConfig
from gamefleet.topologies.sequence.data import divide
from gamefleet.topologies.sequence.saving import Standing
from gamefleet.topologies.sequence.speed import Work, peak_flops


def settled(config: SequenceConfig, place: Place) -> SequenceConfig:
    """Settings whose `auto` is decided: they are part of the run from its first start on.

    Raises:
        ConfigError: The device is not there, or the batch cannot be divided.
    """
    is_accelerated = choose_device(config.run.device) != "cpu"
    if config.network.size == "auto":
        config = config.with_size("200M" if is_accelerated else "tiny")
    batches = divide(config, place.world)
    return replace(config, trainer=replace(config.trainer, global_batch_size=batches.global_size))


def device_of(config: SequenceConfig, place: Place) -> torch.device:
    """Where this rank computes: on a machine with several accelerators each has its own."""
    name = choose_device(config.run.device)
    if name != "cuda":
        return torch.device(name)
    device = torch.device("cuda", place.local_rank % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def precision_of(config: SequenceConfig, device: torch.device) -> Precision:
    """What matrix products are computed in."""
    if config.trainer.precision != "auto":
        return config.trainer.precision
    if device.type != "cuda":
        return "float32"
    return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"


def make_network(package: GamePackage, config: SequenceConfig, device: torch.device) -> nn.Module:
    """The game's network with its first weights, which follow from the seed."""
    torch.manual_seed(derive_seed(config.run.seed, purpose="network"))
    network: nn.Module = recorded_of(package).make_network(config.network_json())
    network.to(device)
    is_compiled = config.trainer.compile == "on" or (config.trainer.compile == "auto" and device.type == "cuda")
    if is_compiled:
        compile_blocks(network)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    return network


def make_learner(
    config: SequenceConfig, group: Group, network: nn.Module, *, standing: Standing | None, loaded: Checkpoint | None
) -> SequenceLearner:
    """The learner with rank 0's weights and optimizer.

    Args:
        config: All settings.
        group: The ranks.
        network: On its device.
        standing: Where the run goes on; None at its start.
        loaded: The checkpoint, at rank 0.
    """
    device = next(network.parameters()).device
    learner = SequenceLearner(
        network,
        config.learner,
        batch_size=config.trainer.global_batch_size,
        total_steps=config.run.total_steps,
        precision=precision_of(config, device),
        parallel=parallel_of(network, group, is_held=divide(config, group.place.world).per_rank > 1),
    )
    if loaded is not None:
        learner.load_state(model=loaded.part("model"), optimizer=loaded.part("optimizer"), num_updates=loaded.step)
    for tensors in learner.state_tensors().values():
        group.spread(tensors)
    if standing is not None:
        learner.num_updates = standing.step
    return learner


def parallel_of(network: nn.Module, group: Group, *, is_held: bool) -> Parallel:
    """Averaging of gradients; nothing for one rank.

    Args:
        network: On its device.
        group: The ranks.
        is_held: Whether steps have several micro-batches.
    """
    device = next(network.parameters()).device
    if group.store is None:
        return Parallel(forward=network)
    with group.explained("compare networks"):
        wrapped = DistributedDataParallel(
            network,
            device_ids=[device.index] if device.type == "cuda" else None,
            gradient_as_bucket_view=True,
            static_graph=not is_held,  # with gradients held back in the first step PyTorch 2.13 fails an assertion
            forward_sync_buffers=False,
        )
    return Parallel(forward=wrapped, num_ranks=group.place.world, hold=wrapped.no_sync)


def work_of(network: nn.Module, device: torch.device, world: int) -> Work:
    """What the network does per decision, and how fast all ranks could be."""
    peak = peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else float("nan")
    sized = cast("Any", network)
    return Work(
        tokens_per_decision=sized.tokens_per_decision, flops_per_token=sized.flops_per_token, peak_flops=peak * world
    )
