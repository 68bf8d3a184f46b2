"""Parts of the loop around a skill graph: settings, waking, a proposer that breaks, shares of a GPU, what is told."""

import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from gamefleet.cluster.graph.advance import advance
from gamefleet.cluster.graph.events import Accepted, Begun, ProposalFailed
from gamefleet.cluster.graph.state import GraphState, Limits, Needs
from gamefleet.errors import ConfigError, PeerAwayError
from gamefleet.files import write_json
from gamefleet.skills.proposer import ModelRefusedError, Proposal, ProposalContext
from gamefleet.testing.crafting import WORLD
from gamefleet.testing.orchard import WORLD as ORCHARD
from gamefleet.topologies.job_graph.executor import exports, job_name, session_name
from gamefleet.topologies.job_graph.paths import GraphPaths
from gamefleet.topologies.job_graph.proposals import Proposals
from gamefleet.topologies.job_graph.settings import GraphSettings, settings_for, store
from gamefleet.topologies.job_graph.start import source_of
from gamefleet.topologies.job_graph.view import frontier, run_state
from gamefleet.topologies.job_graph.wake import Waker
from gamefleet.topologies.job_graph.world import check_trainer_settings


def test_a_restart_keeps_settings_and_changes_the_ones_that_are_given(tmp_path: Path) -> None:
    paths = GraphPaths(tmp_path)
    store(paths, settings_for(paths, {"max_nodes": 7, "env_name": "X", "total_timesteps": 5_000}))

    again = settings_for(paths, {"max_nodes": 9})

    assert (again.env_name, again.max_nodes, again.total_timesteps) == ("X", 9, 5000)
    assert settings_for(GraphPaths(tmp_path / "other"), {}) == GraphSettings()
    assert GraphSettings().total_timesteps == 10**8


def test_what_experts_are_a_consequence_of_cannot_be_changed(tmp_path: Path) -> None:
    paths = GraphPaths(tmp_path)
    store(paths, settings_for(paths, {"env_name": "X"}))
    assert settings_for(paths, {"env_name": "Y"}).env_name == "Y", "nothing has been trained yet"
    write_json(paths.state, {})

    with pytest.raises(ConfigError, match="another env_name: 'X'"):
        settings_for(paths, {"env_name": "Y"})


@pytest.mark.parametrize(
    ("name", "value"), [("max_nodes", 0), ("threshold", 1.5), ("executor", "pbs"), ("max_node", 3)]
)
def test_a_wrong_setting_is_named(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"{name} is wrong"):
        settings_for(GraphPaths(tmp_path), {name: value})


@pytest.mark.parametrize(
    ("trainer", "wrong"),
    [
        ({"pool_stats": 9}, "No such setting .* 'pool_states'"),
        ({"pool_states": "many"}, "'many' .*--set pool_states.*Expected `int`"),
        ({"pool_states": 0}, "must be positive"),
        ({"routing": "gates"}, "Did you mean .gate"),
        ({"distils": 1}, "Expected `bool`"),
        ({"minibatches": 3}, "do not divide into minibatches"),
    ],
)
def test_what_a_trainer_cannot_be_told_is_refused_before_anything_is_trained(
    trainer: dict[str, object], wrong: str
) -> None:
    with pytest.raises(ConfigError, match=wrong):
        check_trainer_settings(ORCHARD, trainer, 0)
    check_trainer_settings(ORCHARD, {"pool_states": 128, "learning_rate": 1, "routing": "gate"}, 0)


def test_a_world_with_a_trainer_of_its_own_says_what_that_can_be_told() -> None:
    check_trainer_settings(WORLD, {"updates_per_checkpoint": 1}, 0)
    with pytest.raises(ConfigError, match=r"no such setting.*updates_per_checkpoint"):
        check_trainer_settings(WORLD, {"updates_per_checkpoints": 1}, 0)


def test_settings_of_the_trainer_add_up_over_restarts(tmp_path: Path) -> None:
    paths = GraphPaths(tmp_path)
    store(paths, settings_for(paths, {"trainer": {"pool_states": 64, "width": 32}}))

    again = settings_for(paths, {"trainer": {"width": 64}})

    assert again.trainer == {"pool_states": 64, "width": 64}


def test_what_only_slurm_can_be_asked_for_is_refused_elsewhere(tmp_path: Path) -> None:
    paths = GraphPaths(tmp_path)
    for name, value in (("partition", "gpu"), ("time_limit_s", 60), ("gpus", 1)):
        with pytest.raises(ConfigError, match=rf"--{name.removesuffix('_s')} is for jobs of SLURM.*--executor slurm"):
            settings_for(paths, {name: value})

    store(paths, settings_for(paths, {"executor": "slurm", "partition": "gpu"}))

    assert settings_for(paths, {"qos": "long"}).partition == "gpu", "it goes on where it began"
    assert settings_for(paths, {"executor": "local"}).executor == "local", "what was asked for before is no wish of now"


