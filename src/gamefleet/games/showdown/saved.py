"""The format of saved battles.

Job: a battle as its beginning and the choices of one side, as bytes that can be trusted. Place in the data flow:
`save_states` and `restore_states`; the bytes lie in checkpoints and state archives. Left out: playing it again.

The simulator is deterministic, and so are its inside policies: seed, format, opponent and the learner's own choices are
the whole state. A mark, a checksum and a JSON array.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from gamefleet.errors import IncompatibleError
from gamefleet.games.showdown.host.install import wanted_version

VERSION: Final = "1"
"""Of the game: changes when observations, actions, rewards or saved states change their meaning."""

_MARK: Final = b"GFPS"
_HASH_BYTES: Final = 8


class SavedBattle(msgspec.Struct, frozen=True, kw_only=True):
    """What a saved state holds.

    Args:
        game: `VERSION` and the simulator's version.
        format: Of the battle.
        opponent: Policy of the other side.
        seed: Of the battle.
        choices: Of the learner's side, in the simulator's words.
        first_choice: Choices that were made before the episode began.
    """

    game: str
    format: str
    opponent: str
    seed: str
    choices: tuple[str, ...]
    first_choice: int


def game_version() -> str:
    """Of everything that saved battles depend on."""
    return f"{VERSION} {wanted_version()}"


def pack(saved: SavedBattle) -> bytes:
    """A battle as bytes; equal battles give equal bytes."""
    data = _MARK + msgspec.json.encode(saved)
    return data + _hash(data)


def unpack(data: bytes) -> SavedBattle:
    """Read a saved battle.

    Raises:
        IncompatibleError: The bytes are no saved battle, damaged, or of another version.
    """
    body, checksum = data[:-_HASH_BYTES], data[-_HASH_BYTES:]
    if not body.startswith(_MARK) or _hash(body) != checksum:
        raise IncompatibleError(
            "These bytes are no saved battle of Pokémon Showdown, or damaged",
            value=data[:20],
            remedy="Use states that save_state wrote.",
        )
    try:
        saved = msgspec.json.decode(body[len(_MARK) :], type=SavedBattle)
    except msgspec.MsgspecError as error:
        raise IncompatibleError("This saved battle has another form", value=str(error)) from error
    if saved.game != game_version():
        raise IncompatibleError(
            "The saved battle is of another version",
            value=saved.game,
            where=f"this one is {game_version()}",
            remedy="Play with the version that saved it.",
        )
    return saved


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=_HASH_BYTES).digest()
