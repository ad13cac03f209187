"""Files that belong to somebody else than the user of the service: what is said, and that the advice helps."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.backup import Target, back_up
from router.cli.endpoint import Failed
from router.cli.verbs.backup import interruptible
from router.clock import SystemClock
from router.errors import StartError
from tests.as_nobody import NOBODY, as_nobody, folder_of_nobody, needs_root
from tests.contract.killed_backup import NOW_MS, Silent
from tests.contract.store_case import open_case

pytestmark = needs_root


@pytest.fixture
def store() -> Iterator[Path]:
    """The store of a service that nobody runs."""
    with folder_of_nobody() as folder:
        assert start(folder / "router.db") == "started"
        yield folder / "router.db"


def start(path: Path) -> str:
    """Open a store and close it again."""

    async def opened() -> str:
        try:
            async with open_case(path, SystemClock, dedupe_window_s=3600, min_free_bytes=0):
                return "started"
        except StartError as error:
            return str(error)

    return asyncio.run(opened())


def make_backup(store: Path, folder: Path) -> str:
    """What `backup` does."""
    try:
        with interruptible(folder):
            return str(back_up(store, Target(folder, is_folder=True, keep=2), NOW_MS, 0, Silent()).file)
    except Failed as error:
        return str(error)


def give_to_root(path: Path) -> None:
    """Replace it by a copy that root has made."""
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    copy.replace(path)


def follow(advice: str) -> None:
    """Run as root the command in the words."""
    [command] = re.findall(r"`(ch(?:own|mod) [^`]+)`", advice)
    subprocess.run(command.split(), check=True)


@pytest.mark.parametrize("end", ["", ".lock"])
def test_a_start_names_who_has_a_file_of_the_store_and_the_command_that_gives_it_back(store: Path, end: str) -> None:
    path = Path(f"{store}{end}")
    give_to_root(path)
    said = as_nobody(lambda: start(store))
    assert f"{path} belongs to user 0, and this process runs as user {NOBODY}: as root, `chown" in said
    follow(said)
    assert as_nobody(lambda: start(store)) == "started"


def test_a_backup_names_who_has_the_folder_and_the_command_that_gives_it_back(store: Path) -> None:
    folder = store.parent / "backups"
    folder.mkdir(mode=0o700)
    said = as_nobody(lambda: make_backup(store, folder))
    assert f"Permission denied; {folder} belongs to user 0, and this process runs as user {NOBODY}: as root," in said
    follow(said)
    assert as_nobody(lambda: make_backup(store, folder)).endswith(".tar.zst")


@pytest.mark.parametrize(("name", "mode"), [("router.db", 0o400), (".", 0o500), ("backups", 0o500)])
def test_who_owns_what_its_mode_refuses_gets_the_chmod_that_helps(store: Path, name: str, mode: int) -> None:
    path = store.parent / name
    (store.parent / "backups").mkdir()
    os.chown(store.parent / "backups", NOBODY, NOBODY)
    path.chmod(mode)

    def work() -> str:
        return make_backup(store, store.parent / "backups") if name == "backups" else start(store)

    said = as_nobody(work)
    assert f"{path} has mode {mode:o}: `chmod u+rw" in said
    for _ in range(3):  # SQLite has given the mode of the store to its two other files
        if "`" in said:
            follow(said)
            said = as_nobody(work)
    assert said in ("started", *map(str, (store.parent / "backups").iterdir()))


def test_nobody_is_told_to_take_a_folder_of_others(store: Path) -> None:
    said = as_nobody(lambda: make_backup(store, Path("/root/backups")))
    assert f"belongs to user 0, and this process runs as user {NOBODY}: run it as root, or give" in said


def test_the_timer_goes_on_with_a_folder_and_backups_that_root_has_made(store: Path) -> None:
    folder = store.parent / "kept/backups"
    by_root = Path(make_backup(store, folder))
    assert {path.stat().st_uid for path in (folder.parent, folder, by_root)} == {NOBODY}
    by_root.rename(by_root.with_name("router.db.20200101T000000Z.tar.zst"))
    assert as_nobody(lambda: make_backup(store, folder)).endswith(".tar.zst")
