"""The folder itself: races of real processes, a full disk, what is removed and what is not, and who is in it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from gamefleet.cli.members import members
from gamefleet.errors import CheckpointError, CorruptCheckpointError, RunFolderError
from gamefleet.weights.content import Content
from gamefleet.weights.manifests import as_json
from gamefleet.weights.members import look
from gamefleet.weights.quarantine import refused
from gamefleet.weights.shared_paths import numbered

Make = Callable[..., Content]
LEARN_AND_SYNC = """
import json, sys, time
from pathlib import Path
import numpy as np
from gamefleet.weights.content import Content
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.member import Member
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

root, name, facts, start = sys.argv[1:]
settings = MergeSettings(wait_s=-1.0, max_norm_ratio=1e9, keep_versions=10_000)
member = Member(SharedStore(SharedPaths(Path(root)), clock=time.time), member=name, settings=settings)
content = Content(arrays={"network/w": np.zeros(50_000, np.float32), "network/one": np.zeros(2, np.float32)})
adoption = member.join(content, SharedFacts(**json.loads(facts)))
content = adoption.content if adoption else content
while not Path(start).exists():
    time.sleep(0.001)
for number in range(1, 26):
    mine = np.array([name == "a", name == "b"], np.float32)
    arrays = {"network/w": content.arrays["network/w"] + 1, "network/one": content.arrays["network/one"] + mine}
    content = Content(arrays=arrays)
    adoption = member.sync(content, step=number, samples=number, updates=number)
    content = adoption.content if adoption else content
    assert np.ptp(content.arrays["network/w"]) == 0, "in a torn read the parts of the big array would differ"
"""
LITTLE_SPACE = """
import json, os, resource, sys, time
from pathlib import Path
import numpy as np
from gamefleet.errors import StorageFullError
from gamefleet.weights.content import Content
from gamefleet.weights.manifests import SharedFacts
from gamefleet.weights.member import Member
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

store = SharedStore(SharedPaths(Path(sys.argv[1])), clock=time.time)
member = Member(store, member="a", settings=MergeSettings(wait_s=-1.0))
content = store.content(0)
member.join(content, SharedFacts(**json.loads(sys.argv[2])))
before = sorted(str(path) for path in Path(sys.argv[1]).rglob("*"))
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    member.sync(content, step=1, samples=1, updates=1)
except StorageFullError as error:
    after = sorted(str(path) for path in Path(sys.argv[1]).rglob("*"))
    new = [path for path in after if path not in before and not path.endswith("/.tmp-clock")]
    print(json.dumps(new))
    sys.exit(error.exit_code)
