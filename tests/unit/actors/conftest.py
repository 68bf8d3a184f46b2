"""Makes the toy games of this folder importable here and in worker processes."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def toy_games_are_importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(folder)
    yield
    sys.modules.pop("corridor_toy", None)
