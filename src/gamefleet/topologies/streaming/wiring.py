"""Showing a run while it plays: what is put together for that, around any actor.

Job: attach the stage to an actor and start the sender, if the settings say so. Place in the data flow: beside training
and beside actors that only play. Left out: what the parts do (`stage`, `sender`, `ways`)
and who watches (`watch`).
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gamefleet.actors.actor import Actor
from gamefleet.errors import ConfigError, GamefleetError
from gamefleet.runs.carried import carrying_fleet
from gamefleet.runs.paths import RunPaths
from gamefleet.topologies.config import RunConfig
from gamefleet.topologies.shared_folder.settings import member_name
from gamefleet.topologies.streaming.settings import StreamingSettings
from gamefleet.topologies.streaming.shows import Board, Shows
from gamefleet.topologies.streaming.stage import Stage
from gamefleet.transport.frames import Credits, PlayerFacts
from gamefleet.transport.link_settings import LinkSettings
from gamefleet.transport.rendezvous import Endpoint, publish_login_host, publish_token, rendezvous
from gamefleet.transport.token import usual_place

if TYPE_CHECKING:
    from gamefleet.topologies.streaming.sender import Sender

log = logging.getLogger(__name__)


def places_of_run(config: RunConfig) -> list[Path]:
    """Where this run and its viewers find each other: in the run, its fleet, the folder of all runs, the shared folder.

    The last one counts only for those who asked for viewers: others may write there, and each word that they leave is
    a connection that is tried.
    """
    paths = RunPaths(Path(config.run.runs_folder) / config.run.name)
    folders = [paths.root]
    carrier = carrying_fleet(paths)
    if carrier is not None:
        folders.append(carrier.parent)
    folders.append(paths.root.parent)
    if config.collaboration.enabled and config.streaming.enabled is True:
        folders.append(config.collaboration.folder)
    return list(dict.fromkeys(rendezvous(folder.absolute()) for folder in folders))


@contextmanager
def streamed_run(config: RunConfig, actor: Actor, environ: Mapping[str, str] = os.environ) -> Iterator[None]:
    """Show a run's agents while the block lasts, if its settings say so.

    Args:
        config: Of the run.
        actor: Plays.
        environ: Of this process.
    """
    if not config.streaming.enabled:
        yield
        return
    collaboration = config.collaboration
    member = member_name(collaboration, config.run.name) if collaboration.enabled else config.run.name
    places = places_of_run(config)
    if config.streaming.enabled is True:
        try:
            publish_token(places, environ, own_token(environ))
        except GamefleetError as error:
            log.warning("streaming: %s", error)
    with streamed(actor, config.streaming, places=places, member=member, run=config.run.name, environ=environ):
        yield


@contextmanager
def streamed_member(actor: Actor, settings: StreamingSettings, *, folder: Path, member: str) -> Iterator[None]:
    """Show the games of a member that only plays while the block lasts.

    Word of how it goes is left with this machine: what it writes into the shared folder is for its learners.

    Args:
        actor: Plays.
        settings: Where and how much.
        folder: The shared folder, or this machine's copy.
        member: Its name.
    """
    place = rendezvous(folder.absolute())
    with streamed(actor, settings, places=[place], member=member, run=folder.name, leaves_word=False):
        yield


@contextmanager
def streamed(
    actor: Actor,
    settings: StreamingSettings,
    *,
    places: Sequence[Path],
    member: str,
    run: str,
    environ: Mapping[str, str] = os.environ,
    leaves_word: bool = True,
    link: LinkSettings | None = None,
) -> Iterator[None]:
    """Show an actor's games while the block lasts.

    Args:
        actor: Plays.
        settings: Where and how much.
        places: Rendezvous folders; word is left in the first.
        member: Name of the player for people who watch.
        run: What it belongs to.
        environ: Of this process.
        leaves_word: Say in the first place how the streaming goes.
        link: Bounds and times of the link.
    """
    facts = facts_of(actor, member, run)
    if facts is None:
        yield
        return
    stage, board = Stage(actor), Board(places[0] if leaves_word else None)
    actor.attach(stage)

    def begin(endpoint: Endpoint | None) -> Sender:
        from gamefleet.topologies.streaming.sender import Sender
        from gamefleet.topologies.streaming.ways import Ways

        ways = Ways(places, port=settings.port, endpoint=endpoint, environ=environ)
        credits = Credits(top_k=settings.top_k, frames_per_s=settings.frames_per_s)
        return Sender(stage, credits, ways, facts=facts, board=board, settings=link)

    with closing(Shows(places, begin, seeks=settings.enabled is True)):
        yield


def facts_of(actor: Actor, member: str, run: str) -> PlayerFacts | None:
    """What an actor's player says of itself; None for a game that shows nothing."""
    vector = actor.vector
    shape = vector.spec.picture_shape
    if not vector.scene.has_pictures or shape is None:
        log.info("streaming: %s has no pictures, so there is nothing to show", vector.spec.name)
        return None
    return PlayerFacts(
        member=member,
        run=run,
        game=vector.spec.name,
        num_envs=vector.num_envs,
        picture=shape,
        process=secrets.token_hex(8),
    )


def prepare_fleet(folders: Sequence[Path], *, host: str, environ: Mapping[str, str] = os.environ) -> None:
    """What the jobs of a fleet need to be watched: a token, and the name of the machine on which people log in.

    Args:
        folders: The fleet's and the shared one.
        host: This machine, on which the fleet is started.
        environ: Of this process.

    Raises:
        GamefleetError: The first folder cannot be written.
    """
    places = [rendezvous(folder.absolute()) for folder in folders]
    publish_token(places, environ, own_token(environ))
    for place in places:
        publish_login_host(place, host)


def own_token(environ: Mapping[str, str]) -> Path | None:
    """Where a fresh token is kept for this user; None without a home folder."""
    try:
        return usual_place(environ)
    except ConfigError:
        return None
