"""An import is written as a whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from router import durable
from router.segment_import.convert import Imported
from router.segment_import.writing import write

MADE = Imported("[[source]]\n", {"plans/p.json": "{}"}, {"secrets/k": "wk"}, (), ())
FILES = ["config.toml", "plans/p.json", "secrets/k"]


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("full_at", [1, 2, 3])
def test_a_disk_that_is_full_half_way_leaves_nothing_and_the_next_try_writes_all(
    full_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, left = durable.put, full_at

    def put_or_fail(path: Path, content: bytes, **more: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        put(path, content, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(durable, "put", put_or_fail)
    with pytest.raises(OSError, match="No space left"):
        write(MADE, tmp_path / "new/inner")
    assert list(tmp_path.iterdir()) == []
    write(MADE, tmp_path / "new/inner")
    assert files_in(tmp_path / "new/inner") == FILES


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_what_was_put_in_place_before_a_failure_is_taken_away_again(
    fails_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    rename, left = os.rename, fails_at

    def rename_or_fail(old: Path, new: Path) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise OSError(errno.EIO, "Input/output error")
        rename(old, new)

    monkeypatch.setattr(os, "rename", rename_or_fail)
    with pytest.raises(OSError, match="Input/output"):
        write(MADE, tmp_path)
    assert list(tmp_path.rglob("*")) == [tmp_path / "secrets"]


def test_every_file_is_on_the_disk_before_config_toml_is_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    rename, sync = os.rename, durable.sync

    def tell_rename(old: Path, new: Path) -> None:
        told.append(new.name)
        rename(old, new)

    def tell_sync(path: Path) -> None:
        told.append(f"sync {path.name}")
        sync(path)

    monkeypatch.setattr(os, "rename", tell_rename)
    monkeypatch.setattr(durable, "sync", tell_sync)
    write(MADE, tmp_path / "new")
    placed = told[told.index("k") :]
    assert placed.index("p.json") < placed.index("sync plans") < placed.index("config.toml")
    assert placed.index("k") < placed.index("sync secrets") < placed.index("config.toml")
    assert placed[-1] == "sync new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_writes_belongs_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, 4321)
    write(MADE, tmp_path / "new")
    owners = {path.stat().st_uid for path in (tmp_path / "new", *(tmp_path / "new").rglob("*"))}
    assert owners == {4321}
