"""A file is replaced as a whole, whoever else writes it at the same time, and what a killed process left is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from router import durable


def test_of_two_who_write_a_file_at_once_each_puts_its_own_in_place(tmp_path: Path) -> None:
    path = tmp_path / "store.db.backup.json"
    with durable.prepared(path, b"first") as first:
        with durable.prepared(path, b"second") as second:
            durable.take_place(first, path)
            assert path.read_bytes() == b"first"
            durable.take_place(second, path)
        assert path.read_bytes() == b"second"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    path = tmp_path / "[odd] name.json"
    left, other = tmp_path / f".{path.name}.x1.new", tmp_path / ".another.x1.new"
    left.touch()
    other.touch()
    with durable.prepared(path, b"first") as first:
        durable.put(path, b"second")
        assert (left.exists(), other.exists(), first.read_bytes()) == (False, True, b"first")
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == durable.OWNER_ONLY


def test_what_was_not_put_in_place_goes(tmp_path: Path) -> None:
    with durable.prepared(tmp_path / "a", b"x"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "backups"])
def test_no_folder_is_made_where_a_link_leads_to_one_that_is_not_there(below: str, tmp_path: Path) -> None:
    """The disk behind it is not mounted."""
    link = tmp_path / "disk"
    link.symlink_to("/not/mounted")
    with pytest.raises(FileNotFoundError, match="a link to /not/mounted, which is not there") as caught:
        durable.make_folder(link / below)
    assert caught.value.filename == str(link)
