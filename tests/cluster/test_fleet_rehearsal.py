"""The rehearsal of `make fleet-demo` in its short form, and that its account would find what it looks for."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gamefleet.files import write_json
from gamefleet.testing.fleet_rehearsal_account import Death, cost_of
from gamefleet.testing.fleet_rehearsal_checks import half_files, merged_once, unaccounted
from gamefleet.testing.fleet_rehearsal_laptops import draw
from gamefleet.transport.folder_files import write_chunk
from gamefleet.weights.manifests import MergedInput, Totals, Version
from gamefleet.weights.shared_paths import SharedPaths


@pytest.mark.long
def test_jobs_and_laptops_train_together_while_one_of_each_is_killed(
    repository: Path, tmp_path: Path, require_program: Callable[[str, str], str]
) -> None:
    for program in ("slurmctld", "ssh", "rsync"):
        require_program(program, "make fleet-demo installs it")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "gamefleet.testing.fleet_rehearsal", "--short", "--seed", "7"),
            *("--config", str(repository / "configs" / "smoke.toml"), "--folder", str(tmp_path / "demo")),
        ],
        capture_output=True,
        text=True,
        timeout=1700,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"KILLED job \d+ of red-m\d by scancel, at version \d+", done.stdout)
    assert re.search(r"KILLED (alices|bobs)-laptop by SIGKILL to its \d+ processes", done.stdout)
    assert re.search(r"^  red-m0 +chain of \d+ jobs +[1-9]", done.stdout, re.MULTILINE)
    assert re.search(r"merged versions: [1-9]", done.stdout)
    assert len(re.findall(r"^  ok  ", done.stdout, re.MULTILINE)) == 6
    assert "FAILED" not in done.stdout


def version(number: int, *inputs: tuple[str, int, int], totals: dict[str, Totals] | None = None) -> Version:
    """A merged version of contributions, each a member, a number and its samples."""
    merged = [
        MergedInput(member=member, seq=seq, base=0, samples=samples, updates=1, age=0, weight=1.0, norm=1.0, xxh3="")
        for member, seq, samples in inputs
    ]
    included = {one.member: one.seq for one in merged}
    parent = number - 1
    return Version(
        version=number, lineage="l", parent=parent, kind="merge", inputs=merged, included=included, totals=totals or {}
    )


def test_the_account_finds_work_that_was_merged_twice(tmp_path: Path) -> None:
    line = [version(0), version(1, ("m0", 1, 100)), version(2, ("m0", 1, 100))]

    assert "and in an earlier one" in " ".join(merged_once(line, SharedPaths(tmp_path)))


def test_the_account_finds_sums_that_do_not_add_up(tmp_path: Path) -> None:
    true, false = Totals(samples=100, merges=1), Totals(samples=101, merges=1)

    def troubles(totals: Totals) -> list[str]:
        line = [version(0), version(1, ("m0", 1, 100), totals={"m0": totals})]
        return list(merged_once(line, SharedPaths(tmp_path)))

    assert troubles(true) == []
    assert troubles(false) == ["the account of m0 says 101 samples in 1 merges"]


def test_the_account_misses_what_was_published_before_a_death_and_never_arrived(tmp_path: Path) -> None:
    paths = SharedPaths(tmp_path)
    death = Death(member="laptop", how="laptop by SIGKILL", published={3: 500}, chunks={"e000": 2})
    line = [version(0), version(1, ("laptop", 2, 400))]

    assert len(list(unaccounted([death], line, paths))) == 2
    paths.member("m0").mkdir(parents=True)
    write_json(paths.reading("m0"), {"laptop": {"e000": 2}})
    line.append(version(2, ("laptop", 3, 100)))
    assert list(unaccounted([death], line, paths)) == []


def test_the_account_finds_half_a_chunk_and_half_a_contribution(tmp_path: Path) -> None:
    paths = SharedPaths(tmp_path)
    folder = paths.environment("laptop", 0)
    folder.mkdir(parents=True)
    write_chunk(folder, 0, b"a whole chunk")
    assert list(half_files(paths, is_copy=False)) == []

    [blob] = folder.glob("*.chunk")
    blob.write_bytes(b"a torn chunk!")
    assert list(half_files(paths, is_copy=True)) == ["chunk laptop/e000/0: it fails its checksum"]


def test_what_a_death_cost_is_what_neither_a_checkpoint_nor_the_weights_hold(tmp_path: Path) -> None:
    death = Death(member="laptop", how="laptop by SIGKILL", attempt=1, published={1: 100, 2: 260})
    rows = [
        *({"kind": "attempt_started", "attempt": number, "resumed_step": step} for number, step in ((1, -1), (2, 200))),
        {"kind": "milestone_reached", "milestone": "m", "attempt": 1, "step": 300},
    ]
    events = tmp_path / "events" / "train.jsonl"
    events.parent.mkdir()
    events.write_text("".join(f"{json.dumps(row)}\n" for row in rows) + '{"kind": "att')

    def cost(line: list[Version]) -> tuple[int, int]:
        found = cost_of(death, line, run=tmp_path, chain=None)
        assert found is not None
        return found.repeated, found.lost

    assert cost([version(0), version(1, ("laptop", 1, 100))]) == (100, 100)
    assert cost([version(0), version(1, ("laptop", 2, 260))]) == (100, 40)


def test_a_laptop_behind_the_veil_does_not_see_the_cluster(tmp_path: Path) -> None:
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "weights").write_text("secret")
    veil = draw([tmp_path / "cluster"])
    done = subprocess.run(veil.behind(["ls", "-A", str(tmp_path / "cluster")]), capture_output=True, text=True)

    # A system that lets nobody hide folders says so, and the rehearsal with it.
    assert (done.returncode, done.stdout) == (0, "" if veil.is_drawn else "weights\n")
    assert (tmp_path / "cluster" / "weights").read_text() == "secret"
