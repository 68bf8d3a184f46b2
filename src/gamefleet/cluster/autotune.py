"""From a machine's facts to how many games it should play, with the reason for each number.

Job: the rule. Place in the data flow: hardware + needs + measurements -> recommendation; `gamefleet autotune` prints
it, `--num-envs auto` follows it. Left out: measuring, and files. Pure: the same facts give the same numbers.

The rule in short. Cores: the machine keeps one, the process that chooses actions and learns takes one, each other one
plays; a slow core counts half. Memory: the machine keeps 4 GB, and of the rest one half may be planned, because its
owner's programs and our peaks need room; that pays for the learner first, then for games, each with its share of the
replay. Limits of a job or container are all ours but for a margin. A benchmark, where there is one, then chooses among
the numbers that fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from gamefleet.cluster.hardware import Hardware
from gamefleet.cluster.measurements import MIB, Measurements, Needs, Play, Timing
from gamefleet.cluster.room import Limits, find_limits, gb

PEAK_BYTES = 512 * MIB
"""What a checkpoint and a large update need on top of the learner's measured size."""

AMORTISED_ENVS = 16
"""With an accelerator two games per process share each call, up to so many games: more do not make it much cheaper."""

NEAR_BEST = 0.9
"""The fewest games that reach this share of the best rate: games cost memory, and each waits for the slowest."""

ACCELERATOR_GAIN = 1.2
"""An accelerator must be so much faster than the CPU; below that it only costs battery and memory."""

UPDATE_MOST_S = 2.0
"""Longer updates would delay new weights by more than the games of a round take."""

CHEAP_DOUBLING = 1.5
"""Twice the windows for less than so many times the time are taken."""

LARGEST_BATCH = 64
LEAST_CAPACITY_STEPS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One number or word and why.

    Args:
        name: What was chosen.
        value: The choice.
        reason: One sentence.
    """

    name: str
    value: int | str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What a machine should do.

    Args:
        num_workers: Processes that play.
        num_envs: Games.
        device: Where actions are chosen.
        learning_device: Where a member that learns does so.
        batch_size: Windows per update of a member that learns.
        capacity_steps: Steps that its replay can hold.
        reasons: One per choice, in this order.
    """

    num_workers: int
    num_envs: int
    device: str
    learning_device: str
    batch_size: int
    capacity_steps: int
    reasons: tuple[Chosen, ...]


def recommend(hardware: Hardware, needs: Needs, measured: Measurements | None = None) -> Recommendation:
    """Apply the rule.

    Args:
        hardware: The machine.
        needs: Of the game, before measuring.
        measured: What a benchmark on this machine found; None applies the rule to the hardware alone.
    """
    needs = needs if measured is None else as_measured(needs, measured)
    limits = find_limits(hardware, needs)
    workers, envs = choose_games(hardware, limits, measured.plays if measured else ())
    device = choose_device(hardware, int(envs.value), measured.inference if measured else (), "device")
    learning = choose_device(hardware, needs.batch_size, measured.updates if measured else (), "learning device")
    updates = [timing for timing in measured.updates if timing.device == learning.value] if measured else []
    batch = choose_batch(needs.batch_size, updates)
    capacity = choose_capacity(limits, needs, int(envs.value))
    return Recommendation(
        num_workers=int(workers.value),
        num_envs=int(envs.value),
        device=str(device.value),
        learning_device=str(learning.value),
        batch_size=int(batch.value),
        capacity_steps=int(capacity.value),
        reasons=(workers, envs, device, learning, batch, capacity),
    )


def as_measured(needs: Needs, measured: Measurements) -> Needs:
    """Needs with measured sizes in the place of typical ones."""
    return replace(
        needs,
        env_bytes=measured.env_bytes or needs.env_bytes,
        learner_bytes=measured.learner_bytes + PEAK_BYTES if measured.learner_bytes else needs.learner_bytes,
    )


def choose_games(hardware: Hardware, limits: Limits, plays: tuple[Play, ...]) -> tuple[Chosen, Chosen]:
    """Processes and games: by measurement where one fits the limits, else by cores and memory."""
    fitting = [p for p in plays if p.num_envs <= limits.max_envs and p.num_workers <= limits.max_workers]
    if fitting:
        return choose_measured_games(limits, fitting)
    workers = min(limits.max_workers, limits.max_envs)
    wanted = max(workers, min(AMORTISED_ENVS, 2 * workers)) if hardware.has("cuda") else workers
    envs = min(wanted, limits.max_envs)
    if envs < wanted or workers < limits.max_workers:
        reason = f"memory for {limits.max_envs}: {limits.memory_reason}"
    else:
        reason = "two per process share each call of the GPU" if envs > workers else "one per process"
    return (
        Chosen(name="workers", value=workers, reason=worker_reason(limits, workers)),
        Chosen(name="environments", value=envs, reason=reason),
    )


def worker_reason(limits: Limits, workers: int) -> str:
    """Why so many processes play."""
    if workers < limits.max_workers:
        return f"no more than environments; the cores would allow {limits.max_workers}"
    return f"{limits.cores_reason}, 1 for choosing actions and learning"


