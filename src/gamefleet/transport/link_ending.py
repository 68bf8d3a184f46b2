"""Why a connection ended, in a sentence.

Job: one exception for every end of a connection, and the way to it from what went wrong. Place in the data flow: raised
by `link_connection`, understood by whoever opened it. Left out: what follows from it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from gamefleet.transport import tls
from gamefleet.transport.link_state import ENDED, REFUSED
from gamefleet.transport.wire import Goodbye, plain_text


class EndedError(Exception):
    """A connection ended; the text says why, for people.

    Args:
        why: A sentence without a full stop.
        is_final: Whether it would end the same way again until a person does something.
        is_over: Whether the other side has closed the session.
        is_ours: Whether this side decided it, and the other one does not know why yet.
    """

    def __init__(self, why: str, *, is_final: bool = False, is_over: bool = False, is_ours: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.is_final = is_final
        self.is_over = is_over
        self.is_ours = is_ours


@contextmanager
def explained() -> Iterator[None]:
    """Turn what a connection can die of inside the block into a sentence.

    Raises:
        EndedError: It died.
    """
    try:
        yield
    except (OSError, EOFError) as error:
        raise explained_error(error) from error


def explained_error(error: OSError | EOFError) -> EndedError:
    """The sentence for what a connection died of; errors of TLS are errors of the system, too."""
    if isinstance(error, ssl.SSLError):
        why, is_final = tls.explain(error)
        return EndedError(why, is_final=is_final)
    if isinstance(error, EOFError):
        return EndedError("the other side hung up")
    return EndedError(f"the connection broke: {error.strerror or error}")


def ended_by(goodbye: Goodbye) -> EndedError:
    """What a goodbye of the other side means here."""
    return EndedError(
        plain_text(goodbye.why) or "the other side ended the connection",
        is_final=goodbye.reason == REFUSED,
        is_over=goodbye.reason == ENDED,
    )
