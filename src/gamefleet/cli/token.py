"""`gamefleet token`: the one secret that a user's machines share.

Job: make it, show where it lies, and bring it to another machine through ssh. Place in the data flow: once per user,
before anything is watched or connected. Left out: what a token is (`transport.token`) and what it opens
(`transport.tls`).

It goes through the standard input of ssh, never through an argument: those can be read by every user of a machine.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gamefleet.errors import ClusterError, ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from gamefleet.transport.token import Token

app = typer.Typer(help="Make the secret that your machines share, and bring it to them.", rich_markup_mode="markdown")

LoginArgument = Annotated[str, typer.Argument(metavar="[USER@]HOST", help="As for `ssh`.")]
FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="The token's file; ~/.config/gamefleet/token by default.")
]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Write over another token that is there.")]
SshOption = Annotated[Path | None, typer.Option("--ssh-config", metavar="FILE", help="As for `ssh -F`.")]

OTHER_STATUS, NONE_STATUS = 17, 18
"""Of the scripts below: there is another token, there is none."""

PUT = f"""umask 077
folder="$HOME/.config/gamefleet"
mkdir -p "$folder" || exit 1
fresh="$folder/.tmp-token-$$"
cat > "$fresh" && [ -s "$fresh" ] || exit 1
if [ -s "$folder/token" ] && [ "$1" != replace ] && ! cmp -s "$fresh" "$folder/token"; then
    rm -f "$fresh"
    exit {OTHER_STATUS}
fi
chmod 600 "$fresh" && mv -f "$fresh" "$folder/token"
"""
GET = f"""[ -s "$HOME/.config/gamefleet/token" ] || exit {NONE_STATUS}
cat "$HOME/.config/gamefleet/token"
"""
TIMEOUT_S = 120.0


@app.callback(invoke_without_command=True)
def token(
    context: typer.Context,
    file: FileOption = None,
    show: Annotated[bool, typer.Option("--show", help="Print the secret itself.")] = False,
) -> None:
    """Make a token unless there is one, and say where it lies.

    Machines that hold the same token can connect: a job and the viewer at your laptop, a server and the laptop with the
    GPU. The fingerprint may be shown to anybody; it is equal where the tokens are.
    """
    if context.invoked_subcommand is not None:
        return
    path = place(file)
    is_there = path.exists()
    found = ours(path)
    print(f"{'There is a token' if is_there else 'Made a token'}: {path}, fingerprint {found.fingerprint}")
    if show:
        print(found.text)


@app.command()
def send(
    login: LoginArgument, file: FileOption = None, replace: ReplaceOption = False, ssh_config: SshOption = None
) -> None:
    """Put this machine's token on another one, through ssh."""
    path = place(file)
    found = ours(path)
    done = over_ssh(login, PUT, "replace" if replace else "keep", given=found.text + "\n", ssh_config=ssh_config)
    if done.returncode == OTHER_STATUS:
        raise ConfigError(
            "There is another token on that machine",
            value=login,
            remedy=f"`gamefleet token fetch {login} --replace` takes that one over, `send --replace` writes over it.",
        )
    if done.returncode:
        fail(login, done)
    print(f"{login} holds the token with the fingerprint {found.fingerprint} now.")


@app.command()
def fetch(
    login: LoginArgument, file: FileOption = None, replace: ReplaceOption = False, ssh_config: SshOption = None
) -> None:
    """Take over the token of another machine, through ssh."""
    from gamefleet.transport.token import Token, read_token, write_token

    done = over_ssh(login, GET, given="", ssh_config=ssh_config)
    if done.returncode == NONE_STATUS:
        raise ConfigError(
            "There is no token on that machine", value=login, remedy=f"`gamefleet token send {login}` puts one there."
        )
    if done.returncode:
        fail(login, done)
    theirs, path = Token(done.stdout.strip()), place(file)
    if path.exists() and not replace and read_token(path) != theirs:
        raise ConfigError(
            "There is another token on this machine",
            where=path,
            remedy=f"`gamefleet token send {login} --replace` puts it there, `fetch --replace` writes over it.",
        )
    write_token(path, theirs, replace=True)
    print(f"{path} holds the token of {login} now, fingerprint {theirs.fingerprint}.")


def place(file: Path | None) -> Path:
    """Where this machine's token lies, or shall lie."""
    from gamefleet.transport.token import FILE_VARIABLE, usual_place

    named = os.environ.get(FILE_VARIABLE)
    return file or (Path(named).expanduser() if named else usual_place(os.environ))


def ours(path: Path) -> Token:
    """This machine's token; made when there is none."""
    from gamefleet.transport.token import read_token, write_token

    return read_token(path) if path.exists() else write_token(path)


def over_ssh(
    login: str, script: str, *words: str, given: str, ssh_config: Path | None
) -> subprocess.CompletedProcess[str]:
    """Run a script on another machine, whatever shell the user has there.

    Raises:
        ConfigError: The login cannot be one.
        MissingDependencyError: ssh is not installed.
        ClusterError: It does not answer.
    """
    from gamefleet.cluster.checks.host import Host
    from gamefleet.cluster.ssh import make_remote, ssh_words

    user, _, host = login.rpartition("@")
    remote = make_remote(user=user, host=host, folder=".")
    command = ssh_words(Host(name=remote.login, ssh_config=ssh_config))
    if sys.stdin.isatty():  # somebody is there to answer when ssh asks for a password
        command = [word.replace("BatchMode=yes", "BatchMode=no") for word in command]
    command += ["--", remote.login, shlex.join(["sh", "-c", script, "sh", *words])]
    try:
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=TIMEOUT_S)
    except FileNotFoundError as error:
        remedy = "`sudo apt-get install openssh-client`, or `brew install openssh`."
        raise MissingDependencyError("OpenSSH is not installed on this machine", remedy=remedy) from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError("ssh did not finish", value=login, remedy="Is the machine reachable?") from error


def fail(login: str, done: subprocess.CompletedProcess[str]) -> NoReturn:
    """Say what ssh or the other machine said.

    Raises:
        ClusterError: Always.
    """
    lines = done.stderr.strip().splitlines()
    raise ClusterError(
        f"The other machine could not be reached or refused: {lines[-1] if lines else f'status {done.returncode}'}",
        value=login,
        remedy=f"Try `ssh {login} true`.",
    )
