"""The encoder: packed arrays to features.

Job: unpack, normalise and embed an observation. Place in the data flow: the first part of the recurrent Q-network, and,
as fixed features without weights, what curiosity looks at. Left out: memory and heads, which every game shares.

A Game Boy picture is a grid of 9 x 10 tiles of 16 pixels, 8 after halving: the slim encoder reads it the way a vision
transformer reads patches, one matrix product per tile, and looks at neighbouring tiles only after that.
That costs 0.9 million multiply-adds an observation, a quarter of three convolutions over all pixels.

Axes: `rows` (batch x time), `features`.
"""
# ruff: noqa: F722 - axis names inside shape annotations are not Python expressions

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from gamefleet.errors import ConfigError, nearest
from gamefleet.games.base import GameSpec
from gamefleet.games.pokemon_red import tables
from gamefleet.games.pokemon_red.encoder_settings import EncoderSettings, parse_settings
from gamefleet.games.pokemon_red.observe import PARTNER_FEATURES, SITUATION_FEATURES
from gamefleet.games.pokemon_red.places import WINDOW_COLUMNS, WINDOW_ROWS

_NUM_TILES = WINDOW_ROWS * WINDOW_COLUMNS
_NUM_MAPS = 256
_PERIODS_TILES = (4.0, 8.0, 16.0, 32.0, 64.0)


def make_encoder(spec: GameSpec, settings: Mapping[str, Any], purpose: str) -> nn.Module:
    """The encoder for one purpose.

    Args:
        spec: The game's spec; its arrays are those of `observe.ARRAYS`.
        settings: Keys of `EncoderSettings`.
        purpose: `policy`, or `novelty` for fixed features without weights.

    Returns:
        A module with `output_size`, from named arrays `[rows, ...]` to `[rows, output_size]`.

    Raises:
        ConfigError: A setting or the purpose is unknown.
    """
    parsed = parse_settings(settings)
    if purpose == "novelty":
        return NoveltyFeatures()
    if purpose == "policy":
        return RedEncoder(parsed)
    raise ConfigError(
        "Unknown purpose of an encoder", value=purpose, where=spec.name, remedy=nearest(purpose, ("policy", "novelty"))
    )


def grey_table(device: torch.device) -> Float[Tensor, "256 4"]:
    """Four grey values for each possible byte, -0.5 (black) to 0.5 (white).

    On a CPU looking them up takes an eighth of the time of shifting and masking.
    """
    pixels = torch.arange(256, device=device).unsqueeze(1) >> torch.tensor([0, 2, 4, 6], device=device) & 3
    return pixels.float() / 3 - 0.5


def unpack_screen(packed: UInt8[Tensor, "rows 72 20"]) -> Float[Tensor, "rows 72 80"]:
    """Grey values of a screen, row by row."""
    return F.embedding(packed.int(), grey_table(packed.device)).flatten(-2)


def unpack_tiles(packed: UInt8[Tensor, "rows 72 20"]) -> Float[Tensor, "rows 9 10 64"]:
    """Grey values of a screen, tile by tile: the 8 x 8 pixels of each. Bytes are sorted before they are unpacked."""
    tiles = packed.reshape(-1, WINDOW_ROWS, 8, WINDOW_COLUMNS, 2).transpose(2, 3).reshape(-1, 9, 10, 16)
    return F.embedding(tiles.int(), grey_table(packed.device)).flatten(-2)


def unpack_bits(packed: UInt8[Tensor, "rows bytes"], *, highest_first: bool) -> Float[Tensor, "rows bits"]:
    """Eight bits a byte to zeros and ones."""
    order = range(7, -1, -1) if highest_first else range(8)
    shifts = torch.tensor(list(order), dtype=torch.uint8, device=packed.device)
    return (packed.unsqueeze(-1) >> shifts & 1).flatten(-2).float()


def unpack_visited(packed: UInt8[Tensor, "rows 12"]) -> Float[Tensor, "rows 9 10 1"]:
    """The visited mask on the grid of tiles that the screen shows."""
    bits = unpack_bits(packed, highest_first=True)[:, :_NUM_TILES]
    return bits.reshape(-1, WINDOW_ROWS, WINDOW_COLUMNS, 1)