"""


@pytest.mark.long
def test_two_processes_that_race_make_one_line_of_versions_and_nobody_reads_a_torn_file(fleet, tmp_path: Path) -> None:
    facts, start = json.dumps(dict(as_json(fleet.facts))), tmp_path / "start"
    processes = [
        subprocess.Popen([sys.executable, "-c", LEARN_AND_SYNC, str(fleet.paths.root), name, facts, str(start)])
        for name in "ab"
    ]
    while len(list(fleet.paths.root.glob("members/*/heartbeat.json"))) < 2:
        assert [process.poll() for process in processes] == [None, None]
        time.sleep(0.05)
    start.touch()
    assert [process.wait(300) for process in processes] == [0, 0]

    store = fleet.store()
    numbers = numbered(fleet.paths.merged)
    assert numbers == list(range(len(numbers))), "no version is missing"
    included = {"a": 0, "b": 0}
    for number in numbers[1:]:
        version = store.version(number)
        assert version.parent == number - 1
        for one in version.inputs:
            assert one.seq > included[one.member]
            included[one.member] = one.seq
        store.content(number)
    blobs = list(fleet.paths.merged.glob("*.safetensors"))
    assert len(blobs) == len(numbers), "whoever lost a race removed its blob"
    assert refused(fleet.paths).seqs == {}
    # Every update of a member adds a one to its place: nothing is in it that the manifests do not name.
    assert all(one.updates <= 25 for one in store.head().totals.values())
    gained = dict.fromkeys("ab", 0.0)
    for number in numbers[1:]:
        for one in store.version(number).inputs:
            gained[one.member] += one.weight * one.updates
    np.testing.assert_allclose(store.content(numbers[-1]).arrays["network/one"], [gained["a"], gained["b"]], rtol=1e-4)


def test_a_full_disk_leaves_the_folder_as_it_was(fleet, network: Make) -> None:
    fleet.joined(["a"], network(0, 2000))
    fleet.make_old(1e6, "members/*/heartbeat.json")
    command = [sys.executable, "-c", LITTLE_SPACE, str(fleet.paths.root), json.dumps(dict(as_json(fleet.facts)))]

    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    assert (result.returncode, result.stderr) == (4, "")
    assert json.loads(result.stdout) == []


def test_a_creator_that_stopped_half_way_is_finished_by_the_next(fleet, network: Make) -> None:
    fleet.joined(["a"], network())
    lineage = fleet.store().facts().lineage
    fleet.paths.shared.unlink()

    other = fleet.learner("b", network(9))
    other.join()

    assert fleet.store().facts().lineage == lineage
    assert other.content.has_same_bits(network())


def test_the_head_is_the_newest_version_whose_files_are_whole(fleet, network: Make) -> None:
    learner = fleet.joined(["a"], network())[0]
    for _ in range(3):
        learner.learn({"network/w": 0.1})
        learner.sync()
    store = fleet.store()
    newest = fleet.paths.merged / store.head().blob.name
    data = newest.read_bytes()
    newest.write_bytes(data[:100])
    assert fleet.store().head().version == 2
    newest.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    fresh = fleet.store()
    with pytest.raises(CorruptCheckpointError, match="fails its checksum"):
        fresh.content(3)
    assert fresh.head().version == 2
    fleet.paths.version(2).write_text("{")
    assert fleet.store().newest()[0].version == 1
    late = fleet.learner("b", network())
    late.join()
    assert late.member.version == 1
    late.learn({"network/w": 0.1})
    late.sync()
    assert late.member.version == 1, "the newer ones may still be on their way"
    fleet.make_old(700, "merged/*.json")
    late.sync()
    assert late.member.version == 4, "numbers that were used are not used again"


def test_a_version_that_is_gone_says_so(fleet, network: Make) -> None:
    fleet.joined(["a"], network())
    with pytest.raises(CheckpointError, match="is not in the shared folder: 5 "):
        fleet.store().content(5)
    assert fleet.store().find_content(5) is None


def test_nothing_young_is_removed_and_nothing_that_somebody_still_needs(fleet, network: Make, fast_disk: None) -> None:
    settings = replace(fleet.at_once, keep_versions=3, grace_s=600.0, max_norm_ratio=1e9)
    one, slow = fleet.joined(["a", "b"], network(), settings)
    for _ in range(4):
        one.learn({"network/w": 0.1})
        one.sync()
    slow.sync()
    for _ in range(8):
        one.learn({"network/w": 0.1})
        one.sync()
    store = fleet.store()
    orphan = fleet.paths.merged / "000002-0123456789ab.safetensors"
    orphan.write_bytes(b"x")
    (fleet.paths.merged / ".tmp-crashed").write_bytes(b"x")
    before = fleet.files()

    assert store.collect_garbage("a", settings, is_home=True) == 0
    fleet.make_old(601)
    assert store.collect_garbage("a", settings, is_home=False) > 0
    assert numbered(fleet.paths.merged) == list(range(13)), "a copy leaves merged versions to their home"
    store.collect_garbage("a", settings, is_home=True)

    assert numbered(fleet.paths.merged) == [4, 10, 11, 12], "the newest, and the one that b goes on from"
    assert len(list(fleet.paths.merged.glob("*.safetensors"))) == 4
    assert not orphan.exists()
    assert numbered(fleet.paths.weights("a")) == []
    assert {name for name in before if name.startswith("members/b")} <= set(fleet.files())
    one.learn({"network/w": 0.1})
    one.sync()
    assert store.head().included["a"] == 13, "numbers go on"
    slow.learn({"network/w": 0.1})
    slow.sync()
    assert store.head().included == {"a": 13, "b": 1}


def test_what_another_member_left_lying_about_goes_later(fleet, network: Make) -> None:
    one, gone = fleet.joined(["a", "gone"], network())
    gone.learn({"network/w": 0.1})
    gone.sync()
    one.sync()
    fleet.make_old(700)
    fleet.store().collect_garbage("a", one.member.settings, is_home=True)
    assert numbered(fleet.paths.weights("gone")) == [1]
    fleet.make_old(700)
    fleet.store().collect_garbage("a", one.member.settings, is_home=True)
    assert numbered(fleet.paths.weights("gone")) == []


def test_the_list_of_members_says_what_everybody_gave_and_why_something_was_refused(fleet, network: Make) -> None:
    one, other = fleet.joined(["a", "b"], network())
    one.learn({"network/w": 0.1})
    one.sync()
    other.learn({"network/w": np.nan})
    other.sync()
    now = time.time()
    os.utime(fleet.paths.heartbeat("a"), (now - 40, now - 40))

    first, second = look(fleet.store(), now=now)

    assert (first.member, first.kind, first.version, round(first.heartbeat_age_s)) == ("a", "learner", 1, 40)
    assert (first.samples, first.updates, first.merges, first.rejected) == (100, 1, 1, 0)
    assert (second.merges, second.rejected, second.is_quarantined) == (0, 1, False)
    assert "not finite" in second.last_reason


def run_command(*arguments: object):
    app = typer.Typer()
    app.command()(members)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_prints_a_table_or_json_and_releases(fleet, network: Make) -> None:
    one = fleet.joined(["a"], network())[0]
    one.learn({"network/w": 0.1})
    one.sync()
    fleet.paths.quarantine("a").write_text('{"member": "a", "seq": 0, "reason": "by hand"}')

    text = run_command("--shared-dir", fleet.paths.root).output
    assert "red (toy), merged version 1" in text
    assert "a       learner" in text
    assert "until `--release a`" in text
    found = json.loads(run_command("--shared-dir", fleet.paths.root, "--json", "--release", "a").output)
    assert found["version"] == 1
    assert (found["members"][0]["samples"], found["members"][0]["is_quarantined"]) == (100, False)
    error = run_command("--shared-dir", fleet.paths.root / "none").exception
    assert isinstance(error, RunFolderError)
    assert "no shared folder of a fleet" in str(error)
