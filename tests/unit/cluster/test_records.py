"""Records are read once by each process, and what is missing or damaged is not remembered."""

from pathlib import Path

import pytest

from gamefleet.cluster.records import Records, read_record
from gamefleet.errors import RunFolderError
from gamefleet.files import create_once


def test_a_record_is_read_once(tmp_path: Path) -> None:
    records, path = Records(), tmp_path / "0001.job.json"
    create_once(path, {"job": "7"})
    assert records.read(str(path)) == {"job": "7"}

    path.unlink()

    assert records.read(str(path)) == {"job": "7"}
    assert Records().read(str(path)) == {}


def test_a_record_that_is_missing_or_damaged_is_looked_for_again(tmp_path: Path) -> None:
    records, path = Records(), tmp_path / "0001.job.json"
    assert (records.read(str(path)), records.exists(str(path))) == ({}, False)
    path.write_text('{"job": ')
    with pytest.raises(RunFolderError, match="damaged"):
        records.read(str(path))

    path.write_text('{"job": "7"}')

    assert (records.read(str(path)), records.exists(str(path))) == ({"job": "7"}, True)


@pytest.mark.parametrize("content", [b"[1]", b"", b'{"a": "\xff"}', b"nothing"])
def test_what_is_no_object_of_json_is_damaged(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "stop.json"
    path.write_bytes(content)

    with pytest.raises(RunFolderError, match="damaged"):
        read_record(path)
