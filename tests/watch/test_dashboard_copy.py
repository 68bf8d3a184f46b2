"""`gamefleet dashboard HOST:DIR` over a real SSH server: what is copied, what is not, and what the pages say of it."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.waiting import until
from tests.watch.run_folders import hold, make_run

from gamefleet.cli.dashboard_copy import Copying, copy_folder, is_remote
from gamefleet.cluster.mirror import Mirror, siblings
from gamefleet.cluster.ssh import LongPrograms, parse_remote
from gamefleet.runs.metrics import MetricsWriter, read_metrics
from gamefleet.testing.local_ssh import LocalSsh
from gamefleet.watch.answers import Answers
from gamefleet.watch.providers import Providers
from gamefleet.watch.site import CopyState, Site, as_json


@pytest.fixture
def host(tmp_path: Path, require_program: Callable[[str, str], str]) -> Iterator[LocalSsh]:
    require_program("ssh", "apt-get install openssh-client")
    require_program("rsync", "apt-get install rsync")
    require_program("/usr/sbin/sshd", "apt-get install openssh-server")
    folder = tmp_path / "sshd"
    folder.mkdir(mode=0o700)
    with LocalSsh(folder) as server:
        yield server


def copying_of(host: LocalSsh, folder: Path, tmp_path: Path) -> Copying:
    remote = parse_remote(f"{host.host}:{folder}")
    local = copy_folder({"XDG_CACHE_HOME": str(tmp_path / "cache")}, remote.login, remote.folder)
    return Copying(
        mirror=Mirror(remote=remote, local=local),
        state=CopyState(origin=str(remote)),
        runner=LongPrograms({"PATH": "/usr/bin:/bin:/usr/sbin"}),
        ssh_config=host.config,
        interval_s=0.2,
    )


def names_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.long
def test_a_copy_has_what_people_look_at_and_follows_the_run(host: LocalSsh, tmp_path: Path) -> None:
    runs = tmp_path / "it's there" / "runs"
    paths = make_run(runs / "red")
    hold(paths)
    (paths.media / "best.png").write_bytes(b"picture")
    for name in ("checkpoints/step-000000500/model.safetensors", "checkpoints/step-000000500/replay/block.zst"):
        (paths.root / name).parent.mkdir(parents=True, exist_ok=True)
        (paths.root / name).write_bytes(b"x" * 1000)
    copying = copying_of(host, runs, tmp_path)
    copying.start()
    try:
        until(lambda: copying.state.copied_at > 0)
        found = names_below(copying.mirror.local)
        assert {"red/manifest.json", "red/state.json", "red/metrics/train.jsonl", "red/media/best.png"} <= found
        assert not [name for name in found if "checkpoints" in name or "replay" in name]

        with MetricsWriter(paths.metrics("train"), attempt=2, resumed_step=300) as writer:
            writer.write(310, {"start/return": -7.0})
        copied = copying.mirror.local / "red" / "metrics" / "train.jsonl"
        until(lambda: copied.read_bytes() == paths.metrics("train").read_bytes())
        assert read_metrics(copied).curve("start/return")[-1] == (310, -7.0)

        answers = Answers(Site(folders=[copying.mirror.local], copy=copying.state), Providers())
        answers.site.scan()
        for view in answers.site.views:
            view.look()
            while view.read_on():
                pass
        assert answers.now("red")["state"] == "training"  # the sign of life kept its time
        assert as_json(answers.site)["copy"]["from"].endswith("/runs")
    finally:
        copying.close()


@pytest.mark.long
def test_a_host_that_is_gone_is_told_and_the_copy_stays(host: LocalSsh, tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "red")
    copying = copying_of(host, tmp_path / "runs" / "red", tmp_path)
    copying.start()
    try:
        until(lambda: copying.state.copied_at > 0)
        first = copying.state.copied_at
        shutil.move(tmp_path / "runs", tmp_path / "moved")
        until(lambda: bool(copying.state.error))
        assert "There is no such folder" in copying.state.error
        assert (copying.mirror.local / "state.json").exists()
        shutil.move(tmp_path / "moved", tmp_path / "runs")
        until(lambda: not copying.state.error and copying.state.copied_at > first)
    finally:
        copying.close()


@pytest.mark.long
def test_runs_of_a_fleet_of_several_chains_are_copied_beside_it(host: LocalSsh, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for name in ("red-m0", "red-m1", "other"):
        make_run(runs / name)
    chains = [{"member": f"m{at}", "run_folder": str(runs / f"red-m{at}")} for at in range(2)]
    (runs / "red" / "fleet" / "m0" / "legs" / "0001").mkdir(parents=True)
    (runs / "red" / "fleet" / "m0" / "legs" / "0001" / "leg.json").write_text("{}")
    (runs / "red" / "fleet" / "fleet.json").write_text(json.dumps({"chains": chains}))
    copying = copying_of(host, runs / "red", tmp_path)
    copying.start()
    try:
        until(lambda: copying.state.copied_at > 0)
        local = copying.mirror.local
        assert names_below(local) == {"fleet/fleet.json", "fleet/m0/legs/0001/leg.json"}
        site = Site(folders=[local], copy=copying.state)
        site.scan()
        assert [(view.id, view.member) for view in site.views] == [("red-m0", "m0"), ("red-m1", "m1")]
        assert not (local.parent / "other").exists()
    finally:
        copying.close()


def test_a_run_does_not_look_dead_because_its_copy_is_old(tmp_path: Path) -> None:
    hold(make_run(tmp_path / "red"))
    hours = 7200.0
    later = time.time() + hours
    for copy, state in ((CopyState(origin="host:runs", copied_at=later - hours), "training"), (None, "interrupted")):
        answers = Answers(Site(folders=[tmp_path], copy=copy, clock=lambda: later), Providers())
        answers.site.scan()
        answers.site.views[0].look()
        assert answers.now("red")["state"] == state


def test_names_in_a_fleets_file_lead_nowhere_else(tmp_path: Path) -> None:
    local = tmp_path / "red"
    (local / "fleet").mkdir(parents=True)
    told = ["/a/../../etc", "/a/-e sh", "/a/..", "", "/a/.ssh", "/a/red-m0", 7, None, "/a/x y-m1"]
    (local / "fleet" / "fleet.json").write_text(json.dumps({"chains": [{"run_folder": name} for name in told] + [3]}))

    assert siblings(local) == ["red-m0"]


def test_two_folders_never_have_one_copy() -> None:
    environment = {"HOME": "/home/USER"}
    texts = ["h:runs", "h:/runs", "u@h:runs", "h:runs/red", "h:../runs", "h:.", "h:a_b", "h:a/b"]
    folders = [copy_folder(environment, *text.split(":")) for text in texts]

    assert len(set(folders)) == len(folders)
    assert all(
        folder.is_relative_to("/home/USER/.cache/gamefleet/mirrors") and ".." not in folder.parts for folder in folders
    )


def test_what_names_another_machine_is_told_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "odd:name").mkdir()

    assert is_remote("USER@login.cluster.example.edu:runs")
    assert is_remote("host:/scratch/runs")
    assert not is_remote("runs/red")
    assert not is_remote("./a:b")
    assert not is_remote(str(tmp_path / "odd:name"))
