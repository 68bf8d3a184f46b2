"""A server of one's own: closed to others, gone afterwards, and a place for every kind of player."""

import asyncio
import socket
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S

from gamefleet.cli.play_showdown import BattleRequest, accept_all
from gamefleet.errors import WorkerError
from gamefleet.games.showdown.client import connected
from gamefleet.games.showdown.players import scripted_player
from gamefleet.games.showdown.players_network import NetworkPlayer, random_policy
from gamefleet.games.showdown.players_poke_env import open_player
from gamefleet.games.showdown.server import LocalServer, local_server

FORMAT = "gen1randombattle"


@pytest.mark.long
def test_players_meet_on_the_server(simulator: Path) -> None:
    with local_server() as server:
        asyncio.run(network_meets_poke_env(server))
        asyncio.run(genuine_poke_env_players_meet(server))
        asyncio.run(a_person_meets_an_agent(server))
        listening = (server.folder / "server.log").read_text()
        assert f"listening on 127.0.0.1:{server.port}" in listening
        assert "CRASH" not in listening

    assert not server.folder.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", server.port)) != 0


async def network_meets_poke_env(server: LocalServer) -> None:
    network, heuristics = NetworkPlayer("network", random_policy), scripted_player("poke-env-heuristics")
    async with (
        connected(server.websocket, "Network", network) as one,
        connected(server.websocket, "Heuristics", heuristics, accepts=FORMAT) as other,  # type: ignore[arg-type]
    ):
        result = await asyncio.wait_for(one.challenge("Heuristics", FORMAT), PATIENCE_S)
        answer = await asyncio.wait_for(other.results.get(), PATIENCE_S)
        assert (result.fault, answer.fault) == ("", "")
        assert result.score + answer.score == 1
        assert result.turns == answer.turns > 5


async def genuine_poke_env_players_meet(server: LocalServer) -> None:
    """Their own websockets and message loop, nothing of ours between."""
    from poke_env import AccountConfiguration, ServerConfiguration

    place = ServerConfiguration(server.websocket, "http://127.0.0.1:9/")
    strong, weak = (
        open_player(
            kind, FORMAT, account_configuration=AccountConfiguration(kind[:12], None), server_configuration=place
        )
        for kind in ("SimpleHeuristicsPlayer", "RandomPlayer")
    )
    await asyncio.wait_for(strong.battle_against(weak, n_battles=1), PATIENCE_S)
    assert strong.n_finished_battles == 1
    assert strong.n_won_battles + weak.n_won_battles == 1
    for player in (strong, weak):
        await asyncio.wait_for(player.ps_client.stop_listening(), PATIENCE_S)


async def a_person_meets_an_agent(server: LocalServer) -> None:
    agent, person = scripted_player("poke-env-heuristics"), NetworkPlayer("person", random_policy)
    request = BattleRequest(against="agent", format="gen1ou", seed=1)
    accepting = asyncio.create_task(accept_all(server.websocket, request, agent, most=1))
    from gamefleet.cli.play_showdown import AGENT, team_for

    async with connected(server.websocket, "Person", person, team_for(request)) as client:
        await asyncio.sleep(1)  # until the agent is there
        result = await asyncio.wait_for(client.challenge(AGENT, "gen1ou"), PATIENCE_S)
        await asyncio.wait_for(accepting, PATIENCE_S)
        assert result.fault == ""


@pytest.mark.parametrize("listens", [False, True])
def test_a_port_that_is_taken_is_named_whoever_answers_there(simulator: Path, listens: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if listens:
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WorkerError, match=r"did not start.*EADDRINUSE"), local_server(port):
            pass
