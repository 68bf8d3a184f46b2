"""The best agents in a window of their own, without a browser.

Job: draw the newest pictures side by side. Place in the data flow: a subscription of the hub -> screen. Left out:
choosing who is shown.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from gamefleet.errors import MissingDependencyError
from gamefleet.watch.subscription import Shown, Subscription

CAPTION_PIXELS = 20
BACKGROUND, TEXT = (16, 18, 22), (222, 226, 230)
WAIT_S = 0.05


class Window:
    """A window; use it in one thread only.

    Args:
        subscription: Who is shown.
        size: Width and height in pixels.
        title: Of the window.

    Raises:
        MissingDependencyError: pygame is not installed.
    """

    def __init__(self, subscription: Subscription, *, size: tuple[int, int], title: str) -> None:
        self._pygame = _pygame()
        self._subscription = subscription
        self._latest: dict[str, Shown] = {}
        self._pygame.display.init()
        self._pygame.font.init()
        self._screen = self._pygame.display.set_mode(size, self._pygame.RESIZABLE)
        self._pygame.display.set_caption(title)
        self._font = self._pygame.font.Font(None, CAPTION_PIXELS)

    def turn(self) -> bool:
        """Show what came; returns whether the window is still open."""
        shown = self._subscription.next(WAIT_S)
        self._latest.update({picture.id: picture for picture in shown})
        self._draw()
        for event in self._pygame.event.get():
            if event.type == self._pygame.QUIT:
                return False
            if event.type == self._pygame.KEYDOWN and event.key in (self._pygame.K_ESCAPE, self._pygame.K_q):
                return False
        return True

    def close(self) -> None:
        """Close it."""
        self._pygame.quit()

    def _draw(self) -> None:
        self._screen.fill(BACKGROUND)
        agents = self._subscription.agents
        self._latest = {agent: shown for agent, shown in self._latest.items() if agent in agents}
        if not self._latest:
            self._write("waiting for a player", (12, 12))
        ordered = [self._latest[agent] for agent in agents if agent in self._latest]
        for shown, place in zip(ordered, places(len(ordered), self._screen.get_size()), strict=True):
            self._draw_one(shown, place)
        self._pygame.display.flip()

    def _draw_one(self, shown: Shown, place: tuple[int, int, int, int]) -> None:
        x, y, width, height = place
        frame = shown.frame
        try:
            picture = self._pygame.image.load(io.BytesIO(frame.data), f"picture.{frame.codec}")
        except self._pygame.error:
            self._write("a picture that cannot be read", (x, y))
            return
        scale = fitting(picture.get_size(), (width, height - CAPTION_PIXELS))
        size = tuple(max(1, int(side * scale)) for side in picture.get_size())
        self._screen.blit(self._pygame.transform.scale(picture, size), (x, y))
        caption = f"{shown.id}  {frame.milestones} milestones  reward {frame.reward:.1f}  step {frame.steps}"
        self._write(caption, (x, y + size[1] + 3))

    def _write(self, text: str, at: tuple[int, int]) -> None:
        self._screen.blit(self._font.render(text, True, TEXT), at)


def places(count: int, size: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Rectangles (x, y, width, height) for so many pictures in a window, as square a grid as possible."""
    columns = next((number for number in range(1, count + 1) if number * number >= count), 1)
    rows = max(1, -(-count // columns))
    width, height = size[0] // columns, size[1] // rows
    return [(index % columns * width, index // columns * height, width, height) for index in range(count)]


def fitting(picture: Sequence[int], room: Sequence[int]) -> float:
    """The scale at which a picture fills the room; a whole number where it is enlarged, so that pixels stay square."""
    scale = min(room[0] / picture[0], room[1] / picture[1])
    return float(int(scale)) if scale >= 1 else scale


def _pygame() -> Any:
    try:
        import pygame
    except ImportError as error:
        remedy = "pip install 'gamefleet[viewer]', or leave out --window: the page in a browser needs nothing."
        raise MissingDependencyError("The window needs pygame", remedy=remedy) from error
    return pygame
