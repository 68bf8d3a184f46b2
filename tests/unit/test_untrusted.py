"""What others put into a folder costs its readers a sentence at most."""

import os
from pathlib import Path

import pytest

from gamefleet.untrusted import NotPlainError, is_real_folder, read_plain, remove_below


def always(name: str, changed: float) -> bool:
    return True


def test_a_plain_file_within_its_grant_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")

    assert read_plain(tmp_path / "a", max_bytes=5) == b"12345"


def test_a_larger_file_is_refused_unread(tmp_path: Path) -> None:
    with open(tmp_path / "sparse", "wb") as stream:
        stream.truncate(2**40)

    with pytest.raises(NotPlainError, match="holds 1099511627776 bytes, more than 100"):
        read_plain(tmp_path / "sparse", max_bytes=100)


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(NotPlainError, match="is no plain file"):
        read_plain(tmp_path / "pipe", max_bytes=100)


def test_links_devices_and_folders_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()

    with pytest.raises(NotPlainError, match="is a link"):
        read_plain(tmp_path / "link", max_bytes=100)
    for path in (tmp_path / "folder", Path("/dev/zero")):
        with pytest.raises(NotPlainError, match="is no plain file"):
            read_plain(path, max_bytes=100)
    with pytest.raises(FileNotFoundError):
        read_plain(tmp_path / "nothing", max_bytes=100)


def test_a_link_to_a_folder_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)

    assert is_real_folder(tmp_path)
    assert not is_real_folder(tmp_path / "link")
    assert not is_real_folder(tmp_path / "nothing")


@pytest.mark.parametrize("linked", ["member", "weights"])
def test_nothing_is_removed_through_a_link(tmp_path: Path, linked: str) -> None:
    victim = tmp_path / "home" / "weights"
    victim.mkdir(parents=True)
    (victim / "000001-0123456789ab.safetensors").write_bytes(b"precious")
    root = tmp_path / "shared"
    (root / "member").parent.mkdir()
    if linked == "member":
        (root / "member").symlink_to(tmp_path / "home")
    else:
        (root / "member").mkdir()
        (root / "member" / "weights").symlink_to(victim)

    assert remove_below(root, root / "member" / "weights", always) == 0
    assert (victim / "000001-0123456789ab.safetensors").read_bytes() == b"precious"


def test_only_plain_files_that_are_doomed_go(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    for name in ("old", "new"):
        (folder / name).write_bytes(b"x")
    os.utime(folder / "old", (1, 1))
    (folder / "link").symlink_to(tmp_path)
    (folder / "inner").mkdir()

    assert remove_below(tmp_path, folder, lambda name, changed: changed < 100) == 1
    assert remove_below(tmp_path, folder, always) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["inner", "link"]
    assert remove_below(tmp_path, tmp_path / "nothing", always) == 0
