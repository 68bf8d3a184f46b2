"""Two Unix users share one folder: real users, real learners, whatever their umask; a third one sees nothing.

Users and a group are made for this module and removed again, which takes root. The interpreter and the checkout may lie
in a folder that only root can enter: then the users' processes get a mount name space of their own, in which the way to
both is open and everything else in that folder is hidden.
"""

from __future__ import annotations

import grp
import json
import os
import pwd
import secrets
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.waiting import until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("two-users")]

NAMES = ("alice", "bob", "carol")
UMASKS = {"alice": 0o077, "bob": 0o022, "carol": 0o022}

ENTER = """
import json, os, subprocess, sys

plan = json.loads(sys.argv[1])
os.umask(0o022)
for source, stage in plan["parts"]:
    subprocess.run(["mount", "--bind", source, stage], check=True)
for top in plan["tops"]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", top], check=True)
for source, stage in plan["parts"]:
    os.makedirs(source, exist_ok=True)
    subprocess.run(["mount", "--bind", stage, source], check=True)
os.umask(plan["umask"])
os.setgroups(plan["groups"])
os.setgid(plan["gid"])
os.setuid(plan["uid"])
os.chdir(plan["home"])
os.execvp(sys.argv[2], sys.argv[2:])
"""

SETTINGS: dict[str, Any] = {
    "game": {"max_episode_steps": 60},
    "network": {"hidden_size": 16, "head_size": 8, "encoder": {"features": 16}},
    "learner": {"batch_size": 4, "num_steps": 3, "learning_starts_steps": 60, "replay_ratio": 2.0},
    "curiosity": {"enabled": False},
    "replay": {"capacity_steps": 1_000, "unroll": 8, "burn_in": 4},
    "actors": {"num_envs": 2, "num_workers": 0, "refresh_every_steps": 5},
    "run": {"device": "cpu", "total_steps": 100_000_000},
    "collaboration": {
        "enabled": True,
        "sync_interval_updates": 2,
        "accept_experience": False,
        "gate": {"every_versions": 0},
        "merge": {"wait_s": 1.0},
    },
}

COLLECT = """
import sys, time
from pathlib import Path
from gamefleet.weights.settings import MergeSettings
from gamefleet.weights.shared_paths import SharedPaths
from gamefleet.weights.store import SharedStore

store = SharedStore(SharedPaths(Path(sys.argv[1])), clock=time.time)
time.sleep(0.05)
store.collect_garbage("bob", MergeSettings(grace_s=0.0, keep_versions=1, max_age_versions=0), is_home=True)
"""

RACE = """
import os, sys, time
from pathlib import Path
from gamefleet.files import create_once, make_folder

folder, end = Path(sys.argv[1]), time.monotonic() + 300
make_folder(folder)
create_once(folder / f"ready-{os.getuid()}", {})
while len(list(folder.glob("ready-*"))) < 2 and time.monotonic() < end:
    time.sleep(0.001)
# From both ends: they meet somewhere, and each makes some.
numbers = range(200) if sys.argv[2] == "up" else range(199, -1, -1)
print(*(number for number in numbers if create_once(folder / f"{number}.json", {"by": os.getuid()})))
"""

LINK = "import os, sys; os.link(sys.argv[1], sys.argv[2])"