class KnownEvents(nn.Module):
    """Picks the named bits out of the event array; the other 2,053 are never set."""

    byte: Tensor
    bit: Tensor

    def __init__(self) -> None:
        super().__init__()
        indices = torch.tensor([event.index for event in tables.events()])
        self.register_buffer("byte", indices // 8, persistent=False)
        self.register_buffer("bit", (indices % 8).to(torch.uint8), persistent=False)
        self.output_size = len(indices)

    def forward(self, events: UInt8[Tensor, "rows 320"]) -> Float[Tensor, "rows features"]:
        """Zeros and ones, one per named event."""
        return (events[:, self.byte] >> self.bit & 1).float()


def position_waves(position: UInt8[Tensor, "rows 4"]) -> Float[Tensor, "rows 20"]:
    """Row and column as sines and cosines of several periods, so that near and far are both easy to tell.

    Source: Vaswani et al. 2017, section 3.5, with periods chosen for maps of up to 144 steps.
    """
    scales = torch.tensor([2 * torch.pi / period for period in _PERIODS_TILES], device=position.device)
    angles = (position[:, 1:3].float().unsqueeze(-1) * scales).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class SlimScreen(nn.Module):
    """Tiles first: each 8 x 8 tile becomes a vector, then two 3 x 3 convolutions look at neighbours.

    The first layer is a convolution of stride 8 written as a matrix product over tiles, whose gradient costs a tenth
    of the convolution's on a CPU; it leaves the channels last, as the next layers like them.

    Args:
        channels: Channels of the first 3 x 3 convolution.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        tile_size = max(channels * 2 // 3, 1)
        self.tile = nn.Linear(8 * 8, tile_size)
        self.near = nn.Conv2d(tile_size + 1, channels, 3, padding=1)
        self.far = nn.Conv2d(channels, channels * 4 // 3, 3, stride=2, padding=1)
        self.output_size = channels * 4 // 3 * 5 * 5

    def forward(self, obs: Mapping[str, Tensor]) -> Float[Tensor, "rows features"]:
        """Features of screen and visited mask."""
        tiles = F.relu(self.tile(unpack_tiles(obs["screen"])))
        grid = torch.cat([tiles, unpack_visited(obs["visited"])], dim=3).permute(0, 3, 1, 2)
        return F.relu(self.far(F.relu(self.near(grid)))).flatten(1)


class StandardScreen(nn.Module):
    """Three convolutions over all pixels; the visited mask is a second channel, stretched to them.

    Args:
        channels: Channels of the first convolution; the others have twice as many.

    Source: the layer sizes of Mnih et al. 2015.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, channels, 8, stride=4),
            nn.ReLU(),
            nn.Conv2d(channels, channels * 2, 4, stride=2),
            nn.ReLU(),
            nn.Conv2d(channels * 2, channels * 2, 3),
            nn.ReLU(),
        )
        self.output_size = channels * 2 * 5 * 6

    def forward(self, obs: Mapping[str, Tensor]) -> Float[Tensor, "rows features"]:
        """Features of screen and visited mask."""
        visited = unpack_visited(obs["visited"]).squeeze(3).repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
        picture = torch.stack([unpack_screen(obs["screen"]), visited], dim=1)
        features: Tensor = self.layers(picture).flatten(1)
        return features


