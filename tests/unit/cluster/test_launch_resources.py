"""What jobs on several nodes ask for, given what a site has."""

from dataclasses import replace
from pathlib import Path

import pytest

from gamefleet.cluster.detect import check_and_complete
from gamefleet.cluster.jobs import JobRequest, Resources
from gamefleet.cluster.launch_resources import LaunchSize, sized
from gamefleet.cluster.profile import ClusterProfile
from gamefleet.cluster.slurm.script import batch_script
from gamefleet.cluster.slurm.site import Association, Limits, NodeKind, Partition, SiteFacts
from gamefleet.cluster.spread import is_spread, spread
from gamefleet.errors import ConfigError

HOUR = 3600
SIZE = LaunchSize(nodes=2, gpus_per_node=4, time_s=6 * HOUR)
SITE = SiteFacts(
    partitions=(
        Partition(name="cpu", is_default=True, max_time_s=48 * HOUR),
        Partition(name="gpu", max_time_s=4 * HOUR),
        Partition(name="gpu-large", max_time_s=24 * HOUR),
    ),
    nodes=(
        NodeKind(partition="cpu", cpus=64, memory_mb=256_000, count=40),
        NodeKind(partition="gpu", cpus=32, memory_mb=515_000, gres={"gpu": 4}, count=3),
        NodeKind(partition="gpu-large", cpus=128, memory_mb=1_000_000, gres={"gpu": 8}, count=8),
    ),
    associations=(Association(account="lab", qos=("normal",), default_qos="normal"),),
    default_account="lab",
    qos={},
)


def test_a_partition_with_such_nodes_is_chosen_where_the_default_has_none() -> None:
    resources, notes = sized(SIZE, ClusterProfile(), SITE)

    assert resources.partition == "gpu"
    assert any("gpu: the first with 2 x 4 GPU(s)" in note for note in notes)


def test_the_default_partition_is_kept_where_it_has_such_nodes() -> None:
    resources, notes = sized(replace(SIZE, gpus_per_node=0), ClusterProfile(), SITE)

    assert (resources.partition, resources.tasks_per_node, resources.gpus) == ("cpu", 1, 0)
    assert notes == ["partition cpu: the default"]


def test_what_was_named_is_taken() -> None:
    resources, _ = sized(replace(SIZE, partition="gpu-large", account="lab", qos="normal"), ClusterProfile(), SITE)

    assert (resources.partition, resources.account, resources.qos) == ("gpu-large", "lab", "normal")
    assert resources.time_limit_s == 6 * HOUR


def test_more_hours_than_one_job_may_take_are_carried_by_several() -> None:
    resources, notes = sized(SIZE, ClusterProfile(), SITE)

    assert resources.time_limit_s == 4 * HOUR
    assert any("one job may take 4 h, so a chain of jobs carries the 6 h" in note for note in notes)


def test_half_an_hour_is_possible() -> None:
    resources, _ = sized(replace(SIZE, time_s=0.5 * HOUR), ClusterProfile(), SITE)

    assert (resources.time_limit_s, resources.signal_s) == (1800, 180)


def test_the_longest_time_of_a_qos_counts_too() -> None:
    site = replace(SITE, qos={"normal": Limits(max_time_s=2 * HOUR)})

    assert sized(SIZE, ClusterProfile(), site)[0].time_limit_s == 2 * HOUR


def test_cpus_are_an_even_share_of_a_node_and_memory_is_32_gb_per_gpu() -> None:
    resources, _ = sized(SIZE, ClusterProfile(), SITE)

    assert (resources.cpus, resources.memory) == (8, "128G")


def test_small_nodes_are_asked_for_what_they_have() -> None:
    site = replace(SITE, nodes=(NodeKind(partition="gpu", cpus=6, memory_mb=64_000, gres={"gpu": 4}, count=9),))
    resources, _ = sized(SIZE, ClusterProfile(), site)

    assert (resources.cpus, resources.memory) == (1, "60800M")


def test_a_limit_of_cpus_per_user_is_shared_by_all_processes() -> None:
    site = replace(SITE, qos={"normal": Limits(per_user={"cpu": 40})})

    assert sized(SIZE, ClusterProfile(), site)[0].cpus == 5


