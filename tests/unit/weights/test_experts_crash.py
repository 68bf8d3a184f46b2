"""Whoever merges may be killed at any step, and any number may merge at the same time: nothing is lost or doubled."""

import json
import subprocess
import sys
from pathlib import Path

PRELUDE = """
import json, os, shutil, signal, sys
from pathlib import Path

import numpy as np

from gamefleet.weights.experts import Expert, ExpertFacts, ExpertStore

SKILLS = ("Collect_Wood", "Place_Table", "Collect_Stone")


def expert(index, attempt=1):
    facts = ExpertFacts(
        skill=f"Skill_{index}", index=index, attempt=attempt, env_name="Crafting", feature_hash="ab" * 16,
        observation_size=6, num_actions=3, frames=1000, seed=index,
    )
    return Expert(facts=facts, params={"policy/w": np.full((40, 3), index + attempt / 8, np.float32)})


def contents(folder):
    graph = Path(folder)
    names = [path for path in graph.rglob("*") if path.is_file() and not path.name.startswith(".tmp-")]
    return {path.relative_to(graph).as_posix(): path.read_bytes() for path in names}
"""

KILLED = """
STEPS = ("open", "os.mkdir", "os.rename", "os.link", "os.remove")


def die_at(number):
    seen = [0]

    def watch(event, arguments):
        # Only what is written: reading changes nothing, so dying there is dying at the next step.
        is_reading = event == "open" and not arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if event in STEPS and not is_reading:
            seen[0] += 1
            if seen[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


root = Path(sys.argv[1])
base, last = root / "base", expert(1, attempt=2)
for one in (expert(0), expert(1)):
    ExpertStore(base).merge(one)
shutil.copytree(base, root / "whole")
ExpertStore(root / "whole").merge(last)
whole, whole_generation = contents(root / "whole"), ExpertStore(root / "whole").latest()

steps, recovered, wrong = 0, 0, []
while True:
    graph = root / f"killed-{steps}"
    shutil.copytree(base, graph)
    child = os.fork()
    if child == 0:
        die_at(steps + 1)
        ExpertStore(graph).merge(last)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    steps += 1
    store = ExpertStore(graph)
    found = store.load(1).facts.attempt, store.load(0).facts.attempt
    if found not in ((1, 1), (2, 1)) or store.damage():
        wrong.append([steps, "a reader between crash and restart", str(found)])
    how = "merged again"
    if store.latest() == whole_generation and steps % 2:
        how = "recovered"
        recovered += 1
        store.repair()
    else:
        store.merge(last)
    if contents(graph) != whole:
        wrong.append([steps, how, sorted(contents(graph))])
    shutil.rmtree(graph)
print(json.dumps({"steps": steps, "recovered": recovered, "wrong": wrong}))
"""

OVERTAKEN = """
STEPS = ("open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.listdir", "os.scandir")


def call_at(number, other):
    seen = [0]

    def watch(event, arguments):
        if event in STEPS:
            seen[0] += 1
            if seen[0] == number:
                other()

    sys.addaudithook(watch)
    return seen


def merge_elsewhere(graph):
    child = os.fork()
    if child == 0:
        ExpertStore(graph).merge(expert(2))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


root = Path(sys.argv[1])
base = root / "base"
for one in (expert(0), expert(1)):
    ExpertStore(base).merge(one)

steps, lost = 0, []
while True:
    graph = root / f"overtaken-{steps}"
    shutil.copytree(base, graph)
    child = os.fork()
    if child == 0:
        seen = call_at(steps + 1, lambda: merge_elsewhere(graph))
        ExpertStore(graph).merge(expert(3))
        os._exit(0 if seen[0] > steps else 9)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == 9:
        break
    steps += 1
    store = ExpertStore(graph)
    shown = json.loads((graph / "checkpoints/global_latest.json").read_text())
    if code or sorted(store.latest().experts) != [0, 1, 2, 3] or shown["generation"] != 4:
        lost.append([steps, code, sorted(store.latest().experts), shown["generation"]])
    shutil.rmtree(graph)
print(json.dumps({"steps": steps, "lost": lost}))
"""

RACE = """
root, number = Path(sys.argv[1]), int(sys.argv[2])
store = ExpertStore(root)
sys.stdin.readline()
for turn in range(6):
    store.merge(expert(number * 6 + turn))
"""


def test_a_merge_that_was_killed_at_any_step_is_finished_by_the_next_one(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PRELUDE + KILLED, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)

    found = json.loads(result.stdout)

    assert found["wrong"] == []
    assert found["steps"] >= 8, "every open, link and rename of a merge counts"
    assert found["recovered"] >= 1, "some kills come after the generation, before the copy under the fixed name"


def test_a_merge_that_another_one_overtakes_at_any_step_loses_neither(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PRELUDE + OVERTAKEN, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)

    found = json.loads(result.stdout)

    assert found["lost"] == []
    assert found["steps"] >= 16, "every listing, open, link and rename of a merge counts"


def test_of_several_writers_exactly_one_makes_each_generation_and_nothing_is_lost(tmp_path: Path) -> None:
    from gamefleet.weights.experts import ExpertStore

    graph = tmp_path / "graph"
    command = [sys.executable, "-c", PRELUDE + RACE, str(graph)]
    writers = [subprocess.Popen([*command, str(number)], stdin=subprocess.PIPE, text=True) for number in range(3)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.close()
    codes = [writer.wait(timeout=300) for writer in writers]

    store = ExpertStore(graph)
    names = sorted(path.name for path in (graph / "checkpoints").iterdir())
    shown = json.loads((graph / "checkpoints/global_latest.json").read_text())

    assert codes == [0, 0, 0]
    assert names == [*(f"global-{number:09d}.json" for number in range(1, 19)), "global_latest.json"]
    assert sorted(store.latest().experts) == list(range(18))
    assert shown["generation"] == 18
    for number in range(1, 19):
        listed = json.loads((graph / f"checkpoints/global-{number:09d}.json").read_text())["experts"]
        assert len(listed) == number, "each generation adds one expert to the one before"
    assert store.damage() == ()
