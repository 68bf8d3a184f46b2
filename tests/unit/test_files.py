"""A file appears whole or not at all: after a crash, on a full disk, against a fence, between writers."""

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from gamefleet.errors import RunFolderError, StorageFullError
from gamefleet.files import (
    TEMPORARY_PREFIX,
    check_size,
    create_once,
    digest,
    make_folder,
    open_atomic,
    read_json,
    remove_folder,
    write_bytes,
    write_json,
)

CRASH_IN_THE_MIDDLE = """
import os, sys
from pathlib import Path
from gamefleet.files import open_atomic

with open_atomic(Path(sys.argv[1])) as stream:
    stream.write(b"half of the new content")
    stream.flush()
    os._exit(9)
"""

WRITE_WITH_LITTLE_SPACE = """
import resource, sys
from pathlib import Path
from gamefleet.errors import StorageFullError
from gamefleet.files import write_bytes

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write_bytes(Path(sys.argv[1]), b"n" * int(sys.argv[2]))
except StorageFullError as error:
    print(error)
    sys.exit(error.exit_code)
"""

WRITE_MANY_TIMES = """
import sys
from collections.abc import Iterator
from pathlib import Path
from gamefleet.files import write_bytes

path, letter = Path(sys.argv[1]), sys.argv[2].encode()
for length in range(1, 60):
    write_bytes(path, letter * (length * 997))
"""