@dataclass(slots=True)
class People:
    """Users of this machine and the folder that is theirs.

    Args:
        folder: Everybody may enter it.
        group: Of alice and bob.
        logins: Login by name.
        hidden: Folders that the users' processes need but cannot reach, each with a stage.
        tops: The closed folders on the way to them.
    """

    folder: Path
    group: str
    logins: dict[str, str]
    hidden: list[tuple[str, str]] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)

    def home(self, name: str) -> Path:
        return self.folder / name

    def command(self, name: str, words: tuple[object, ...]) -> list[str]:
        """What root runs to have a user run something."""
        entry = pwd.getpwnam(self.logins[name])
        plan = {
            "parts": self.hidden,
            "tops": self.tops,
            "umask": UMASKS[name],
            "groups": os.getgrouplist(entry.pw_name, entry.pw_gid),
            "gid": entry.pw_gid,
            "uid": entry.pw_uid,
            "home": str(self.home(name)),
        }
        own_space = ["unshare", "--mount", "--propagation", "private"] if self.hidden else []
        return [*own_space, sys.executable, "-c", ENTER, json.dumps(plan), *map(str, words)]

    def environment(self, name: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "SYNC_", "GAMEFLEET_"))}
        own = {"HOME": str(self.home(name)), "USER": self.logins[name], "LOGNAME": self.logins[name]}
        return {**kept, **own, "TMPDIR": str(self.home(name)), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "1000"}

    def start(self, name: str, *words: object, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(name, words),
            env=self.environment(name),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, name: str, *words: object, statuses: tuple[int, ...] = (0,)) -> str:
        """Have a user run something to its end; returns what it said."""
        with self.start(name, *words) as process:
            said, _ = process.communicate(timeout=300)
        assert process.returncode in statuses, f"{name}: {words}: {process.returncode}\n{said}"
        assert "Traceback" not in said, said
        return said

    def gamefleet(self, name: str, *words: object, statuses: tuple[int, ...] = (0,)) -> str:
        return self.run(name, sys.executable, "-m", "gamefleet.cli.main", *words, statuses=statuses)

    def examine(self, name: str, folder: Path) -> dict[str, Any]:
        """What `doctor` tells a user of who may use a shared folder."""
        words = ("doctor", "--json", "--only", "fleet-folder", "--shared-dir", folder)
        (check,) = json.loads(self.gamefleet(name, *words, statuses=(0, 1)))["checks"]
        return dict(check)


def is_open(folder: Path) -> bool:
    return folder.stat().st_mode & 0o005 == 0o005


def first_closed(path: Path) -> Path | None:
    """The uppermost folder on the way to a path, itself included, that not everybody may enter."""
    return next((place for place in reversed((path, *path.parents)) if not is_open(place)), None)


def parts_of(tree: Path) -> Iterator[Path]:
    """A folder, or in its place those in it where it is closed itself."""
    if is_open(tree):
        yield tree
        return
    for inner in tree.iterdir():
        if inner.is_dir() and not inner.is_symlink():
            yield from parts_of(inner)


def open_way(people: People, trees: list[Path]) -> None:
    """Plan a name space in which everybody reaches some folders that only root can reach."""
    closed = {tree: top for tree in trees if (top := first_closed(tree))}
    parts = {part for tree in closed for part in parts_of(tree)}
    parts = {part for part in parts if not parts & set(part.parents)}
    people.tops = [str(top) for top in sorted(set(closed.values())) if not set(closed.values()) & set(top.parents)]
    for number, part in enumerate(sorted(parts)):
        stage = people.folder / "stages" / str(number)
        stage.mkdir(parents=True)
        people.hidden.append((str(part), str(stage)))


