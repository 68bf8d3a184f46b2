"""Worker processes that crash, hang, refuse, and lose their parent."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from gamefleet.actors.shared import SharedMemoryVector
from gamefleet.actors.steps import Restart, VectorStep
from gamefleet.errors import ConfigError, WorkerError

LEFT, RIGHT, DIE, HANG, RAISE, REFUSE = range(6)


def make(**settings: Any) -> SharedMemoryVector:
    from corridor_toy import PACKAGE, CorridorConfig

    vector = SharedMemoryVector(PACKAGE, CorridorConfig(), num_envs=4, num_workers=2, **settings)
    act(vector, [0] * 4, {env: Restart(seed=env) for env in range(4)})
    return vector


def act(vector: SharedMemoryVector, actions: list[int], restarts: dict[int, Restart] | None = None) -> VectorStep:
    vector.send(np.array(actions, np.int16), restarts or {})
    return vector.receive()


def test_a_killed_worker_is_replaced_and_its_games_come_back_as_lost() -> None:
    vector = make()
    act(vector, [RIGHT] * 4)
    view = act(vector, [RIGHT, RIGHT, DIE, RIGHT])
    assert view.lost.tolist() == [False, False, True, True]
    assert view.is_first.tolist() == [False, False, True, True]
    (failure,) = view.failures
    assert (failure.worker, failure.reason, failure.exit_code, failure.envs) == (1, "crashed", -signal.SIGKILL, (2, 3))
    assert "action die after 2 steps" in failure.last_state[0]
    after = act(vector, [RIGHT] * 4)
    assert not after.lost.any()
    assert after.failures == ()
    vector.close()


def test_a_worker_that_is_killed_between_steps_is_noticed_at_the_next_one() -> None:
    vector = make()
    os.kill(vector._workers[0].pid, signal.SIGKILL)
    assert act(vector, [RIGHT] * 4).lost.tolist() == [True, True, False, False]
    vector.close()


def test_a_hung_worker_is_killed_and_its_log_says_where_it_hung() -> None:
    vector = make(hang_timeout_s=0.5)
    view = act(vector, [HANG, RIGHT, RIGHT, RIGHT])
    (failure,) = view.failures
    assert failure.reason == "hung"
    assert not psutil.pid_exists(failure.pid)
    assert "_fail" in failure.log_tail
    assert view.lost.tolist() == [True, True, False, False]
    vector.close()


def test_a_game_that_raises_counts_as_a_crash_with_its_traceback(tmp_path: Path) -> None:
    vector = make(log_folder=tmp_path)
    (failure,) = act(vector, [RAISE, RIGHT, RIGHT, RIGHT]).failures
    assert failure.exit_code == 1
    assert "ArithmeticError: the floor has vanished" in failure.log_tail
    assert "the floor has vanished" in (tmp_path / "worker-0.log").read_text()
    vector.close()


def test_what_a_game_refuses_reaches_the_user_as_it_is() -> None:
    vector = make()
    with pytest.raises(ConfigError, match="The corridor refuses"):
        act(vector, [REFUSE, RIGHT, RIGHT, RIGHT])
    vector.close()


def test_a_game_that_cannot_be_made_is_refused_at_once() -> None:
    from corridor_toy import PACKAGE, CorridorConfig

    before = set(psutil.Process().children())
    with pytest.raises(ConfigError, match="The corridor is closed: 12"):
        SharedMemoryVector(PACKAGE, CorridorConfig(faulty_start=True), num_envs=2, num_workers=2)
    assert set(psutil.Process().children()) <= before


def test_too_many_failures_end_the_run_with_the_evidence() -> None:
    vector = make(max_restarts=1)
    act(vector, [DIE, RIGHT, RIGHT, RIGHT])
    with pytest.raises(WorkerError, match="More than 1 workers failed") as caught:
        act(vector, [RIGHT, RIGHT, RIGHT, RAISE])
    assert "game 3: action raise" in str(caught.value)
    assert "the floor has vanished" in str(caught.value)
    vector.close()


def test_two_workers_that_fail_in_the_same_step_are_both_replaced() -> None:
    vector = make()
    view = act(vector, [DIE, RIGHT, RIGHT, RAISE])
    assert view.lost.all()
    assert [failure.worker for failure in view.failures] == [0, 1]
    assert vector.num_restarts == 2
    vector.close()


def test_a_worker_that_dies_while_it_should_save_costs_only_its_own_states() -> None:
    vector = make()
    os.kill(vector._workers[1].pid, signal.SIGKILL)
    states = vector.save_states([0, 1, 2, 3])
    assert [bool(state) for state in states] == [True, True, False, False]
    assert act(vector, [RIGHT] * 4).lost.tolist() == [False, False, True, True]
    vector.close()


def test_closing_leaves_no_process_and_no_descriptor_and_may_be_repeated() -> None:
    gc.collect()  # what earlier tests left open must not be closed in between
    before = psutil.Process().num_fds()
    vector = make()
    pids = [worker.pid for worker in vector._workers]
    vector.close()
    vector.close()
    assert not any(psutil.pid_exists(pid) for pid in pids)
    del vector
    assert psutil.Process().num_fds() == before


def test_workers_do_not_spin_while_they_wait() -> None:
    vector = make()
    processes = [psutil.Process(worker.pid) for worker in vector._workers]
    before = [sum(process.cpu_times()[:2]) for process in processes]
    time.sleep(0.5)
    after = [sum(process.cpu_times()[:2]) for process in processes]
    assert np.subtract(after, before).max() < 0.1
    vector.close()


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_to_the_whole_job_leave_workers_to_their_parent(sent: signal.Signals) -> None:
    vector = make()
    pids = [worker.pid for worker in vector._workers]
    assert all(os.getpgid(pid) != os.getpgid(0) for pid in pids)
    for pid in pids:
        os.kill(pid, sent)
    assert not act(vector, [RIGHT] * 4).lost.any()
    vector.close()


@pytest.mark.parametrize("actions", [[RIGHT] * 4, [HANG] * 4], ids=["waiting", "in a step"])
def test_workers_end_when_the_parent_is_killed(actions: list[int]) -> None:
    folder = Path(__file__).parent
    script = f"""
        import sys, time
        sys.path.insert(0, {str(folder)!r})
        import numpy as np
        from corridor_toy import PACKAGE, CorridorConfig
        from gamefleet.actors.shared import SharedMemoryVector
        from gamefleet.actors.steps import Restart
        vector = SharedMemoryVector(PACKAGE, CorridorConfig(), num_envs=4, num_workers=2)
        vector.send(np.zeros(4, np.int16), {{env: Restart(seed=env) for env in range(4)}})
        vector.receive()
        vector.send(np.array({actions}, np.int16), {{}})
        print(*[worker.pid for worker in vector._workers], flush=True)
        time.sleep(60)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=300)
    assert alive == []
