"""How errors are shown: one paragraph on standard error and an exit code, a traceback only on request.

Job: run a command and explain what went wrong. Place in the data flow: around every sub-command. Left out: what errors
say, which is decided where they are raised.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Callable

import typer

from gamefleet.errors import GamefleetError

EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

EXIT_BUG = 70
"""EX_SOFTWARE of sysexits.h: an error that no user can mend."""


def run_and_explain(command: Callable[[], object], *, debug: bool) -> int:
    """Call a command.

    Args:
        command: Parses and runs.
        debug: Let exceptions through, with their traceback.

    Returns:
        The exit status: the error class's own, 2 for a command line that does not parse, 70 for a bug.
    """
    try:
        status = command()
        sys.stdout.flush()  # here, where a reader that has gone is no error yet
    except GamefleetError as error:
        if debug:
            raise
        return complain(str(error), error.exit_code)
    except KeyboardInterrupt:
        return complain("Interrupted.", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of a pipe has gone, for example `| head`; nothing may be flushed into it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        return explain_unexpected(error)
    if status == EXIT_INTERRUPTED:  # the parser turns KeyboardInterrupt into this status without a word
        return complain("Interrupted.", EXIT_INTERRUPTED)
    return status if isinstance(status, int) else 0


def explain_unexpected(error: Exception) -> int:
    """Say what the parser refused, or that this is a bug and where its traceback lies; return the exit status."""
    if is_usage_error(error):
        error.show()  # type: ignore[attr-defined]  # the parser inside typer has no public name
        return int(error.exit_code)  # type: ignore[attr-defined]  # as above
    if isinstance(error, typer.Abort):
        return complain("Aborted.", 1)
    with tempfile.NamedTemporaryFile("w", prefix="gamefleet-traceback-", suffix=".txt", delete=False) as stream:
        stream.write("".join(traceback.format_exception(error)))
    return complain(
        f"This is a bug in gamefleet: {type(error).__name__}: {error}. The traceback is in {stream.name}; please "
        "report it together with the command. With --debug it is shown here.",
        EXIT_BUG,
    )


def is_usage_error(error: Exception) -> bool:
    """Whether the parser refused the command line."""
    return isinstance(error, typer.BadParameter) or any(
        base.__name__ == "ClickException" for base in type(error).__mro__
    )


def complain(text: str, status: int) -> int:
    """Print to standard error and return the exit status."""
    print(f"gamefleet: {text}", file=sys.stderr)
    return status