def give_up(reason: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def people(repository: Path, require_program: Callable[[str, str], str]) -> Iterator[People]:
    if os.geteuid() != 0:
        give_up(f"this makes users; as root: {sys.executable} -m pytest tests/cluster/test_two_users.py")
    for program, package in (("useradd", "passwd"), ("groupadd", "passwd"), ("unshare", "util-linux")):
        require_program(program, f"apt-get install {package}")
    mark = secrets.token_hex(3)
    # In memory where that is possible: a disk that is busy with other tests makes each small file take a second.
    places = [place for name in ("/dev/shm", tempfile.gettempdir(), "/var/tmp") if (place := Path(name)).is_dir()]
    base = next(place for place in places if first_closed(place) is None)
    folder = Path(tempfile.mkdtemp(prefix="gamefleet-users-", dir=base))
    folder.chmod(0o755)
    found = People(folder=folder, group=f"gf{mark}", logins={name: f"gf{mark}{name}" for name in NAMES})
    try:
        subprocess.run(["groupadd", found.group], check=True)
        for name in NAMES:
            more = ["-G", found.group] if name != "carol" else []
            subprocess.run(["useradd", "-M", "-U", *more, "-d", found.home(name), found.logins[name]], check=True)
            found.home(name).mkdir(mode=0o700)
            shutil.chown(found.home(name), found.logins[name], found.logins[name])
        open_way(found, [Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve(), repository])
        yield found
    finally:
        for name in NAMES:
            subprocess.run(["userdel", found.logins[name]], capture_output=True)
        subprocess.run(["groupdel", found.group], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def shared(people: People) -> Path:
    """A folder as one makes it for a group: `mkdir`, `chgrp`, `chmod 2770`, by alice."""
    place = people.folder / "shared"
    place.mkdir()
    shutil.chown(place, people.logins["alice"], people.logins["alice"])
    text = f"chgrp {people.group} {shlex.quote(str(place))} && chmod 2770 {shlex.quote(str(place))}"
    people.run("alice", "sh", "-c", text)
    return place


def start_learner(people: People, name: str, run: str, shared: Path) -> subprocess.Popen[str]:
    home = people.home(name)
    (home / "small.yaml").write_text(yaml.safe_dump(SETTINGS))
    (home / "small.yaml").chmod(0o644)
    words = ("--config", home / "small.yaml", "--run", run, "--no-video", "--seed", str(NAMES.index(name)))
    sets = ("--set", f"collaboration.shared_dir={shared}", "--set", f"run.runs_folder={home / 'runs'}")
    with open(people.folder / f"{run}.log", "w") as log:
        command = (sys.executable, "-m", "gamefleet.cli.main", "train", "pokemon_red", *words, *sets)
        return people.start(name, *command, output=log.fileno())


def merges(shared: Path) -> set[tuple[str, str]]:
    """Who merged a contribution of whom."""
    found = set()
    for path in (shared / "merged").glob("*.json"):
        with suppress(OSError, ValueError):
            version = json.loads(path.read_text())
            found |= {(version["merged_by"], one["member"]) for one in version["inputs"]}
    return found


def is_merged(shared: Path) -> bool:
    """Whether each has merged what the other contributed."""
    return {("alice", "bob"), ("bob", "alice")} <= merges(shared)


@pytest.fixture(scope="module")
def trained(people: People, shared: Path) -> Path:
    """The shared folder after both trained at the same time until each had merged what the other contributed."""
    learners = {name: start_learner(people, name, name, shared) for name in ("alice", "bob")}
    logs = {name: people.folder / f"{name}.log" for name in learners}
    try:
        until(
            lambda: is_merged(shared) or any(learner.poll() is not None for learner in learners.values()),
            lambda: (merges(shared), [log.read_text()[-2000:] for log in logs.values()]),
            timeout_s=600,
            poll_s=0.2,
        )
        for name, learner in learners.items():
            assert learner.poll() is None, logs[name].read_text()
        for learner in learners.values():
            learner.send_signal(signal.SIGINT)
        for name, learner in learners.items():
            assert learner.wait(timeout=300) == 0, logs[name].read_text()
            assert "Traceback" not in logs[name].read_text()
    finally:
        for learner in learners.values():
            learner.kill()
            learner.wait()
    return shared


def owned_by(people: People, name: str, folder: Path) -> set[str]:
    number = pwd.getpwnam(people.logins[name]).pw_uid
    return {path.name for path in folder.iterdir() if path.stat().st_uid == number and path.is_file()}


def test_each_merges_what_the_other_contributed_and_nothing_is_refused(trained: Path) -> None:
    assert {("alice", "bob"), ("bob", "alice")} <= merges(trained)
    assert list((trained / "merged" / "rejected").iterdir()) == []


def test_all_that_they_write_is_for_the_group_and_for_nobody_else_whatever_their_umask(
    people: People, trained: Path
) -> None:
    group = grp.getgrnam(people.group).gr_gid
    found = {path: path.lstat() for path in trained.rglob("*") if not path.name.startswith(".")}
    assert {name for path, facts in found.items() for name in people.logins.values() if is_of(facts, name)} == {
        people.logins["alice"],
        people.logins["bob"],
    }
    assert {path: facts.st_gid for path, facts in found.items() if facts.st_gid != group} == {}
    wanted = {True: 0o2770, False: 0o660}
    wrong = {
        path: stat.filemode(facts.st_mode)
        for path, facts in found.items()
        if stat.S_IMODE(facts.st_mode) != wanted[stat.S_ISDIR(facts.st_mode)]
    }
    assert wrong == {}


def is_of(facts: os.stat_result, login: str) -> bool:
    return facts.st_uid == pwd.getpwnam(login).pw_uid


def test_a_user_outside_the_group_can_read_nothing_and_is_told_how_to_get_in(people: People, trained: Path) -> None:
    assert "Permission denied" in people.run("carol", "ls", trained, statuses=(1, 2))
    for path in (trained / "shared.json", trained / "merged" / "000000.json"):
        assert "Permission denied" in people.run("carol", "cat", path, statuses=(1,))
    assert "says what its owner must type" in people.gamefleet(
        "carol", "members", "--shared-dir", trained, statuses=(4,)
    )
    told = people.examine("carol", trained)
    assert told["status"] == "failed"
    assert f"usermod -aG {people.group} {people.logins['carol']}" in told["remedy"]


def test_doctor_finds_the_folder_in_order_until_somebody_copies_a_file_into_it_by_hand(
    people: People, trained: Path
) -> None:
    for name in ("alice", "bob"):
        assert people.examine(name, trained)["status"] == "ok"
    stray = trained / "members" / "alice" / "weights" / "000999-0123456789ab.safetensors"
    people.run("alice", "sh", "-c", f"echo stray > {stray}")
    told = people.examine("bob", trained)
    assert told["status"] == "failed"
    assert f"{stray} of {people.logins['alice']} has the permissions -rw-------" in told["found"]
    people.run("alice", "rm", stray)


def test_of_two_users_one_makes_each_name_and_each_may_link_the_others_files(people: People, trained: Path) -> None:
    ways = {"alice": "up", "bob": "down"}
    racers = {name: people.start(name, sys.executable, "-c", RACE, trained / "race", way) for name, way in ways.items()}
    made = {name: set(racer.communicate(timeout=300)[0].split()) for name, racer in racers.items()}
    assert made["alice"].isdisjoint(made["bob"])
    assert made["alice"] | made["bob"] == {str(number) for number in range(200)}
    # The kernel refuses links to files that one could not write: files of the group can be written by it.
    for name, number in (("alice", min(made["bob"])), ("bob", min(made["alice"]))):
        source = trained / "race" / f"{number}.json"
        people.run(name, sys.executable, "-c", LINK, source, trained / "race" / f"linked-by-{name}")
    shutil.rmtree(trained / "race")


def test_garbage_of_the_other_is_removed_where_that_is_allowed_and_left_where_it_is_not(
    people: People, trained: Path
) -> None:
    weights, merged = trained / "members" / "alice" / "weights", trained / "merged"
    before = {folder: owned_by(people, "alice", folder) for folder in (weights, merged)}
    assert all(len(names) > 2 for names in before.values())
    people.run("alice", "chmod", "2750", weights)
    shutil.chown(merged, people.logins["alice"])  # it is whose process came first
    merged.chmod(0o3770)  # with this bit only a file's owner and the folder's may remove it

    people.run("bob", sys.executable, "-c", COLLECT, trained)

    assert {folder: owned_by(people, "alice", folder) for folder in (weights, merged)} == before

    weights.chmod(0o2770)
    merged.chmod(0o2770)
    people.run("bob", sys.executable, "-c", COLLECT, trained)
    after = {folder: owned_by(people, "alice", folder) for folder in (weights, merged)}
    assert all(len(after[folder]) < len(before[folder]) for folder in before)
    assert (trained / "shared.json").exists()


def test_a_folder_that_no_group_shares_stops_the_other_user_with_what_its_owner_types(people: People) -> None:
    place = people.folder / "plain"
    (place / "members").mkdir(parents=True)
    for path in (place, place / "members"):
        shutil.chown(path, people.logins["alice"], people.logins["alice"])
    learner = start_learner(people, "bob", "alone", place)
    assert learner.wait(timeout=300) == 4
    said = (people.folder / "alone.log").read_text()
    assert f"{place / 'members'} is {people.logins['alice']}'s" in said
    assert "chgrp -R GROUP DIR" in said

    told = people.examine("bob", place)
    assert told["status"] == "failed"
    _, _, typed = told["remedy"].partition(f"{people.logins['alice']} types: ")
    assert "only" in people.examine("alice", place)["found"]
    people.run("alice", "sh", "-c", typed.replace("GROUP", people.group))
    assert people.examine("bob", place)["status"] == "ok"


def test_a_group_that_may_write_without_the_setgid_bit_is_found_out(people: People) -> None:
    place = people.folder / "half"
    place.mkdir()
    shutil.chown(place, people.logins["alice"], people.group)
    place.chmod(0o770)
    told = people.examine("bob", place)
    assert told["status"] == "failed"
    assert "setgid" in told["found"]
    assert f"chgrp -R {people.group} {place}" in told["remedy"]
