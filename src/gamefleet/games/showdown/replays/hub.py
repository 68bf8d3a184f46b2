"""Collections of battles on the Hugging Face hub, read by row group.

Job: list the parquet files of a data set at one fixed revision, and read parts of them by range requests. Place in the
data flow: under `download`. Left out: what rows mean (`sources`), and keeping them.

`HF_ENDPOINT` names another hub, for example a mirror; `HF_TOKEN` a token for collections that want one. Requests that
fail are repeated by the hub's own client before they count as failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gamefleet.errors import GamefleetError
from gamefleet.games.showdown.replays.sources import PARQUET
from gamefleet.games.showdown.replays.sources_parquet import SourceError, needs_extra

BLOCK_BYTES: Final = 8 * 2**20
"""Of a range request at least: row groups take some ten of these."""


class HubError(GamefleetError):
    """The hub cannot be reached, or does not have what was asked for."""

    exit_code = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """One file of a data set.

    Args:
        name: Its path within the data set.
        num_bytes: Its size.
    """

    name: str
    num_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A data set at one revision.

    Args:
        repository: `owner/name`.
        revision: Commit; later changes of the data set do not touch a download that was begun.
        licence: As its page states it; empty when it does not.
        files: Parquet files in the order of names.
    """

    repository: str
    revision: str
    licence: str
    files: tuple[HubFile, ...]


def look_up(repository: str, revision: str = "") -> Collection:
    """Ask the hub what a data set holds.

    Args:
        repository: `owner/name`.
        revision: Commit or branch; the newest when empty.

    Raises:
        HubError: The hub cannot be reached, or has no such data set.
        MissingDependencyError: Its client is not installed.
    """
    with explained(repository):
        info = _client().dataset_info(repository, revision=revision or None, files_metadata=True, timeout=30)
    files = [HubFile(name=file.rfilename, num_bytes=file.size or 0) for file in info.siblings or []]
    parquet = sorted((file for file in files if file.name.endswith(PARQUET)), key=lambda file: file.name)
    if not parquet:
        raise HubError(
            "A data set has no parquet files",
            where=f"{repository} at {info.sha}",
            remedy="Download its files yourself and name them with --from.",
        )
    licence = (info.card_data or {}).get("license") or ""
    return Collection(repository=repository, revision=info.sha, licence=str(licence), files=tuple(parquet))


@contextmanager
def opened(collection: Collection, file: HubFile) -> Iterator[Any]:
    """A file of the hub as a stream that can seek, and fetches what is read of it.

    Raises:
        HubError: The hub cannot be reached.
    """
    path = f"datasets/{collection.repository}@{collection.revision}/{file.name}"
    with (
        explained(path),
        _file_system().open(path, "rb", block_size=BLOCK_BYTES, size=file.num_bytes) as stream,
    ):
        yield stream


def cached(repository: str) -> Path:
    """Where the hub's client keeps a data set that was downloaded whole, without asking anybody.

    Raises:
        HubError: It has none.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise needs_extra("huggingface_hub") from error
    try:
        return Path(snapshot_download(repository, repo_type="dataset", local_files_only=True))
    except FileNotFoundError as error:
        raise HubError(
            "Working offline, and this machine keeps no copy of a data set",
            where=repository,
            remedy="Where there is a network: `hf download --repo-type dataset "
            + repository
            + "`, copy the folder here"
            " and name it with --from; or play battles: gamefleet replays generate.",
        ) from error


@contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn the hub's and the network's errors inside the block into ones that say what to do.

    Raises:
        HubError: Whatever failed.
    """
    try:
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError as error:
        raise needs_extra("huggingface_hub") from error
    # Besides OSError the hub's error inherits from the error of whatever library carries its requests.
    network: tuple[type[Exception], ...] = tuple(
        base for base in HfHubHTTPError.__mro__[1:] if issubclass(base, Exception) and base is not Exception
    )
    try:
        yield
    except SourceError:
        raise
    except HfHubHTTPError as error:
        raise _refused(error, where) from error
    except network as error:
        raise HubError(
            f"The hub cannot be reached: {str(error) or type(error).__name__}",
            where=f"{endpoint()}, {where}",
            remedy="Is there a network here? Compute nodes often have none: download on the login node. Otherwise name "
            "files with --from, a mirror with HF_ENDPOINT, or play battles: gamefleet replays generate.",
        ) from error


def endpoint() -> str:
    """Address of the hub."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _refused(error: Any, where: str) -> HubError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    wants_token = status in (401, 403)
    return HubError(
        f"The hub refused a request with status {status}: {str(error).splitlines()[0]}",
        where=f"{endpoint()}, {where}",
        remedy="Accept its terms on its page if it has some, and log in: `hf auth login`, or set HF_TOKEN."
        if wants_token
        else "Try again later: what is downloaded is kept. Or name files with --from.",
    )


def _client() -> Any:
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint())


def _file_system() -> Any:
    from huggingface_hub import HfFileSystem

    return HfFileSystem(endpoint=endpoint())