class Facts(nn.Module):
    """Everything but the picture: map, position, party, bag, flags and situation.

    Args:
        embedding: Size of the vectors that stand for maps, species, moves and items.
    """

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.known_events = KnownEvents()
        self.events = nn.Linear(self.known_events.output_size, 4 * embedding)
        self.map = nn.Embedding(_NUM_MAPS, 2 * embedding)
        self.species = nn.Embedding(256, embedding)
        self.moves = nn.Embedding(256, embedding)
        self.items = nn.Embedding(256, embedding)
        self.partner = nn.Linear(2 * embedding + 7, 2 * embedding)
        numbers = 4 * len(_PERIODS_TILES) + 4 + 8 + 5 + 4 + len(SITUATION_FEATURES)
        self.output_size = (4 + 2 + 1 + 1) * embedding + 6 * 2 * embedding + numbers

    def forward(self, obs: Mapping[str, Tensor]) -> Float[Tensor, "rows features"]:
        """All facts side by side."""
        position, now = obs["position"], obs["situation"]
        parts = [
            F.relu(self.events(self.known_events(obs["events"]))),
            self.map(position[:, 0].long()),
            self.species(now[:, SITUATION_FEATURES.index("enemy species")].long()),
            self._bag(obs["bag"]),
            self._party(obs["party"]),
            position_waves(position),
            F.one_hot(position[:, 3].long() & 3, 4).float(),
            unpack_bits(obs["badges"], highest_first=False),
            obs["story"].float() / 8,
            F.one_hot(now[:, 0].long() & 3, 4).float(),
            # Menu rows, levels and species are small numbers; healths, buttons and money use the whole byte.
            now.float() / 64,
        ]
        return torch.cat(parts, dim=1)

    def _bag(self, bag: UInt8[Tensor, "rows 20 2"]) -> Float[Tensor, "rows features"]:
        """Items by their vectors, weighted by the logarithm of their quantity."""
        weights = bag[:, :, 1:].float().log1p()
        total: Tensor = (self.items(bag[:, :, 0].long()) * weights).sum(dim=1)
        return total

    def _party(self, party: UInt8[Tensor, "rows 6 14"]) -> Float[Tensor, "rows features"]:
        """Each partner through the same layer, in the party's order."""
        first_move, first_point = PARTNER_FEATURES.index("move 1"), PARTNER_FEATURES.index("points 1")
        moves = self.moves(party[:, :, first_move:first_point].long()).mean(dim=2)
        scale = torch.tensor([100.0, 255.0, 64.0], device=party.device)
        numbers = party[:, :, 1:4].float() / scale
        points = party[:, :, first_point:].float() / 32
        partners = torch.cat([self.species(party[:, :, 0].long()), moves, numbers, points], dim=2)
        features: Tensor = F.relu(self.partner(partners)).flatten(1)
        return features


class RedEncoder(nn.Module):
    """Screen and facts, joined by one layer.

    Args:
        settings: Kind and sizes.
    """

    def __init__(self, settings: EncoderSettings) -> None:
        super().__init__()
        screen = SlimScreen if settings.kind == "slim" else StandardScreen
        self.screen = screen(settings.channels)
        self.facts = Facts(settings.embedding)
        self.join = nn.Linear(self.screen.output_size + self.facts.output_size, settings.features)
        self.output_size = settings.features

    def forward(self, obs: Mapping[str, Tensor]) -> Float[Tensor, "rows features"]:
        """Features of an observation, not negative."""
        return F.relu(self.join(torch.cat([self.screen(obs), self.facts(obs)], dim=1)))


class NoveltyFeatures(nn.Module):
    """What curiosity looks at: brightness of each tile, where the player is, and which flags are set. No weights.

    Hit points, menus and money are left out on purpose: they change all the time and would drown what matters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.known_events = KnownEvents()
        waves = 4 * len(_PERIODS_TILES)
        self.output_size = _NUM_TILES + _NUM_MAPS + waves + self.known_events.output_size + 8 + 5 + 4

    def forward(self, obs: Mapping[str, Tensor]) -> Float[Tensor, "rows features"]:
        """Features worth whitening."""
        parts = [
            unpack_tiles(obs["screen"]).mean(dim=3).flatten(1),
            F.one_hot(obs["position"][:, 0].long(), _NUM_MAPS).float(),
            position_waves(obs["position"]),
            self.known_events(obs["events"]),
            unpack_bits(obs["badges"], highest_first=False),
            obs["story"].float(),
            F.one_hot(obs["situation"][:, 0].long() & 3, 4).float(),
        ]
        return torch.cat(parts, dim=1)
