"""What a network thinks of a recorded battle, decision by decision.

Job: ask a network about both views of a record, for the dashboard's replay player. Place in the data flow: records and
weights -> `panel.replay_of` -> the run folder. Left out: live battles, where seats ask (`players_network`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from gamefleet.games.showdown.panel import replay_of
from gamefleet.games.showdown.players_network import Opinion
from gamefleet.games.showdown.replays.records import trajectory
from gamefleet.games.showdown.replays.trace import Trace, unpack

if TYPE_CHECKING:
    from gamefleet.models.decoder import SequenceOutput

PANEL: Final = "battle"
MOST_DECISIONS: Final = 256
"""Of a view; a longer battle is shown, but the network is not asked about its end."""


def describe_record(data: bytes, network: Any, device: str) -> dict[str, Any]:
    """See `RecordedGame.describe`.

    Raises:
        IncompatibleError: The bytes are no record.
    """
    trace = unpack(data)
    return {PANEL: replay_of(trace, (opinions(trace, 0, network, device), opinions(trace, 1, network, device)))}


def opinions(trace: Trace, view: int, network: Callable[..., SequenceOutput], device: str) -> list[Opinion]:
    """What the network thinks of each decision of a view, having seen those before it."""
    import torch

    from gamefleet.games.recorded import ACTION, NOT_SEEN

    arrays = trajectory(trace, view)
    length = min(MOST_DECISIONS, len(arrays[ACTION]))
    if not length:
        return []
    obs = {
        name: torch.from_numpy(array[None, :length].copy()).to(device)
        for name, array in arrays.items()
        if name not in NOT_SEEN
    }
    place = torch.arange(length, dtype=torch.int32, device=device)[None]
    with torch.inference_mode():
        out = network(obs, torch.ones_like(place), place)
        chances = torch.softmax(out.logits[0].float(), dim=-1).cpu().numpy()
        wins = torch.sigmoid(out.value[0].float()).tolist()
    return [Opinion(probabilities=p, win_chance=win) for p, win in zip(chances, wins, strict=True)]
