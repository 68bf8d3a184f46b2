"""Who a process is among ranks, by what torchrun, srun or nobody put into its environment."""

import pytest

from gamefleet.errors import ConfigError
from gamefleet.topologies.ddp.local import rank_environment
from gamefleet.topologies.ddp.ranks import Place, first_node, place_from

STEP = {
    "SLURM_JOB_ID": "1234",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "n[03-05,9]",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.3",
    "SLURMD_NODENAME": "n04",
}


def place(environment: dict[str, str], *, has_address: bool = True) -> Place:
    return place_from(environment, has_address=lambda name: has_address)


def test_without_any_sign_of_others_a_process_is_alone() -> None:
    found = place({"SLURM_JOB_ID": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"})

    assert (found.rank, found.world, found.origin, found.is_first) == (0, 1, "alone", True)


def test_torchruns_variables_count_first() -> None:
    environment = {**STEP, **rank_environment(3, 4, 29_400, {}), "TORCHELASTIC_RUN_ID": "a"}
    found = place(environment)

    assert (found.rank, found.world, found.local_rank, found.origin) == (3, 4, 3, "torchrun")
    assert (found.address, found.port) == ("127.0.0.1", 29_400)
    alone = {name: value for name, value in environment.items() if name[:5] not in ("TORCH", "SLURM")}
    assert place(alone).origin == "environment"


def test_in_a_step_slurms_variables_win_over_those_that_a_shell_left_over() -> None:
    found = place({**STEP, **rank_environment(0, 4, 29_400, {})})
    clean = place(STEP)

    assert (found.rank, found.world, found.origin) == (clean.rank, clean.world, "srun")
    assert (found.address, found.port) == (clean.address, clean.port), "not that of the shell's MASTER_ADDR"
    assert "RANK=0 and WORLD_SIZE=4 are not those of this srun step" in found.note
    same = {"RANK": STEP["SLURM_PROCID"], "WORLD_SIZE": STEP["SLURM_STEP_NUM_TASKS"], "MASTER_ADDR": "n7"}
    assert (place({**STEP, **same}).note, place({**STEP, **same}).address) == ("", "n7")


def test_a_task_of_srun_meets_the_others_at_the_first_node() -> None:
    found = place(STEP)

    assert (found.rank, found.world, found.local_rank, found.host) == (5, 8, 1, "n04")
    assert found.address == "n03"
    assert 20_000 <= found.port < 32_768, "Linux gives those above to whoever connects"
    assert place({**STEP, "SLURM_STEP_ID": "1"}).port != found.port
    assert place({**STEP, "MASTER_ADDR": "a", "MASTER_PORT": "7"}).address == "a"


def test_where_nodes_have_no_addresses_the_one_that_started_the_step_counts() -> None:
    assert place(STEP, has_address=False).address == "10.0.0.3"


def test_variables_that_cannot_be_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="WORLD_SIZE"):
        place({"RANK": "0", "WORLD_SIZE": "two"})
    with pytest.raises(ConfigError, match="WORLD_SIZE"):
        place({"RANK": "0", "WORLD_SIZE": "²"})
    with pytest.raises(ConfigError, match="no such rank"):
        place({"RANK": "2", "WORLD_SIZE": "2"})


@pytest.mark.parametrize(
    ("names", "first"),
    [
        ("n1", "n1"),
        ("n[1-3]", "n1"),
        ("n[07,09]-ib", "n07-ib"),
        ("gpu-a,gpu-b", "gpu-a"),
        ("", ""),
        ("rack[1-2]n[01-16],m1", "rack1n01"),
    ],
)
def test_the_first_of_a_list_of_nodes(names: str, first: str) -> None:
    assert first_node(names) == first
