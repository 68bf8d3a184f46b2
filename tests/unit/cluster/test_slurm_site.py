"""What a real SLURM said of its site is read; other spellings are from its manual."""

from __future__ import annotations

from pathlib import Path

import pytest

from gamefleet.cluster.slurm.site import (
    NodeKind,
    parse_associations,
    parse_default_account,
    parse_duration_s,
    parse_gres,
    parse_nodes,
    parse_partitions,
    parse_qos,
    parse_size,
    parse_tres,
)


@pytest.fixture(scope="module")
def golden(repository: Path) -> Path:
    return repository / "tests" / "golden" / "slurm"


def test_partitions_have_limits_a_default_and_a_state(golden: Path) -> None:
    found = {found.name: found for found in parse_partitions((golden / "scontrol-partition.txt").read_text())}

    assert list(found) == ["gpu-linuxlab", "linuxlab", "closed"]
    assert [name for name, partition in found.items() if partition.is_default] == ["gpu-linuxlab"]
    assert [name for name, partition in found.items() if not partition.is_open] == ["closed"]
    assert found["linuxlab"].max_time_s == 4 * 3600
    assert found["closed"].max_time_s == float("inf")
    assert (found["linuxlab"].qos, found["closed"].qos) == ("perlab", "")


def test_a_partition_may_be_for_some_accounts_only() -> None:
    (partition,) = parse_partitions("PartitionName=p\n   AllowGroups=ALL AllowAccounts=lab,other AllowQos=ALL\n")

    assert partition.accounts == ("lab", "other")


def test_nodes_have_cpus_memory_and_generic_resources(golden: Path) -> None:
    nodes = parse_nodes((golden / "sinfo.txt").read_text())

    assert {node.partition for node in nodes} == {"gpu-linuxlab", "linuxlab", "closed"}
    assert sum(node.count for node in nodes if node.partition == "linuxlab") == 4
    assert nodes[0] == NodeKind(
        partition="gpu-linuxlab",
        cpus=8,
        memory_mb=16000,
        gres={"gpu": 2, "gpumem": 80 * 2**30},
        count=nodes[0].count,
        state=nodes[0].state,
    )


def test_limits_of_a_qos_are_read_and_missing_ones_are_none(golden: Path) -> None:
    found = parse_qos((golden / "sacctmgr-qos.txt").read_text())

    assert (found["perlab"].max_jobs, found["perlab"].max_submitted_jobs) == (5, 14)
    assert found["perlab"].max_time_s == 5 * 3600
    assert found["perlab"].per_user == {"cpu": 64}
    assert (found["normal"].max_jobs, found["normal"].max_time_s, found["normal"].per_user) == (None, None, {})


def test_accounts_and_the_default_one_are_read(golden: Path) -> None:
    found = parse_associations((golden / "sacctmgr-assoc.txt").read_text())

    assert {association.account for association in found} == {"lab", "USER"}
    assert found[0].qos == ("normal",)
    assert parse_default_account((golden / "sacctmgr-user.txt").read_text()) == "lab"
    assert parse_default_account("USER|\n") == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpu:2,gpumem:80G", {"gpu": 2, "gpumem": 80 * 2**30}),
        ("gpu:a100:2(S:0-1)", {"gpu": 2}),
        ("gpu:a100:2(S:0-1),gpu:v100:1", {"gpu": 3}),
        ("gpu:a100", {"gpu": 1}),
        ("gpu", {"gpu": 1}),
        ("(null)", {}),
        ("", {}),
    ],
)
def test_generic_resources_are_counted(text: str, expected: dict[str, int]) -> None:
    assert parse_gres(text) == expected


def test_trackable_resources_are_counted() -> None:
    assert parse_tres("cpu=64,mem=100G,gres/gpu=4") == {"cpu": 64, "mem": 100 * 1024, "gres/gpu": 4}
    assert parse_tres("mem=500M") == {"mem": 500}
    assert parse_tres("") == {}


@pytest.mark.parametrize(
    ("text", "expected"), [("16G", 16 * 2**30), ("1.5K", 1536), ("3", 3), ("4000Mn", 4000 * 2**20), ("much", None)]
)
def test_sizes_are_read(text: str, expected: int | None) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4:00:00", 14400),
        ("1-00:00:00", 86400),
        ("1-12", 36 * 3600),
        ("1-12:30", 36.5 * 3600),
        ("90", 5400),
        ("90:30", 5430),
        ("UNLIMITED", None),
        ("infinite", None),
        ("", None),
    ],
)
def test_times_are_read(text: str, expected: float | None) -> None:
    assert parse_duration_s(text) == expected