def test_a_profile_of_ones_own_limits_time_and_names_the_partition_and_the_packaged_one_does_not() -> None:
    own = ClusterProfile(partition="gpu-large", time_limit="1:00:00", source="cluster.toml")
    resources, _ = sized(SIZE, own, SITE)

    assert (resources.partition, resources.time_limit_s) == ("gpu-large", HOUR)


def test_where_nothing_is_known_nothing_is_refused() -> None:
    resources, notes = sized(SIZE, ClusterProfile(), SiteFacts())

    assert (resources.partition, resources.cpus, resources.memory, notes) == ("", 4, "128G", [])


def test_more_nodes_than_there_are_is_refused_with_how_many_there_are() -> None:
    resources, _ = sized(replace(SIZE, nodes=4, partition="gpu"), ClusterProfile(), SITE)

    with pytest.raises(ConfigError, match="has only 3 node"):
        check_and_complete(resources, SITE)


def test_where_no_partition_has_such_nodes_that_is_the_reason_and_not_the_time() -> None:
    long = replace(SIZE, gpus_per_node=16, time_s=100 * HOUR)

    with pytest.raises(ConfigError, match=r"No open partition has 2 node.s. with 16 GPU.*gpu-large: 8 node.s. with 8"):
        sized(long, ClusterProfile(), SITE)
    closed = replace(SITE, partitions=tuple(replace(one, is_open=False) for one in SITE.partitions or ()))
    with pytest.raises(ConfigError, match="no nodes in open partitions"):
        sized(SIZE, ClusterProfile(), closed)


def test_an_account_that_is_not_ones_own_is_refused_with_the_nearest() -> None:
    resources, _ = sized(replace(SIZE, account="lob"), ClusterProfile(), SITE)

    with pytest.raises(ConfigError, match=r"no such account.*lab"):
        check_and_complete(resources, SITE)


def test_all_nodes_together_count_against_what_a_user_may_have() -> None:
    site = replace(SITE, qos={"normal": Limits(per_user={"gres/gpu": 6})})
    resources, _ = sized(SIZE, ClusterProfile(), site)

    with pytest.raises(ConfigError, match="more gres/gpu than QOS normal"):
        check_and_complete(resources, site)


@pytest.mark.parametrize(("change", "name"), [({"nodes": 0}, "NODES"), ({"time_s": 0.0}, "HOURS")])
def test_a_size_that_makes_no_sense_is_refused(change: dict[str, float], name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is at least"):
        replace(SIZE, **change)  # type: ignore[arg-type]


def test_the_script_asks_for_nodes_tasks_and_gpus_per_node() -> None:
    resources = Resources(nodes=2, tasks_per_node=4, gpus=4, cpus=8, memory="128G", exclusive=True)
    script = batch_script(
        JobRequest(
            name="run.1",
            command=["true"],
            resources=resources,
            work_folder=Path("/w"),
            log_folder=Path("/w/logs"),
            has_one_output=True,
        )
    )

    for line in ("--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--cpus-per-task=8", "--exclusive"):
        assert f"#SBATCH {line}\n" in script
    assert "--gpus=" not in script
    assert "--error" not in script, "errors are where people look first"


def test_a_job_of_one_process_is_written_as_before() -> None:
    script = batch_script(
        JobRequest(
            name="run.1", command=["true"], resources=Resources(), work_folder=Path("/w"), log_folder=Path("/w/logs")
        )
    )

    assert "#SBATCH --gpus=1\n" in script
    assert "--nodes" not in script
    assert "slurm-%j.err" in script


def test_a_command_is_spread_over_all_tasks_and_is_known_again() -> None:
    command = spread(["python", "train.py"], Resources(nodes=2, tasks_per_node=4, cpus=8))

    assert command[0] == "srun"
    assert {"--nodes=2", "--ntasks=8", "--ntasks-per-node=4", "--cpus-per-task=8", "--kill-on-bad-exit=1"} < set(
        command
    )
    assert command[-2:] == ("python", "train.py")
    assert is_spread(command)
    assert not is_spread(["python", "train.py"])
