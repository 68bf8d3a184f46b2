"""Whether a rehearsal of a fleet reached what it must: sentences that are true, or why not.

Job: judge the end. Place in the data flow: facts of `fleet_rehearsal_account` in, findings out. Left out: printing and
exit codes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gamefleet.errors import CorruptCheckpointError
from gamefleet.experience.chunk_file import MAX_CONTENT_BYTES
from gamefleet.testing.fleet_rehearsal_account import Death, contributions, handed_over
from gamefleet.testing.rehearsal_chains import Chain, handovers
from gamefleet.transport.folder_files import environments, listed, read_chunk
from gamefleet.weights.blobs import NotHereError, read_blob
from gamefleet.weights.manifests import Version
from gamefleet.weights.shared_paths import SharedPaths, numbered
from gamefleet.weights.store import SharedStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was checked.

    Args:
        sentence: What must be so.
        trouble: Why it is not; empty when it is.
    """

    sentence: str
    trouble: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether it is as it must be."""
        return not self.trouble


def finding(sentence: str, troubles: Iterable[str]) -> Finding:
    """A finding from all that was found wrong; at most the first three are told."""
    return Finding(sentence=sentence, trouble="; ".join(list(troubles)[:3]))


def chains_went_on(chains: Sequence[Chain], least_legs: int) -> Iterator[str]:
    """What is wrong with the chains: too few legs, a hand-over that lost something, an end that is none."""
    for chain in chains:
        if chain["state"] != "stopped":
            yield f"{chain['chain']} is {chain['state']}: {chain['reason']}"
        if len(chain["legs"]) < least_legs:
            yield f"{chain['chain']} has {len(chain['legs'])} job(s), expected {least_legs} or more"
        failed = [row["leg"] for row in chain["legs"] if row["leg"]["outcome"] == "failed"]
        yield from (f"leg {leg['number']} of {chain['chain']} failed: see slurm-{leg['job']}.err" for leg in failed)
        lost = sum(handover["lost_steps"] for handover in handovers(chain))
        if lost:
            yield f"{chain['chain']} lost {lost} steps that had been saved"


def merged_once(line: Sequence[Version], paths: SharedPaths) -> Iterator[str]:
    """What is wrong with the line of versions: work that is in it twice, or accounts that do not add up.

    A contribution covers everything that its member had not in the weights yet when it began; that it began where the
    last one of that member ended is what `included` says.
    """
    seen: set[tuple[str, int]] = set()
    begins = {(one.member, one.seq): one.included for m in paths.member_ids() for one in contributions(paths, m)}
    for parent, version in pairwise(line):
        for one in version.inputs:
            key, before = (one.member, one.seq), parent.included.get(one.member, 0)
            if key in seen:
                yield f"contribution {one.seq} of {one.member} is in version {version.version}, and in an earlier one"
            if begins.get(key, before) != before:
                yield f"version {version.version}: {one.member} {one.seq} begins at {begins[key]}, not at {before}"
            seen.add(key)
    if line and line[0].version == 0:
        yield from wrong_sums(line)


def wrong_sums(line: Sequence[Version]) -> Iterator[str]:
    """Members whose account is not the sum of what the versions took from them."""
    for member, totals in line[-1].totals.items():
        inputs = [one for version in line for one in version.inputs if one.member == member]
        if (sum(one.samples for one in inputs), len(inputs)) != (totals.samples, totals.merges):
            yield f"the account of {member} says {totals.samples} samples in {totals.merges} merges"


def half_files(paths: SharedPaths, *, is_copy: bool) -> Iterator[str]:
    """Files that are not what is said of them; in a copy, contents may still be on their way."""
    store = SharedStore(paths, clock=lambda: 0.0)
    manifests = [
        (paths.weights(member), one.blob) for member in paths.member_ids() for one in contributions(paths, member)
    ]
    versions = [store.version(number) for number in numbered(paths.merged)]
    manifests += [(paths.merged, version.blob) for version in versions if version is not None]
    for folder, blob in manifests:
        try:
            read_blob(folder, blob)
        except NotHereError:
            if not is_copy:
                yield f"{folder / blob.name} never came"
        except CorruptCheckpointError as error:
            yield str(error)
    for member in paths.member_ids():
        yield from half_chunks(paths, member)


def half_chunks(paths: SharedPaths, member: str) -> Iterator[str]:
    """Chunks of a member that are damaged."""
    folder = paths.experience(member)
    for name in environments(folder):
        for seq, manifest in listed(folder / name).items():
            found = read_chunk(manifest, max_bytes=MAX_CONTENT_BYTES)
            if found.kind == "damaged":
                yield f"chunk {member}/{name}/{seq}: {found.reason}"


def unaccounted(deaths: Sequence[Death], line: Sequence[Version], shared: SharedPaths) -> Iterator[str]:
    """What members had published when they were killed and of which nobody can say what became of it."""
    store = SharedStore(shared, clock=lambda: 0.0)
    refused = store.refused()
    for death in deaths:
        last = max(death.published, default=0)
        reached = max([line[-1].included.get(death.member, 0), *numbered(shared.weights(death.member))])
        if reached < last and not refused.has(death.member, last):
            yield f"contribution {last} of {death.member}, made before it was killed, never arrived"
        arrived = handed_over(shared, death.member)
        for name, seq in death.chunks.items():
            if arrived.get(name, -1) < seq:
                yield f"chunk {seq} of {death.member}/{name}, written before it was killed, never arrived"


def not_growing(line: Sequence[Version], deaths: Mapping[str, int]) -> Iterator[str]:
    """Deaths after which no version was made; each has the version at which it happened."""
    for what, version in deaths.items():
        if line[-1].version <= version:
            yield f"no version was made after {what} (version {version})"