def run_program(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_holds_the_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_bytes(tmp_path / "state.bin", b"content")

    assert (tmp_path / "state.bin").read_bytes() == b"content"
    assert names_in(tmp_path) == ["state.bin"]


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_the_last_of_two_writes_is_the_one_that_is_read(first: bytes, second: bytes) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.bin"
        write_bytes(path, first)
        write_bytes(path, second)
        assert path.read_bytes() == second


def test_a_process_killed_in_the_middle_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    write_bytes(path, b"old")

    assert run_program(CRASH_IN_THE_MIDDLE, path).returncode == 9

    assert path.read_bytes() == b"old"
    leftovers = [name for name in names_in(tmp_path) if name != "state.bin"]
    assert len(leftovers) == 1, "the half that was written keeps its temporary name"
    assert leftovers[0].startswith(TEMPORARY_PREFIX)


def test_a_file_that_never_was_does_not_appear_by_a_crash(tmp_path: Path) -> None:
    run_program(CRASH_IN_THE_MIDDLE, tmp_path / "state.bin")

    assert not (tmp_path / "state.bin").exists()


def test_an_error_of_the_writer_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    write_bytes(path, b"old")

    def write_half() -> None:
        with open_atomic(path) as stream:
            stream.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()

    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["state.bin"]


def test_the_new_content_is_not_visible_before_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    write_bytes(path, b"old")

    with open_atomic(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"

    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("size_bytes", [4097, 1_000_000])
def test_a_full_disk_is_explained_and_leaves_the_old_file(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "state.bin"
    write_bytes(path, b"old")

    result = run_program(WRITE_WITH_LITTLE_SPACE, path, size_bytes)

    assert result.returncode == StorageFullError.exit_code, result.stderr
    assert "No space left while writing state.bin" in result.stdout
    assert str(tmp_path) in result.stdout
    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["state.bin"]


def test_a_file_that_just_fits_is_written(tmp_path: Path) -> None:
    result = run_program(WRITE_WITH_LITTLE_SPACE, tmp_path / "state.bin", 4096)

    assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "state.bin").stat().st_size == 4096


def test_a_short_write_that_nobody_reported_is_noticed_by_the_size(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    path.write_bytes(b"1234")

    check_size(path, 4)
    with pytest.raises(StorageFullError, match="Wrote 5 bytes but the file holds 4"):
        check_size(path, 5)


class NewestLegIsAnotherError(Exception):
    """What a fence of these tests raises."""


def test_a_fence_that_refuses_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    write_bytes(path, b"old")

    def refuse() -> None:
        raise NewestLegIsAnotherError

    with pytest.raises(NewestLegIsAnotherError):
        write_bytes(path, b"new", fence=refuse)

    assert path.read_bytes() == b"old"
    assert names_in(tmp_path) == ["state.bin"]


def test_the_fence_is_asked_when_only_the_rename_is_left(tmp_path: Path) -> None:
    seen: list[list[int]] = []

    def look() -> None:
        seen.append([path.stat().st_size for path in tmp_path.iterdir()])

    write_bytes(tmp_path / "state.bin", b"12345", fence=look)

    assert seen == [[5]], "asked once, after all five bytes were in the temporary file"


def test_a_reader_never_sees_a_mixture_of_concurrent_writers(tmp_path: Path) -> None:
    path = tmp_path / "state.bin"
    write_bytes(path, b"a")
    writers = [subprocess.Popen([sys.executable, "-c", WRITE_MANY_TIMES, str(path), letter]) for letter in "bcd"]

    contents = set()
    while any(writer.poll() is None for writer in writers):
        contents.add(path.read_bytes())
    contents.add(path.read_bytes())

    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert all(len(set(content)) == 1 for content in contents), "each content is one writer's letter"
    assert all(len(content) == 1 or len(content) % 997 == 0 for content in contents), "and of a length it wrote"
    assert names_in(tmp_path) == ["state.bin"]


def test_a_missing_folder_is_explained(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="No such file or directory"):
        write_bytes(tmp_path / "nowhere" / "state.bin", b"")


def test_a_folder_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(RunFolderError, match="Not a directory"):
        write_bytes(tmp_path / "file" / "state.bin", b"")


def test_json_is_sorted_and_ends_with_a_newline_so_that_it_can_be_compared(tmp_path: Path) -> None:
    write_json(tmp_path / "state.json", {"b": 1, "a": {"d": None, "c": [1.5]}})

    text = (tmp_path / "state.json").read_text()
    assert text.endswith("}\n")
    assert list(json.loads(text)) == ["a", "b"]
    assert read_json(tmp_path / "state.json") == {"a": {"c": [1.5], "d": None}, "b": 1}


def test_json_that_other_languages_cannot_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "state.json", {"loss": float("nan")})

    assert names_in(tmp_path) == []


def test_json_that_is_no_object_or_cut_short_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "cut.json").write_text('{"a": ')

    with pytest.raises(ValueError, match="holds a list, not a JSON object"):
        read_json(tmp_path / "list.json")
    with pytest.raises(ValueError, match="Expecting value"):
        read_json(tmp_path / "cut.json")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize("size_bytes", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_the_digest_is_xxh3_of_the_whole_file(tmp_path: Path, size_bytes: int) -> None:
    data = bytes(range(256)) * (size_bytes // 256 + 1)
    (tmp_path / "data").write_bytes(data[:size_bytes])

    assert digest(tmp_path / "data") == xxhash.xxh3_128_hexdigest(data[:size_bytes])


def test_a_removed_folder_is_gone_with_its_content(tmp_path: Path) -> None:
    (tmp_path / "step-1" / "replay").mkdir(parents=True)
    (tmp_path / "step-1" / "replay" / "block").write_bytes(b"x")

    remove_folder(tmp_path / "step-1")

    assert names_in(tmp_path) == []


def test_of_many_processes_that_create_a_file_once_exactly_one_succeeds(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: create_once(tmp_path / "mark", {"by": number}), range(40)))

    assert sum(made) == 1
    assert read_json(tmp_path / "mark") == {"by": made.index(True)}
    assert [path.name for path in tmp_path.iterdir()] == ["mark"], "no temporary file stays"


def test_creating_once_works_where_hard_links_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)

    assert create_once(tmp_path / "mark", {"by": "first"})
    assert not create_once(tmp_path / "mark", {"by": "second"})
    assert read_json(tmp_path / "mark") == {"by": "first"}


@pytest.fixture
def under_umask_077() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(("of_folder", "of_file"), [(0o2770, 0o660), (0o2775, 0o664), (0o2777, 0o664), (0o3770, 0o660)])
@pytest.mark.usefixtures("under_umask_077")
def test_in_a_folder_that_a_group_shares_everything_new_is_for_the_group(
    tmp_path: Path, of_folder: int, of_file: int
) -> None:
    tmp_path.chmod(of_folder)
    make_folder(tmp_path / "a" / "b")
    write_json(tmp_path / "written.json", {})
    write_json(tmp_path / "a" / "b" / "written.json", {})
    assert create_once(tmp_path / "a" / "once.json", {})
    assert [mode(tmp_path / name) for name in ("a", "a/b")] == [of_folder & ~0o002] * 2
    assert [mode(tmp_path / name) for name in ("written.json", "a/b/written.json", "a/once.json")] == [of_file] * 3
    assert not list(tmp_path.rglob(".tmp-*"))


@pytest.mark.parametrize("of_folder", [0o700, 0o775, 0o2750])
@pytest.mark.usefixtures("under_umask_077")
def test_in_any_other_folder_the_umask_counts(tmp_path: Path, of_folder: int) -> None:
    tmp_path.chmod(of_folder)
    make_folder(tmp_path / "a")
    write_json(tmp_path / "written.json", {})
    assert mode(tmp_path / "a") & 0o777 == 0o700
    assert mode(tmp_path / "written.json") == 0o600


def test_a_folder_is_made_with_those_above_it_only_where_that_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="No such file"):
        make_folder(tmp_path / "a" / "b", parents=False)
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="Not a directory"):
        make_folder(tmp_path / "file" / "a")


def test_a_folder_of_a_group_that_somebody_fills_meanwhile_is_kept(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)
    make = "import sys; from pathlib import Path; from gamefleet.files import make_folder, create_once\n"
    make += "for n in range(60): make_folder(Path(str(n))); create_once(Path(str(n), sys.argv[1]), {})"
    racers = [subprocess.Popen([sys.executable, "-c", make, name], cwd=tmp_path) for name in ("a", "b", "c")]
    assert [racer.wait(timeout=300) for racer in racers] == [0, 0, 0]
    assert {path.name: sorted(inner.name for inner in path.iterdir()) for path in tmp_path.iterdir()} == {
        str(number): ["a", "b", "c"] for number in range(60)
    }
