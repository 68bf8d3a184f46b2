"""Pictures for a browser, through a web socket.

Job: one watcher per socket; each agent's next picture is sent when the browser has drawn the last one. Place in the
data flow: `hub` -> here -> the pages. Left out: who may connect at all (`security`), and drawing.

    browser -> here    {"watch": [ids] or "best", "top_k": 2, "fps": 15}      at the beginning and whenever it changes
                       {"got": id or number}                                  after each picture
    here -> browser    uint32, little endian: length of the header; the header as JSON {id, codec, width, height,
                       number, progress, reward, steps, milestones, at}; the picture
"""

from __future__ import annotations

import asyncio
import json
import struct
from contextlib import suppress
from typing import Annotated, Any, Literal

import msgspec
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from gamefleet.transport.frames import MOST_FRAMES_PER_S
from gamefleet.watch.hub import Hub
from gamefleet.watch.subscription import MOST_WATCHED, Shown, Subscription, Wish

PATH = "/ws/frames"
REQUEST_BYTES = 1 << 16
MOST_SOCKETS = 64
SEND_TIMEOUT_S = 20.0
"""A browser that takes nothing for so long is gone, asleep or hostile; a living one connects again."""

IDLE_S = 0.1
POLICY_VIOLATION, TRY_AGAIN_LATER = 1008, 1013

Id = Annotated[str, msgspec.Meta(max_length=256)]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser says."""

    watch: Annotated[list[Id], msgspec.Meta(max_length=MOST_WATCHED)] | Literal["best"] | None = None
    top_k: Annotated[int, msgspec.Meta(ge=1, le=MOST_WATCHED)] = 2
    fps: Annotated[float, msgspec.Meta(gt=0, le=MOST_FRAMES_PER_S)] = 15.0
    got: Id | int | None = None


class FramesSocket:
    """Serves the sockets of one hub.

    Args:
        hub: Where pictures come from.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._num_open = 0

    def route(self) -> WebSocketRoute:
        """For a Starlette app."""
        return WebSocketRoute(PATH, self.serve)

    async def serve(self, socket: WebSocket) -> None:
        """One browser, until it goes."""
        await socket.accept()
        if self._num_open >= MOST_SOCKETS:
            await socket.close(TRY_AGAIN_LATER, "too many watch already")
            return
        self._num_open += 1
        watcher = Watcher(socket, self._hub.watch())
        try:
            await watcher.run()
        finally:
            self._num_open -= 1
            watcher.subscription.close()


class Watcher:
    """One browser.

    Args:
        socket: To it.
        subscription: Its own.
    """

    def __init__(self, socket: WebSocket, subscription: Subscription) -> None:
        self.subscription = subscription
        self._socket = socket
        self._on_screen: dict[str, int] = {}
        self._pause_s = IDLE_S

    async def run(self) -> None:
        """Hear and show until one of them ends."""
        tasks = [asyncio.ensure_future(self._hear()), asyncio.ensure_future(self._show())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            # A browser that goes while something is being sent to it is no fault of anybody.
            is_expected = isinstance(result, WebSocketDisconnect | asyncio.CancelledError | TimeoutError | OSError)
            if isinstance(result, BaseException) and not is_expected:
                raise result

    async def _hear(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                request = msgspec.json.decode((message.get("text") or "")[:REQUEST_BYTES], type=Request)
            except (msgspec.MsgspecError, UnicodeError, RecursionError):
                await self._socket.close(POLICY_VIOLATION, "this request was not understood")
                return
            self._obey(request)

    def _obey(self, request: Request) -> None:
        if request.got is not None:
            done = [agent for agent, number in self._on_screen.items() if request.got in (agent, number)]
            for agent in done:
                del self._on_screen[agent]
        if request.watch is not None:
            agents: Any = request.watch if request.watch == "best" else tuple(request.watch)
            self.subscription.wish(Wish(agents=agents, top_k=request.top_k, frames_per_s=request.fps))
            self._on_screen = {}
            self._pause_s = min(IDLE_S, 0.25 / request.fps)

    async def _show(self) -> None:
        while not self.subscription.is_closed:
            for shown in self.subscription.take(self._on_screen):
                self._on_screen[shown.id] = shown.frame.number
                await asyncio.wait_for(self._socket.send_bytes(as_bytes(shown)), SEND_TIMEOUT_S)
            await asyncio.sleep(self._pause_s)
        with suppress(RuntimeError):
            await self._socket.close()


def as_bytes(shown: Shown) -> bytes:
    """A picture with its header, as the pages read it."""
    frame = shown.frame
    header = {"id": shown.id, **frame.header()}
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    return struct.pack("<I", len(text)) + text + frame.data
