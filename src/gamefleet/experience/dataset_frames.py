"""Frames: how one record is compressed, alone or with what records have in common.

Job: bytes of a record to a zstd frame and back. Place in the data flow: under `dataset` and `dataset_writer`. Left out:
where frames lie.

A record is small, so that most of what zstd could leave out stands in *other* records. A dictionary, learned from a
sample, holds that: each frame still opens alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import zstandard

from gamefleet.experience.dataset_format import MAX_RECORD_BYTES, broken

LEVEL = 9
"""Of zstd; reading costs the same at every level."""

DICTIONARY_BYTES = 112 * 2**10
"""What zstd itself proposes; it is read once per process."""

LEAST_SAMPLE = 200
"""A dictionary of fewer records would be as large as what it saves."""


def learn_dictionary(records: Sequence[bytes]) -> bytes:
    """A dictionary from a sample of records; empty when there are too few of them.

    The same sample gives the same dictionary.
    """
    if len(records) < LEAST_SAMPLE:
        return b""
    return bytes(zstandard.train_dictionary(DICTIONARY_BYTES, list(records)).as_bytes())


def compressor(dictionary: bytes = b"") -> zstandard.ZstdCompressor:
    """Compresses records; every frame states its size and has a checksum."""
    if not dictionary:
        return zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
    shared = zstandard.ZstdCompressionDict(dictionary)
    shared.precompute_compress(level=LEVEL)  # else it would be digested again for every record
    return zstandard.ZstdCompressor(
        level=LEVEL, dict_data=shared, write_checksum=True, write_content_size=True, write_dict_id=False
    )


def decompressor(dictionary: bytes = b"") -> zstandard.ZstdDecompressor:
    """Opens what `compressor` with the same dictionary made."""
    if not dictionary:
        return zstandard.ZstdDecompressor()
    return zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(dictionary))


def open_frame(opener: zstandard.ZstdDecompressor, frame: bytes, size: int, *, where: object) -> bytes:
    """The record in a frame, which has to state the size that the index says: more memory is never asked for.

    Raises:
        DatasetError: The frame is damaged or states another size.
    """
    try:
        stated = zstandard.frame_content_size(frame)
        if stated != size or size > MAX_RECORD_BYTES:
            raise broken(f"A record states {stated} bytes, its index says {size}", where)
        record: bytes = opener.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise broken(f"A record cannot be opened: {error}", where) from error
    if len(record) != size:
        raise broken(f"A record holds {len(record)} bytes, its index says {size}", where)
    return record
