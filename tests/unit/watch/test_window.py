"""The window, on a display that is not there."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest

from gamefleet.transport.frames import Frame
from gamefleet.transport.pictures import encode
from gamefleet.watch.subscription import Subscription, Wish
from gamefleet.watch.window import Window, fitting, places


@pytest.fixture
def subscription() -> Subscription:
    subscription = Subscription(threading.Condition(threading.RLock()), lambda k: ("m0/0", "m0/1")[:k])
    subscription.wish(Wish(top_k=2, frames_per_s=60.0))
    return subscription


def frame(colour: tuple[int, int, int], number: int = 1) -> Frame:
    picture = np.full((48, 56, 3), colour, np.uint8)
    encoded = encode(picture)
    return Frame(
        env=0, number=number, codec=encoded.codec, width=56, height=48, progress=1.0, reward=2.0, steps=3,
        milestones=4, at=0.0, data=encoded.data,
    )  # fmt: skip


def test_the_window_shows_the_agents_side_by_side(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch, require_module: Callable[[str, str], None]
) -> None:
    require_module("pygame", "pip install 'gamefleet[viewer]'")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    import pygame

    window = Window(subscription, size=(400, 300), title="test")
    try:
        assert window.turn()
        subscription.put("m0/0", frame((200, 0, 0)))
        subscription.put("m0/1", frame((0, 0, 200)))
        assert window.turn()
        screen = pygame.display.get_surface()
        assert screen.get_at((5, 5))[:3] == (200, 0, 0)
        assert screen.get_at((205, 5))[:3] == (0, 0, 200)
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE))
        assert not window.turn()
    finally:
        window.close()


def test_pictures_are_enlarged_by_whole_numbers_only() -> None:
    assert fitting((160, 144), (800, 600)) == 4.0
    assert fitting((160, 144), (80, 72)) == 0.5


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 1), (2, 2), (5, 5)])
def test_places_do_not_overlap(count: int, expected: int) -> None:
    found = places(count, (800, 600))
    assert len(set(found)) == expected
    assert all(x + width <= 800 and y + height <= 600 for x, y, width, height in found)
