"""From a job through the login node to a laptop, over a real sshd."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.topologies.shown_play import QUICK, Play, goes_on, pictures, toy, viewing, watching
from tests.waiting import until

from gamefleet.cluster.checks.host import Host
from gamefleet.cluster.checks.programs import Programs
from gamefleet.cluster.checks.stream import check_tunnel
from gamefleet.cluster.ssh import parse_remote, ssh_words
from gamefleet.cluster.tunnel import ReverseTunnel, StdioTunnel, agree_on_token, tunnel_words
from gamefleet.errors import ClusterError
from gamefleet.testing.local_ssh import LocalSsh, free_port
from gamefleet.topologies.streaming.sender import Sender
from gamefleet.topologies.streaming.shows import Board, Shows
from gamefleet.topologies.streaming.stage import Stage
from gamefleet.topologies.streaming.ways import Way, Ways
from gamefleet.transport.frames import Credits, PlayerFacts
from gamefleet.transport.rendezvous import Endpoint, endpoints, publish_endpoint, publish_login_host, rendezvous, tokens
from gamefleet.transport.token import Token, new_token, write_token


@pytest.fixture
def login(serve: Callable[..., LocalSsh]) -> LocalSsh:
    """The login node."""
    return serve()


class ComputeNode(Ways):
    """Another machine than the login node: the ports of that one's loopback address are not its own."""

    def ways(self) -> list[Way]:
        return [way for way in super().ways() if way.host != "127.0.0.1"]


@contextmanager
def job(place: Path, login: LocalSsh, *, port: int) -> Iterator[Play]:
    """A player on a compute node."""
    solo = toy()
    stage, board = Stage(solo.actor), Board(place)
    solo.actor.attach(stage)
    facts = PlayerFacts(member="job", run="run", game="grid", num_envs=2, picture=(48, 56), process="job-1")
    environ = {"SLURM_SUBMIT_HOST": login.host}

    def begin(endpoint: Endpoint | None) -> Sender:
        tunnel = StdioTunnel(lambda host: ssh_words(Host(name=host.name, ssh_config=login.config)))
        ways = ComputeNode([place], port=port, endpoint=endpoint, environ=environ, tunnel=tunnel, here="node-17")
        credits = Credits(top_k=2, frames_per_s=15.0)
        return Sender(stage, credits, ways, facts=facts, board=board, settings=QUICK)

    shows = Shows([place], begin, seeks=True, interval_s=0.2)
    play = Play(solo)
    try:
        yield play
    finally:
        play.close()
        shows.close()
        solo.close()


def test_the_guides_own_tunnel_leads_a_job_to_the_laptop(login: LocalSsh, tmp_path: Path) -> None:
    """`ssh -R 9999:localhost:9999 USER@login...` in a terminal; the job goes by `ssh -W` to the login node's loopback.

    Login node and laptop are one machine here, so the tunnel's two ends have different ports.
    """
    place, there = rendezvous(tmp_path), free_port()
    token = write_token(place / "token")
    with viewing(token) as (hub, port):
        command = ["ssh", "-F", str(login.config), "-R", f"{there}:localhost:{port}", login.host, "cat"]
        tunnel = subprocess.Popen(command, stdin=subprocess.PIPE)
        try:
            until(lambda: is_open(there), "the tunnel's end")
            with job(place, login, port=there) as play:
                assert set(pictures(watching(hub), 6)) == {"job/0", "job/1"}
                tunnel.kill()
                tunnel.wait()
                until(lambda: hub.statistics()["players"] == 0, "the end of the tunnel")
                assert goes_on(play)
        finally:
            tunnel.kill()
            tunnel.wait()
            assert tunnel.stdin is not None
            tunnel.stdin.close()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_held_tunnel_publishes_its_port_and_comes_back_when_it_is_killed(login: LocalSsh, tmp_path: Path) -> None:
    folder = tmp_path / "run folder's"
    folder.mkdir()
    place = rendezvous(folder)
    remote = parse_remote(f"{login.host}:{folder}")
    offered = new_token()
    token = Token(agree_on_token(remote, offered.text, ssh=ssh_words(Host(name=login.host, ssh_config=login.config))))
    assert token == offered
    assert (place / "token").stat().st_mode & 0o777 == 0o600
    words = tunnel_words(Host(name=login.host, ssh_config=login.config))
    with viewing(token) as (hub, port):
        tunnel = ReverseTunnel(remote, port=port, viewer="laptop", ssh=words)
        try:
            until(lambda: tunnel.state.kind == "open", "the tunnel")
            (endpoint,) = endpoints([place])
            assert endpoint.port == tunnel.state.port
            with job(place, login, port=free_port()) as play:
                pictures(watching(hub), 4)
                kill_ssh_of(tunnel)
                until(lambda: tunnel.state.kind == "down", "word that the tunnel broke")
                assert goes_on(play)
                until(lambda: tunnel.state.kind == "open", "the tunnel, again")
                until(lambda: hub.statistics()["players"] == 1, "the player, again")
                pictures(watching(hub), 4)
                assert len(endpoints([place])) == 1
        finally:
            tunnel.close()
    until(lambda: not endpoints([place]), "that what was published is withdrawn")