def test_cores_are_counted_where_jobs_ask_for_several() -> None:
    assert GraphSettings(cpus=1).limits((), 2).cpus == 0, "jobs of one core share, as many as there are slots"
    assert GraphSettings(cpus=2).limits((), 8).cpus == 8
    with pytest.raises(ConfigError, match=r"needs 3 cores, jobs here may have 2.*--cpus"):
        GraphSettings(cpus=3).limits((), 2)
    with pytest.raises(ConfigError, match=r"needs 100 GB of a GPU.*--gpu_memory_gb"):
        GraphSettings(gpu_memory_gb=100).limits((80.0,), 2)


def test_the_end_of_any_process_wakes_and_so_does_another_thread() -> None:
    waker = Waker()
    if not waker.sees_processes:
        pytest.skip("this system has no descriptors of processes")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    waker.watch({"1": process.pid})

    process.communicate(b"\n")
    waker.wait(3600.0)
    threading.Timer(0.05, waker.poke).start()
    waker.wait(3600.0)

    waker.watch({})
    waker.close()


def test_who_pokes_after_the_end_writes_into_no_file_that_got_the_same_number(tmp_path: Path) -> None:
    waker = Waker()
    waker.close()
    with ExitStack() as stack:
        files = [stack.enter_context(open(tmp_path / str(number), "wb", buffering=0)) for number in range(20)]

        waker.poke()

        assert sum(file.tell() for file in files) == 0


class Raising:
    """A proposer that fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def propose(self, context: ProposalContext) -> Proposal:
        raise self.error


def answer_of(error: Exception) -> ProposalFailed:
    done = threading.Event()
    proposals = Proposals(world=WORLD, proposer=Raising(error), wake=done.set)
    proposals.ask(GraphState(id="x"), 3)
    assert done.wait(300)
    answer = proposals.answer()
    assert answer is not None
    assert isinstance(answer.event, ProposalFailed)
    return answer.event


def test_a_proposer_that_is_away_is_asked_again_and_one_that_refuses_is_not() -> None:
    away = answer_of(PeerAwayError("no answer in 60 s"))
    refused = answer_of(ModelRefusedError("the key is not valid"))

    assert (away.number, away.is_lasting) == (3, False)
    assert refused.is_lasting
    assert "the key is not valid" in refused.reason


def test_a_proposer_that_breaks_ends_generation_instead_of_hanging_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", said.append)

    event = answer_of(KeyError("a mistake"))
    for thread in threading.enumerate():
        if thread.name == "proposer":
            thread.join()

    assert event.is_lasting
    assert [one.exc_type for one in said] == [KeyError], "and it is not kept quiet"


def begun(limits: Limits) -> GraphState:
    state, _ = advance(GraphState(id="abc"), Begun(limits=limits), 1.0)
    state, _ = advance(state, Accepted(number=1, skill_name="Collect_Wood", skill={}), 2.0)
    return state


def test_jobs_get_their_share_of_a_gpu_and_names_by_which_they_are_found() -> None:
    limits = Limits(gpus_gb=(24.0, 48.0), needs=Needs(gpu_memory_gb=12.0))
    state = begun(limits)
    (node,) = state.skills

    assert exports(GraphSettings(), state, node) == (
        "export CUDA_VISIBLE_DEVICES=1",
        "export XLA_PYTHON_CLIENT_MEM_FRACTION=0.237",
    )
    assert session_name(node) == "gamefleet_e0_Collect_Wood"
    assert job_name(state, node, node.jobs[-1]) == "gamefleet_e0_Collect_Wood.abc.a1.l1"


def test_slots_share_a_gpus_memory_evenly() -> None:
    assert GraphSettings(max_parallel_skills=4).limits((40.0,)).needs.gpu_memory_gb == 10.0
    assert GraphSettings(max_parallel_skills=4).limits((40.0, 40.0)).needs.gpu_memory_gb == 20.0
    assert GraphSettings(max_parallel_skills=4, gpu_memory_gb=6.0).limits((40.0,)).needs.gpu_memory_gb == 6.0
    assert GraphSettings().limits(()).needs.gpu_memory_gb == 0.0


def test_the_frontier_and_the_run_are_told_in_words() -> None:
    state = begun(Limits(max_nodes=3))
    assert (frontier(state)["state"], run_state(state)) == ("open", "running")

    state, _ = advance(state, Accepted(number=2, skill_name="Place_Table", dependencies=("Collect_Wood",)), 3.0)

    assert frontier(state) == {"state": "blocked", "why": "Place_Table must start first"}
    assert frontier(begun(Limits(max_nodes=1)))["state"] == "full"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("proposer: catalogue (no network), as asked for", "catalogue"),
        ("proposer: gpt-4o-mini at https://api.openai.com/v1, as --llm_name says; at most 5", "gpt-4o-mini"),
        ("proposer: the conversation recorded in x.jsonl, as asked for", "replay"),
    ],
)
def test_a_proposer_has_a_short_name(line: str, name: str) -> None:
    assert source_of(line) == name
