"""Players that show real pictures of the cartridge over a real link, each picture known to the test."""

import socket
import threading
import time
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from gamefleet.games import open_game
from gamefleet.topologies.streaming.sender import frame_of
from gamefleet.transport.frames import (
    FRAME,
    GRANT,
    PLAYER,
    ROSTER,
    VIEWER,
    AgentRow,
    PlayerFacts,
    read_grants,
)
from gamefleet.transport.link_dialer import Dialer
from gamefleet.transport.pictures import encode
from gamefleet.transport.token import Token
from gamefleet.watch.hub import Hub
from gamefleet.watch.players import player_listener

Picture = NDArray[np.uint8]
ROSTER_INTERVAL_S = 0.5


def pictures_of_play(count: int) -> list[Picture]:
    """What the scripted player sees, every tenth step."""
    package = open_game("pokemon_red")
    assert package.make_scripted is not None
    game = package.make_game(package.config_type())
    game.reset(1)
    player = package.make_scripted(game)
    pictures = []
    for _ in range(count):
        for _ in range(10):
            game.step(player.act())
        pictures.append(game.frame().copy())  # type: ignore[attr-defined]  # this game shows itself
    return pictures


def listening_hub(token: Token) -> tuple[Hub, int]:
    """A hub and its port."""
    listener = player_listener("127.0.0.1", 0, token, name="test")
    port = int(listener.address[1])
    return Hub(listener, listening=f"127.0.0.1:{port}"), port


class ShownPlayer:
    """A player whose agents each show one picture again and again; the further, the higher its number."""

    def __init__(self, member: str, port: int, token: Token, pictures: Sequence[Picture]) -> None:
        height, width = pictures[0].shape[:2]
        facts = PlayerFacts(
            member=member, run="short", game="pokemon_red", num_envs=len(pictures), picture=(height, width)
        )
        self._encoded = [encode(picture) for picture in pictures]
        self._dialer = Dialer(
            lambda timeout_s: socket.create_connection(("127.0.0.1", port), timeout_s),
            token,
            name=member,
            role=PLAYER,
            peer_role=VIEWER,
            facts=msgspec.to_builtins(facts),
        )
        self.drawn: dict[int, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, name=f"shown-{member}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        self._dialer.close()

    def _rows(self) -> list[AgentRow]:
        return [
            AgentRow(env=env, progress=env + 0.5, milestones=env, reward=2.0 * env, steps=100 + env, origin="start")
            for env in range(len(self._encoded))
        ]

    def _play(self) -> None:
        rows, link, told_at = self._rows(), self._dialer.link, 0.0
        while not self._stop.is_set():
            if time.monotonic() - told_at > ROSTER_INTERVAL_S:
                link.offer(ROSTER, {"agents": [msgspec.to_builtins(row) for row in rows]}, key=ROSTER)
                told_at = time.monotonic()
            message = link.receive(0.1)
            if message is None:
                continue
            for env, _, _ in read_grants(message.header) if message.kind == GRANT else ():
                self.drawn[env] = self.drawn.get(env, 0) + 1
                frame = frame_of(rows[env], self._encoded[env], number=self.drawn[env], at=time.time())
                link.offer(FRAME, frame.header(), [frame.data], key=f"env{env}")
            if not message.is_lossy:
                link.acknowledge(message)