def choose_measured_games(limits: Limits, fitting: list[Play]) -> tuple[Chosen, Chosen]:
    """The fewest games that come near the best measured rate."""
    best = max(fitting, key=lambda play: play.policy_steps_per_s)
    near = [play for play in fitting if play.policy_steps_per_s >= NEAR_BEST * best.policy_steps_per_s]
    play = min(near, key=lambda play: (play.num_envs, play.num_workers))
    rate = f"{play.policy_steps_per_s:,.0f} steps/s measured"
    if play is best:
        reason = f"{rate}, the best of {len(fitting)} tried; memory would do for {limits.max_envs}"
    else:
        reason = f"{rate}; {best.num_envs} reach only {best.policy_steps_per_s:,.0f}"
    return (
        Chosen(name="workers", value=play.num_workers, reason=worker_reason(limits, play.num_workers)),
        Chosen(name="environments", value=play.num_envs, reason=reason),
    )


def choose_device(hardware: Hardware, batch: int, timings: tuple[Timing, ...], name: str) -> Chosen:
    """The CPU, unless an accelerator is clearly faster at this batch, or, unmeasured, is a CUDA device.

    Args:
        hardware: The machine.
        batch: Games or windows at once.
        timings: Of all devices and batches.
        name: Of the choice.
    """
    speeds = {timing.device: timing.seconds for timing in nearest_batch(timings, batch)}
    speeds = {device: seconds for device, seconds in speeds.items() if device == "cpu" or hardware.has(device)}
    others = {device: seconds for device, seconds in speeds.items() if device != "cpu"}
    if "cpu" not in speeds:
        return unmeasured_device(hardware, name)
    if not others:
        why = "the accelerator failed when it was measured" if hardware.accelerators else "no accelerator here"
        return Chosen(name=name, value="cpu", reason=f"{why}; {milliseconds(speeds['cpu'])} per call")
    device = min(others, key=others.__getitem__)
    is_faster = speeds["cpu"] >= ACCELERATOR_GAIN * others[device]
    compared = f"{milliseconds(others[device])} per call on {device}, {milliseconds(speeds['cpu'])} on the CPU"
    return Chosen(name=name, value=device if is_faster else "cpu", reason=compared)


def nearest_batch(timings: tuple[Timing, ...], batch: int) -> list[Timing]:
    """Of each device, the timing whose batch is nearest."""
    devices = dict.fromkeys(timing.device for timing in timings)
    return [
        min((timing for timing in timings if timing.device == device), key=lambda timing: abs(timing.batch - batch))
        for device in devices
    ]


def unmeasured_device(hardware: Hardware, name: str) -> Chosen:
    """What is usual where nothing was measured."""
    if hardware.has("cuda"):
        return Chosen(name=name, value="cuda", reason="a CUDA device is there; not measured")
    if hardware.has("mps"):
        reason = "an Apple GPU is there, but calls this small are often faster on the CPU; not measured"
        return Chosen(name=name, value="cpu", reason=reason)
    return Chosen(name=name, value="cpu", reason="no accelerator here")


def choose_batch(asked: int, updates: list[Timing]) -> Chosen:
    """The settings' batch, unless an update takes too long or twice the batch is nearly free."""
    seconds = {timing.batch: timing.seconds for timing in updates}
    if asked not in seconds:
        return Chosen(name="batch size", value=asked, reason="as the settings say; not measured")
    batch = asked
    while seconds[batch] > UPDATE_MOST_S and batch // 2 in seconds:
        batch //= 2
    while batch * 2 <= LARGEST_BATCH and seconds.get(batch * 2, 1e9) < min(
        UPDATE_MOST_S, CHEAP_DOUBLING * seconds[batch]
    ):
        batch *= 2
    took = f"an update takes {milliseconds(seconds[batch])}"
    if batch < asked:
        return Chosen(name="batch size", value=batch, reason=f"{took}; {asked} take {milliseconds(seconds[asked])}")
    words = "as the settings say" if batch == asked else f"little more than {milliseconds(seconds[asked])} for {asked}"
    return Chosen(name="batch size", value=batch, reason=f"{took}; {words}")


def choose_capacity(limits: Limits, needs: Needs, num_envs: int) -> Chosen:
    """Steps that the replay can hold in the memory that learner and games leave."""
    left = limits.planned_bytes - needs.learner_bytes - num_envs * needs.env_bytes
    fitting = max(LEAST_CAPACITY_STEPS, left // needs.slot_bytes // 1000 * 1000)
    capacity = min(needs.capacity_steps, fitting)
    size = gb(capacity * needs.slot_bytes)
    why = "as the settings say" if capacity == needs.capacity_steps else f"what is left of {gb(limits.planned_bytes)}"
    return Chosen(name="replay steps", value=capacity, reason=f"{size}, {why}; only a member that learns needs it")


def milliseconds(seconds: float) -> str:
    """A duration for people."""
    return f"{seconds * 1e3:.1f} ms" if seconds < 0.1 else f"{seconds:.2f} s"