def kill_ssh_of(tunnel: ReverseTunnel) -> None:
    alive = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    mine = [child for child in alive if "-R" in child.cmdline()]
    assert len(mine) == 1
    os.kill(mine[0].pid, signal.SIGKILL)


def test_a_job_goes_by_ssh_to_a_port_that_another_machine_published(login: LocalSsh, tmp_path: Path) -> None:
    place = rendezvous(tmp_path)
    token = write_token(place / "token")
    with viewing(token) as (hub, port):
        publish_endpoint(place, "laptop", Endpoint(host=login.host, port=port))
        with job(place, login, port=free_port()):
            pictures(watching(hub), 4)


def test_jobs_of_a_chain_ask_the_login_node_though_slurm_names_a_compute_node(login: LocalSsh, tmp_path: Path) -> None:
    place = rendezvous(tmp_path)
    publish_login_host(place, login.host)
    ways = Ways([place], port=9999, environ={"SLURM_SUBMIT_HOST": "node-16"}, here="node-17.example.edu")
    assert [str(way) for way in ways.ways()] == [
        "127.0.0.1:9999",
        "node-16:9999",
        "ssh node-16 to port 9999 there",
        f"{login.host}:9999",
        f"ssh {login.host} to port 9999 there",
    ]


def test_a_tunnel_to_a_folder_that_is_not_there_says_so(login: LocalSsh, tmp_path: Path) -> None:
    remote = parse_remote(f"{login.host}:{tmp_path}/nowhere")
    ssh = ssh_words(Host(name=login.host, ssh_config=login.config))
    with pytest.raises(ClusterError, match="no such folder"):
        agree_on_token(remote, new_token().text, ssh=ssh)
    tunnel = ReverseTunnel(remote, port=1, viewer="x", ssh=tunnel_words(Host(name=login.host, ssh_config=login.config)))
    until(lambda: tunnel.state.kind == "down", "word that there is no folder")
    assert "no folder" in tunnel.state.why
    tunnel.close()


def test_a_host_that_does_not_know_the_key_is_a_sentence(login: LocalSsh, tmp_path: Path) -> None:
    config = login.with_key(login.stranger)
    remote = parse_remote(f"{login.host}:{tmp_path}")
    with pytest.raises(ClusterError, match="Permission denied"):
        agree_on_token(remote, new_token().text, ssh=ssh_words(Host(name=login.host, ssh_config=config)))
    tunnel = ReverseTunnel(remote, port=1, viewer="x", ssh=tunnel_words(Host(name=login.host, ssh_config=config)))
    until(lambda: tunnel.state.kind == "down", "word that the key is not known")
    assert "Permission denied" in tunnel.state.why
    tunnel.close()


def test_doctor_tells_a_tunnel_that_ends_there_from_none(login: LocalSsh) -> None:
    host = Host(name=login.host, ssh_config=login.config)
    with Programs(dict(os.environ)) as programs, viewing(new_token()) as (_, port):
        assert check_tunnel(port, host, programs).status == "ok"
        missing = check_tunnel(free_port(), host, programs)
        assert missing.status == "warning"
        assert "gamefleet view --via" in missing.remedy


@pytest.mark.long
def test_train_and_view_find_each_other_through_the_login_node(login: LocalSsh, tmp_path: Path) -> None:
    """The commands themselves: the cartridge trains, the viewer fetches the token and holds the tunnel."""
    runs = tmp_path / "runs"
    home = tmp_path / "home"
    home.mkdir()
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    wrapper = bin_folder / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {login.config} "$@"\n')
    wrapper.chmod(0o755)
    environment = {**os.environ, "HOME": str(home), "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    gamefleet = [sys.executable, "-m", "gamefleet.cli.main"]
    settings = tmp_path / "settings.json"
    training = {"total_steps": 10_000_000, "num_envs": 2, "stream": True, "stream_port": free_port(), "device": "cpu"}
    settings.write_text(json.dumps({"run_name": "seen", "run_dir": str(runs / "seen"), "training": training}))
    with open(tmp_path / "train.log", "w") as log:
        train = subprocess.Popen(
            [*gamefleet, "train", "pokemon_red", "--config", str(settings), "--set", "actors.num_workers=0"],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    view_log = tmp_path / "view.log"
    with open(view_log, "w") as stream:
        until(lambda: rendezvous(runs / "seen").is_dir(), "the run's token")
        view = subprocess.Popen(
            [*gamefleet, "view", "--port", "0", "--headless", "--via", f"{login.host}:{runs / 'seen'}"],
            env={**environment, "HOME": str(tmp_path / "laptop")}, stdout=stream, stderr=stream,
        )  # fmt: skip
    try:
        until(lambda: re.search(r"1 players, 2 agents, [1-9]", view_log.read_text()), "pictures")
        assert train.poll() is None
        view.send_signal(signal.SIGINT)
        assert view.wait(300) == 0
        assert train.poll() is None
    finally:
        for process in (view, train):
            process.send_signal(signal.SIGTERM)
        view.wait(300)
        assert train.wait(300) == 0
    assert not endpoints([rendezvous(runs / "seen")])
    assert len(tokens([rendezvous(runs / "seen")], {})) == 1
    # The player's own token is another file of the same secret: `gamefleet token fetch` finds it on the login node.
    assert (home / ".config" / "gamefleet" / "token").read_text() == (runs / "seen" / "stream" / "token").read_text()
