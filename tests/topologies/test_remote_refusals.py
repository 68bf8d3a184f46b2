"""Who a learner does not work for, and what both sides are told."""

import threading
from pathlib import Path

import pytest
from tests.topologies.remote_pair import coordinated, served, settings_of

from gamefleet.errors import PeerError
from gamefleet.topologies.remote_learner.status import ask_status
from gamefleet.transport.token import new_token

SHORT = {"run": {"total_steps": 24}}


def test_a_coordinator_with_another_model_is_refused_with_the_first_difference_and_both_values(tmp_path: Path) -> None:
    own = settings_of(tmp_path, "any", network={"encoder": {"d_model": 32}})
    with (
        served(tmp_path / "learner", config=own) as learner,
        pytest.raises(PeerError, match=r"network\.encoder\.d_model: 32 here, 16 there \(learner first\)"),
    ):
        coordinated(settings_of(tmp_path / "runs", "apart", **SHORT), learner)


def test_another_run_of_the_same_name_is_not_overwritten_unless_it_is_asked_for(tmp_path: Path) -> None:
    with served(tmp_path / "learner") as learner:
        coordinated(settings_of(tmp_path / "here", "apart", **SHORT), learner)
        with pytest.raises(PeerError, match="holds another run of the name 'apart'"):
            coordinated(settings_of(tmp_path / "there", "apart", **SHORT), learner)
        coordinated(settings_of(tmp_path / "here", "apart", **SHORT), learner, start="fresh")

    with served(tmp_path / "learner", adopt=True) as learner:
        coordinated(settings_of(tmp_path / "there", "apart", **SHORT), learner, start="resume")
    kept = sorted(path.name.partition(".before-")[0] for path in (tmp_path / "learner").glob("apart*"))
    assert kept == ["apart", "apart", "apart"]


def test_a_second_coordinator_is_turned_away_while_the_first_one_is_at_work(tmp_path: Path) -> None:
    is_over = threading.Event()
    with served(tmp_path / "learner") as learner:
        config = settings_of(tmp_path / "runs", "first", run={"total_steps": 1_000_000})
        work = threading.Thread(
            target=coordinated,
            args=(config, learner),
            kwargs={"reason": lambda: "over" if is_over.is_set() else "", "in_thread": True},
        )
        work.start()
        while ask_status("127.0.0.1", learner.port, learner.token)["updates"] < 1:
            assert work.is_alive()
        with pytest.raises(PeerError, match="works for the run 'first'"):
            coordinated(settings_of(tmp_path / "runs", "second", **SHORT), learner)
        is_over.set()
        work.join()


def test_a_coordinator_with_another_token_hears_so_at_once(tmp_path: Path) -> None:
    with served(tmp_path / "learner") as learner:
        right, learner.token = learner.token, new_token()
        with pytest.raises(PeerError, match="token"):
            coordinated(settings_of(tmp_path / "runs", "apart", **SHORT), learner)
        learner.token = right
        refused = ask_status("127.0.0.1", learner.port, right)["refused"]
    assert "token" in refused[-1][2]


def test_a_monitor_hears_what_the_learner_does(tmp_path: Path) -> None:
    with served(tmp_path / "learner") as learner:
        before = ask_status("127.0.0.1", learner.port, learner.token)
        coordinated(settings_of(tmp_path / "runs", "apart", run={"total_steps": 120}), learner)
        after = ask_status("127.0.0.1", learner.port, learner.token)

    assert (before["state"], before["run"]) == ("waiting", "")
    assert (after["state"], after["run"]) == ("waiting", "apart")
    assert after["step"] >= 120
    assert after["updates"] > 0
    assert after["checkpoints"][-1]["updates"] == after["updates"]
    with pytest.raises(PeerError, match="cannot be reached"):
        ask_status("127.0.0.1", learner.port, learner.token, 0.5)
