"""A job is compared with what a site has before it is submitted; what is not known is not checked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gamefleet.cluster.detect import check_and_complete, lower_caps
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.slurm.site import Association, Limits, NodeKind, Partition, SiteFacts
from gamefleet.errors import ConfigError

GPU_JOB = Resources(gres=("gpumem:20G",))

GPU_NODES = NodeKind(
    partition="gpu-linuxlab", cpus=8, memory_mb=16000, gres={"gpu": 2, "gpumem": 80 * 2**30}, count=4, state="idle"
)
CPU_NODES = NodeKind(partition="linuxlab", cpus=16, memory_mb=64000, count=2, state="idle")

SITE = SiteFacts(
    partitions=(
        Partition(name="gpu-linuxlab", is_default=True, max_time_s=14400, qos="perlab"),
        Partition(name="linuxlab", max_time_s=14400),
        Partition(name="night", max_time_s=36000, is_open=False, accounts=("other",)),
    ),
    nodes=(GPU_NODES, CPU_NODES, replace(GPU_NODES, partition="night")),
    associations=(Association(account="lab", qos=("normal", "long"), default_qos="normal"),),
    default_account="lab",
    qos={"perlab": Limits(max_jobs=3, max_submitted_jobs=6), "normal": Limits(), "long": Limits(max_time_s=3600)},
)


def test_a_job_that_fits_gets_the_default_partition_and_no_notes() -> None:
    assert check_and_complete(GPU_JOB, SITE) == (replace(GPU_JOB, partition="gpu-linuxlab"), [])


def test_an_unknown_partition_is_an_error_with_the_nearest_and_the_list() -> None:
    with pytest.raises(ConfigError, match=r"Did you mean 'gpu-linuxlab'.*linuxlab, night"):
        check_and_complete(replace(GPU_JOB, partition="gpu-linuxlap"), SITE)


def test_without_a_default_a_partition_must_be_named() -> None:
    site = replace(SITE, partitions=tuple(replace(one, is_default=False) for one in SITE.partitions or ()))

    with pytest.raises(ConfigError, match=r"Which partition\?.*gpu-linuxlab, linuxlab, night"):
        check_and_complete(GPU_JOB, site)


def test_a_time_above_the_partition_s_is_an_error_because_slurm_would_let_it_wait_for_ever() -> None:
    with pytest.raises(ConfigError, match=r"partition gpu-linuxlab, 240 minutes.*'300 minutes'"):
        check_and_complete(replace(GPU_JOB, time_limit_s=18000), SITE)


def test_a_time_above_the_qos_s_is_an_error_too() -> None:
    with pytest.raises(ConfigError, match="QOS long, 60 minutes"):
        check_and_complete(replace(GPU_JOB, qos="long"), SITE)


def test_a_closed_partition_is_a_note() -> None:
    _, notes = check_and_complete(
        replace(GPU_JOB, partition="night", account="other"), replace(SITE, associations=None)
    )

    assert notes == ["partition night is closed at the moment; jobs will wait"]


def test_with_several_accounts_and_no_default_one_must_be_named() -> None:
    two = (*(SITE.associations or ()), Association(account="thesis"))
    site = replace(SITE, associations=two, default_account="")

    with pytest.raises(ConfigError, match=r"Which account\?.*lab, thesis"):
        check_and_complete(GPU_JOB, site)
    check_and_complete(replace(GPU_JOB, account="thesis"), site)
    check_and_complete(GPU_JOB, replace(site, default_account="lab"))
    check_and_complete(GPU_JOB, replace(SITE, default_account=""))


def test_an_account_that_one_does_not_have_is_an_error() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'lab'"):
        check_and_complete(replace(GPU_JOB, account="labb"), SITE)


def test_a_partition_for_other_accounts_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"may not use partition night.*It is for: other"):
        check_and_complete(replace(GPU_JOB, partition="night"), SITE)


def test_a_qos_that_one_does_not_have_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"no such QOS.*Choices: long, normal"):
        check_and_complete(replace(GPU_JOB, qos="best"), SITE)


def test_gpu_memory_that_is_not_counted_here_is_dropped_with_a_note() -> None:
    bare = replace(GPU_NODES, gres={"gpu": 2})
    fitted, notes = check_and_complete(GPU_JOB, replace(SITE, nodes=(bare,)))

    assert fitted.gres == ()
    assert notes == ["gpumem:20G is not asked for: partition gpu-linuxlab does not count gpumem"]


def test_gpus_in_a_partition_without_any_are_an_error_that_says_where_they_are() -> None:
    with pytest.raises(ConfigError, match="GPUs are in: gpu-linuxlab, night; --gpus 0 asks for none"):
        check_and_complete(replace(GPU_JOB, partition="linuxlab"), SITE)
    check_and_complete(Resources(partition="linuxlab", gpus=0), SITE)


@pytest.mark.parametrize("change", [{"cpus": 9}, {"gpus": 3}, {"gres": ("gpumem:81G",)}, {"memory": "17G"}])
def test_what_no_node_has_is_an_error_that_shows_the_nodes(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="There are 4 with cpu 8, mem 16000M, gpu 2, gpumem 80G"):
        check_and_complete(replace(GPU_JOB, **change), SITE)  # type: ignore[arg-type]


def test_one_job_that_takes_more_than_a_user_s_share_is_an_error() -> None:
    site = replace(SITE, qos={"perlab": Limits(per_user={"gres/gpumem": 10 * 2**30})})

    with pytest.raises(ConfigError, match="gres/gpumem than QOS perlab lets all of your jobs use, 10G: '20G'"):
        check_and_complete(GPU_JOB, site)


def test_the_caps_are_lowered_to_those_of_the_partition_s_qos() -> None:
    fitted, _ = check_and_complete(GPU_JOB, SITE)

    assert lower_caps(4, 0, fitted, SITE) == (
        3,
        6,
        [
            "QOS perlab lets you run 3 jobs at once (jobs per user), so not 4",
            "QOS perlab lets you have 6 jobs, running or waiting",
        ],
    )
    assert lower_caps(2, 4, fitted, SITE) == (2, 4, [])
    assert lower_caps(4, 0, replace(fitted, partition="linuxlab"), SITE) == (4, 0, [])


def test_a_user_s_share_of_cpus_is_a_cap_on_jobs_too() -> None:
    site = replace(SITE, qos={"perlab": Limits(per_user={"cpu": 20})})

    assert lower_caps(4, 0, replace(GPU_JOB, partition="gpu-linuxlab"), site)[0] == 2


def test_limits_of_the_account_count_as_well() -> None:
    site = replace(SITE, associations=(Association(account="lab", limits=Limits(max_jobs=1)),), qos={})

    assert lower_caps(4, 0, GPU_JOB, site)[0] == 1


def test_what_is_not_known_is_not_checked_but_said() -> None:
    nothing = SiteFacts(unknown=("accounts cannot be learned here: sacctmgr is not there",))
    asked = replace(GPU_JOB, partition="anything", account="any", qos="any", time_limit_s=10**6)

    assert check_and_complete(asked, nothing) == (asked, list(nothing.unknown))
    assert lower_caps(4, 0, asked, nothing) == (4, 0, [])
