"""What a real SLURM says of itself is found, and a job is held against it before it is submitted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gamefleet.cluster.commands import CommandRunner, Finished
from gamefleet.cluster.detect import check_and_complete, detect, lower_caps
from gamefleet.cluster.jobs import Resources
from gamefleet.cluster.profile import load_profile, resources
from gamefleet.errors import ConfigError, MissingDependencyError
from gamefleet.testing.local_slurm import LocalSlurm


@pytest.fixture
def two_accounts(slurm_with_accounts: LocalSlurm) -> Iterator[None]:
    """The user has another account, and a QOS that allows more there."""
    user = slurm_with_accounts.run("id", "-un")
    change = ("sacctmgr", "-i", "-Q")
    slurm_with_accounts.run(*change, "add", "account", "thesis")
    slurm_with_accounts.run(*change, "add", "user", user, "account=thesis")
    yield
    slurm_with_accounts.run(*change, "delete", "user", user, "account=thesis")
    slurm_with_accounts.run(*change, "delete", "account", "thesis")


def test_the_guide_s_job_fits_and_gets_the_default_partition(slurm_with_accounts: LocalSlurm) -> None:
    facts = detect(slurm_with_accounts.environment)
    asked = resources(load_profile(environment={}, folder=Path("/")))

    fitted, notes = check_and_complete(asked, facts)

    assert facts.unknown == ()
    assert (fitted.partition, fitted.gres, notes) == ("gpu-linuxlab", ("gpumem:20G",), [])
    assert lower_caps(6, 0, fitted, facts)[:2] == (4, 8)


def test_the_user_s_accounts_and_the_default_one_are_found(slurm_with_accounts: LocalSlurm, two_accounts: None) -> None:
    facts = detect(slurm_with_accounts.environment)

    assert {"lab", "thesis"} <= {association.account for association in facts.associations or ()}
    assert facts.default_account == "lab"
    check_and_complete(Resources(account="thesis"), facts)
    with pytest.raises(ConfigError, match="Did you mean 'thesis'"):
        check_and_complete(Resources(account="thesiss"), facts)


def test_without_accounting_accounts_are_unknown_and_the_rest_is_checked(slurm: LocalSlurm) -> None:
    facts = detect(slurm.environment)

    fitted, notes = check_and_complete(Resources(), facts)
    assert fitted.partition == "gpu-linuxlab"
    assert any(note.startswith("accounts cannot be learned here") for note in notes)
    with pytest.raises(ConfigError, match="would wait for ever"):
        check_and_complete(Resources(time_limit_s=5 * 3600), facts)
    with pytest.raises(ConfigError, match="Choices: gpu-linuxlab, linuxlab"):
        check_and_complete(Resources(partition="nowhere"), facts)


def test_more_gpu_memory_than_a_node_has_is_refused_before_slurm_sees_it(slurm: LocalSlurm) -> None:
    with pytest.raises(ConfigError, match=r"No node of partition gpu-linuxlab.*gpumem 81G.*gpumem 80G"):
        check_and_complete(Resources(gres=("gpumem:81G",)), detect(slurm.environment))


def test_generic_resources_that_slurm_does_not_know_are_dropped(slurm: LocalSlurm) -> None:
    fitted, notes = check_and_complete(Resources(gres=("vram:20G",)), detect(slurm.environment))

    assert fitted.gres == ()
    assert any("vram:20G is not asked for" in note for note in notes)


def test_sources_that_do_not_answer_leave_their_facts_open(slurm: LocalSlurm) -> None:
    real = CommandRunner(slurm.environment)

    def without_scontrol(words: Sequence[str], *, timeout_s: float = 30.0) -> Finished:
        if words[0] == "scontrol":
            return Finished(status=1, out="", err="slurm_load_partitions: Unable to contact slurm controller")
        return real(words, timeout_s=timeout_s)

    facts = detect(slurm.environment, without_scontrol)

    assert facts.partitions is None
    assert facts.nodes
    assert any("SLURM's controller does not answer" in sentence for sentence in facts.unknown)
    assert check_and_complete(Resources(partition="not-checked", gpus=0), facts)[0].partition == "not-checked"


def test_a_machine_without_slurm_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="login node"):
        detect({**os.environ, "PATH": str(tmp_path)})
