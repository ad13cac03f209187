"""Backups of a real store: what is in them, what is refused, and what putting one back does."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.backup import Made, Restored, Target, archive, back_up, last_backup, restore, work_folder
from router.errors import BackupError, StartError, StoreNewer
from router.store import Demand
from router.store.sqlite import cursors, regulation_file, snapshot
from router.store.sqlite.migrations import SCHEMA
from router.store.suppressions import Suppressions
from router.testing.clock import START_MS
from tests.contract.old_stores import SCHEMAS, unpack
from tests.contract.rig import Gated, Rig, open_rig
from tests.contract.test_people import a_life, files_with, forget

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


class Told:
    """Takes what is told of the progress."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.most = 0

    def begin(self, what: str, size: int) -> None:
        self.parts.append(what)

    def at(self, done: int) -> None:
        self.most = max(self.most, done)


def make(folder: Path, target: Path | Target | None = None, **more: Any) -> Made:
    """Back up the store of a folder."""
    where = (
        target if isinstance(target, Target) else Target(target or folder / "b.tar.zst", is_folder=False, replace=True)
    )
    known: dict[str, Any] = {"target": where, "now_ms": START_MS, "min_free_bytes": 0, "progress": Told(), **more}
    return back_up(folder / "router.db", **known)


def put_back(folder: Path, store: Path | None = None, *, replace: bool = False, now_ms: int = START_MS) -> Restored:
    """Put the backup of a folder in the place of a store."""
    target = store or folder / "router.db"
    return restore(folder / "b.tar.zst", target, replace=replace, now_ms=now_ms, progress=Told())


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """user-one and user-two have held, dead and delivered events; the store is open and in use."""
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        await a_life(rig)
        yield rig


@pytest.fixture
async def stopped(tmp_path: Path) -> Path:
    """The folder of such a store that nobody uses."""
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated)
        await a_life(rig)
    return tmp_path


def names(folder: Path, pattern: str) -> list[str]:
    """Files of a folder."""
    return sorted(path.name for path in folder.glob(pattern))


def rows_of(store: Path, table: str) -> list[Any]:
    with closing(sqlite3.connect(store)) as db:
        return db.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()


TABLES = ("log", "parked", "lane", "dead", "cursor", "person", "receipt", "state", "meta")


# ------------------------------------------------------------ making one


async def test_a_backup_of_a_store_in_use_has_every_row(rig: Rig, tmp_path: Path) -> None:
    made = make(tmp_path)
    assert put_back(tmp_path, tmp_path / "elsewhere/router.db").about == made.about
    for table in TABLES:
        assert rows_of(tmp_path / "elsewhere/router.db", table) == rows_of(rig.store.path, table), table
    assert made.about.events == rig.store.head
    assert {state: n for state, n in made.about.ledger["d"].items() if n} == {"delivered": 4, "held": 3, "dead": 1}


async def test_its_parts_are_told(rig: Rig, tmp_path: Path) -> None:
    told = Told()
    made = make(tmp_path, progress=told)
    assert told.parts == ["copying", "checking", "compressing", "verifying"]
    assert told.most == made.about.bytes


async def test_the_store_of_a_daemon_that_is_down_can_be_backed_up_with_its_wal(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.call("track", "in-the-wal", userId="u", event="E")
        copied = tmp_path / "killed"
        copied.mkdir()
        for name in names(tmp_path, "router.db*"):  # as SIGKILL would leave them
            shutil.copy(tmp_path / name, copied / name)
    assert (copied / "router.db-wal").stat().st_size > 0
    assert make(copied).about.events == 1


async def test_only_its_owner_may_read_it_and_nothing_else_is_left(rig: Rig, tmp_path: Path) -> None:
    target = tmp_path / "backups/b.tar.zst"
    target.parent.mkdir(mode=0o755)
    make(tmp_path, target)
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["b.tar.zst"]


async def test_a_tar_program_can_unpack_it(rig: Rig, tmp_path: Path) -> None:
    await rig.store.people.begin(Demand("s1", "SUPPRESS_ONLY", "USER_ID", ("u:x",), suppresses=True))
    with zstd.open(make(tmp_path).file, "rb") as packed, tarfile.open(fileobj=packed) as tar:
        assert tar.getnames() == ["store.db", "store.db.regulations", "backup.json"]
        content = tar.extractfile("store.db.regulations")
        assert content is not None
        assert [line.id for line in regulation_file.parse(content.read())] == ["s1"]


async def test_free_pages_are_not_in_it(rig: Rig, tmp_path: Path) -> None:
    """They may hold what was deleted."""
    with closing(sqlite3.connect(rig.store.path)) as db:
        db.execute("CREATE TABLE big (x)")
        db.execute("INSERT INTO big VALUES (?)", ("word-of-the-past" * 10_000,))
        db.commit()
        db.execute("DROP TABLE big")
        db.commit()
    make(tmp_path)
    put_back(tmp_path, tmp_path / "elsewhere/router.db")
    assert b"word-of-the-past" not in (tmp_path / "elsewhere/router.db").read_bytes()


async def test_a_folder_keeps_the_newest(rig: Rig, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    for day in range(4):
        target = Target(folder, is_folder=True, keep=2)
        made = make(tmp_path, target, now_ms=START_MS + day * 86_400_000)
        (folder / "notes.txt").touch()
        (folder / f"other.db.2026010{day}T000000Z.tar.zst").touch()
        (folder / "router.db.20200101T000000Z.tar.zst").mkdir(exist_ok=True)
    a_folder, *kept = names(folder, "router.db.*")
    assert (folder / a_folder).is_dir()
    assert len(kept) == 2
    assert kept[-1] == made.file.name
    assert [path.parent for path in made.removal.removed] == [folder]
    assert len(names(folder, "other.db.*")) == 4
    assert (folder / "notes.txt").exists()


async def test_the_newest_stays_also_where_the_clock_was_set_back(rig: Rig, tmp_path: Path) -> None:
    target = Target(tmp_path / "backups", is_folder=True, keep=1)
    make(tmp_path, target)
    made = make(tmp_path, target, now_ms=START_MS - 86_400_000)
    assert made.file.exists()


async def test_another_file_is_not_overwritten_and_an_older_backup_is(rig: Rig, tmp_path: Path) -> None:
    for name in ("router.db", "router.db-wal", "router.db.lock"):
        with pytest.raises(BackupError, match="is not a backup"):
            make(tmp_path, tmp_path / name)
    make(tmp_path)
    await rig.call("track", "later", userId="u", event="E")
    assert make(tmp_path).about.events == rig.store.head


async def test_a_link_leads_to_the_backup_and_stays_one(rig: Rig, tmp_path: Path) -> None:
    disk, link = tmp_path / "disk", tmp_path / "newest.tar.zst"
    link.symlink_to(disk / "b.tar.zst")
    with pytest.raises(BackupError, match=f"there is no folder {disk}"):
        make(tmp_path, link)
    disk.mkdir()
    for replace in (False, True):
        assert make(tmp_path, Target(link, is_folder=False, replace=replace)).file == disk / "b.tar.zst"
    assert link.is_symlink()


async def test_too_little_room_is_said_before_anything_is_written(rig: Rig, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"bytes free, and .* are needed, .* of them for store.min_free"):
        make(tmp_path, min_free_bytes=1 << 60)
    assert not names(tmp_path, "*.zst")


async def test_a_damaged_store_makes_no_backup_and_the_former_one_stays(stopped: Path) -> None:
    make(stopped)
    before = (stopped / "b.tar.zst").read_bytes()
    with closing(sqlite3.connect(stopped / "router.db")) as db:
        db.execute("UPDATE cursor SET held = held + 1")
        db.commit()
    with pytest.raises(BackupError, match="the ledger of d does not add up"):
        make(stopped)
    with (stopped / "router.db").open("r+b") as file:
        file.seek(3 * 8192)
        file.write(os.urandom(40_000))
    with pytest.raises(BackupError):
        make(stopped)
    assert (stopped / "b.tar.zst").read_bytes() == before
    assert not names(stopped, ".router*")


async def test_a_destination_that_is_being_dropped_is_no_damage(rig: Rig, tmp_path: Path) -> None:
    await rig.crash()
    original, slices = cursors.drop_slice, 0

    def one_slice(db: sqlite3.Connection, destination: str) -> bool:
        nonlocal slices
        slices += 1
        if slices == 1:
            original(db, destination)
            assert make(tmp_path).about.ledger == {}
        return original(db, destination)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cursors, "SLICE", 2)
        patch.setattr(cursors, "drop_slice", one_slice)
        await rig.store.drop("d")
    assert slices > 1


async def test_a_file_that_was_written_wrongly_gets_no_name(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = archive.write

    def wrong(path: Path, *args: Any) -> Any:
        about = write(path, *args)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return about

    monkeypatch.setattr(archive, "write", wrong)
    with pytest.raises(BackupError, match=r"is not a whole backup|was not written as it should be|is damaged"):
        make(tmp_path)
    assert not names(tmp_path, "*.zst")


class Impatient(Told):
    """Presses Ctrl-C in one part of the work."""

    def __init__(self, part: str) -> None:
        super().__init__()
        self._part = part

    def at(self, done: int) -> None:
        if self.parts[-1] == self._part:
            raise KeyboardInterrupt


@pytest.mark.parametrize("part", ["copying", "checking", "compressing", "verifying"])
async def test_ctrl_c_leaves_nothing(rig: Rig, tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "TOLD_EVERY", 10)
    before = names(tmp_path, "*")
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, progress=Impatient(part))
    assert names(tmp_path, "*") == before


@pytest.mark.parametrize("part", ["unpacking", "checking"])
async def test_ctrl_c_leaves_the_old_store(stopped: Path, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make(stopped)
    monkeypatch.setattr(snapshot, "TOLD_EVERY", 10)
    before = {name: (stopped / name).read_bytes() for name in names(stopped, "*")}
    with pytest.raises(KeyboardInterrupt):
        restore(stopped / "b.tar.zst", stopped / "router.db", replace=True, now_ms=START_MS, progress=Impatient(part))
    assert {name: (stopped / name).read_bytes() for name in names(stopped, "*")} == before


async def test_what_a_killed_backup_left_goes_with_the_next_one(rig: Rig, tmp_path: Path) -> None:
    left = tmp_path / ".router.db.backup.abc"
    left.mkdir()
    (left / "store.db").touch()
    make(tmp_path)
    assert not left.exists()


async def test_two_backups_at_once_do_not_take_the_folder_of_each_other(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One looks for what was left behind just when the other one has made its folder, and has not locked it yet."""
    make_folder = tempfile.mkdtemp
    made: list[str] = []

    def while_another_one_looks(**how: Any) -> str:
        made.append(make_folder(**how))
        if len(made) == 1:
            work_folder.remove_left_behind(tmp_path, "router.db.backup")
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", while_another_one_looks)
    assert make(tmp_path).file.exists()
    assert len(made) == 2
    assert names(tmp_path, ".router.db.backup.*") == []


# ------------------------------------------------------------ the last one


async def test_the_last_backup_is_known_beside_the_store(rig: Rig, tmp_path: Path) -> None:
    store = rig.store.path
    day = 86_400.0
    known = last_backup.Known(store)
    assert last_backup.problem(known.look(), 0, START_MS) == ""
    assert "no backup of the store is known" in last_backup.problem(known.look(), day, START_MS)
    make(tmp_path)
    assert last_backup.problem(known.look(), day, START_MS + 86_400_000) == ""
    assert "is 25 h old" in last_backup.problem(known.look(), day, START_MS + 90_000_000)
    assert last_backup.path_of(store).stat().st_mode & 0o777 == 0o600


async def test_who_looks_again_and_again_reads_the_file_of_the_last_backup_once(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Path] = []

    def counted(store: Path) -> last_backup.LastBackup | None:
        reads.append(store)
        return read(store)

    read = last_backup.read
    monkeypatch.setattr(last_backup, "read", counted)
    known = last_backup.Known(rig.store.path)
    assert known.look() is None
    make(tmp_path)
    first = known.look()
    assert first is not None
    assert [known.look() for _ in range(10)] == [first] * 10
    assert len(reads) == 1
    last_backup.path_of(rig.store.path).unlink()
    assert known.look() is None


def test_what_is_told_of_an_old_backup_names_no_file(tmp_path: Path) -> None:
    """`/healthz` and `/readyz` say it to whoever asks, without a token."""
    last_backup.path_of(tmp_path / "store.db").write_text(
        '{"made_at":"2001-01-01T00:00:00Z","file":"/srv/secret/b.tar.zst","events":1}'
    )
    words = last_backup.problem(last_backup.Known(tmp_path / "store.db").look(), 60.0, START_MS)
    assert "run `backup`" in words
    assert "/srv" not in words


@pytest.mark.parametrize("made_at", ["yesterday", "", "2026-11-28T10:00:00", "9999999-01-01T00:00:00Z"])
def test_a_file_of_the_last_backup_that_names_no_time_tells_of_none(tmp_path: Path, made_at: str) -> None:
    last_backup.path_of(tmp_path / "store.db").write_text(f'{{"made_at":"{made_at}","file":"/b","events":1}}')
    last = last_backup.Known(tmp_path / "store.db").look()
    assert "no backup of the store is known" in last_backup.problem(last, 60.0, START_MS)


# ------------------------------------------------------------ putting one back


async def test_a_store_in_use_is_not_touched(rig: Rig, tmp_path: Path) -> None:
    make(tmp_path)
    with pytest.raises(BackupError, match="another segment-router process is using it"):
        put_back(tmp_path, replace=True)


async def test_an_existing_store_is_kept_only_on_demand(stopped: Path) -> None:
    make(stopped)
    with pytest.raises(BackupError, match="with --replace it is kept beside"):
        put_back(stopped)
    async with open_rig(stopped) as rig:
        await rig.call("track", "later", userId="u", event="E")
    done = put_back(stopped, replace=True)
    assert done.kept == stopped / "router.db.before-restore-20260302T093000Z"
    assert rows_of(done.kept, "head")[0][1] == done.about.events + 1
    assert rows_of(stopped / "router.db", "head")[0][1] == done.about.events
    assert not names(stopped, "router.db-*")
    assert (stopped / "router.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_what_root_restores_belongs_to_the_user_of_the_daemon(stopped: Path) -> None:
    async with open_rig(stopped) as rig:
        await rig.store.people.begin(Demand("s1", "SUPPRESS_ONLY", "USER_ID", ("u:x",), suppresses=True))
    make(stopped)
    state = stopped / "state"
    state.mkdir()
    os.chown(state, 1234, 1235)
    put_back(stopped, state / "var/router.db")
    made = ["var", *(f"var/{name}" for name in names(state / "var", "*"))]
    assert len(made) == 5, made
    assert {((state / name).stat().st_uid, (state / name).stat().st_gid) for name in made} == {(1234, 1235)}


async def test_an_old_store_that_is_damaged_is_kept_with_its_wal(stopped: Path) -> None:
    make(stopped)
    (stopped / "router.db").write_bytes(b"no database at all" * 1000)
    (stopped / "router.db-wal").write_bytes(b"its wal")
    done = put_back(stopped, replace=True)
    assert done.kept is not None
    assert (stopped / f"{done.kept.name}-wal").read_bytes() == b"its wal"
    async with open_rig(stopped) as rig:
        assert rig.store.head == done.about.events


@pytest.mark.parametrize("why", ["somebody reads it", "its disk has no hard links"])
async def test_a_store_that_cannot_be_linked_as_one_file_is_put_aside_with_its_wal_and_a_marker_meanwhile(
    stopped: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    """A kill in that time is told: docs/backup.md names both cases."""
    make(stopped)
    page = " ".join((Path(__file__).parents[2] / "docs/backup.md").read_text(encoding="utf-8").split())
    assert re.search(rf"If the old store is damaged[^.]*{why}[^.]*a short time in which neither is", page)
    marked: list[bool] = []
    rename = Path.rename

    def noted(path: Path, to: Path | str) -> Path:
        marked.append((stopped / "router.db.restoring").exists())
        return rename(path, to)

    def no_links(path: Path, to: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    with closing(sqlite3.connect(stopped / "router.db", isolation_level=None)) as reader:
        if why == "somebody reads it":
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM log").fetchone()
            with closing(sqlite3.connect(stopped / "router.db")) as writer:
                writer.execute("CREATE TABLE written (behind_what_is_read)")
        else:
            monkeypatch.setattr(os, "link", no_links)
        monkeypatch.setattr(Path, "rename", noted)
        done = put_back(stopped, replace=True)
    assert marked[-1], "as the new store takes the place of the old one"
    assert done.kept is not None
    assert not (stopped / "router.db.restoring").exists()


async def test_a_wal_without_a_store_is_not_taken_for_that_of_the_backup(stopped: Path) -> None:
    make(stopped)
    (stopped / "router.db").unlink()
    (stopped / "router.db-wal").write_bytes(b"left over")
    done = put_back(stopped)
    assert not (stopped / "router.db-wal").exists()
    async with open_rig(stopped) as rig:
        assert rig.store.head == done.about.events


async def test_a_store_whose_exchange_was_interrupted_does_not_start(stopped: Path) -> None:
    make(stopped)
    (stopped / "router.db.restoring").write_text("router.db.before-restore-x")
    with pytest.raises(StartError, match="a restore was interrupted: run `restore FILE --replace` again"):
        async with open_rig(stopped):
            pass
    assert put_back(stopped, replace=True).kept == stopped / "router.db.before-restore-x"
    async with open_rig(stopped):
        pass


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
async def test_a_file_that_was_cut_is_refused(stopped: Path, part: float) -> None:
    file = make(stopped).file
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * part)])
    _refused(stopped, "is not a whole backup|is not a backup|is damaged")


@pytest.mark.parametrize("place", [0, 10, 500, -20])
async def test_a_file_with_a_wrong_bit_is_refused(stopped: Path, place: int) -> None:
    file = make(stopped).file
    content = bytearray(file.read_bytes())
    content[place] ^= 4
    file.write_bytes(content)
    _refused(stopped, "is not a whole backup|is not a backup|is damaged")


async def test_a_folder_is_no_backup_and_those_in_it_are(stopped: Path) -> None:
    with pytest.raises(BackupError, match="is a folder: name one of the backups in it"):
        restore(stopped, stopped / "router.db", replace=True, now_ms=START_MS, progress=Told())


@pytest.mark.parametrize("name", [archive.ABOUT, archive.REGULATIONS])
async def test_a_part_that_is_read_at_once_cannot_fill_the_memory(name: str, stopped: Path) -> None:
    """A few KB of an archive can become any number of bytes."""
    with zstd.open(stopped / "b.tar.zst", "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        tar.add(stopped / "router.db", archive.STORE)
        endless = tarfile.TarInfo(name)
        endless.size = 1 << 40
        tar.addfile(endless)
    _refused(stopped, f"is not a backup of segment-router: {name} in it has 1,099,511,627,776 bytes")


async def test_another_archive_is_refused(stopped: Path) -> None:
    with zstd.open(stopped / "b.tar.zst", "wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        tar.add(stopped / "router.db", "something")
    _refused(stopped, "is not a backup of segment-router")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM head", "is damaged: there is no number"),
        ("UPDATE head SET pos = 'x'", "is damaged: there is no number"),
        ("UPDATE cursor SET held = 'x'", "is damaged: there is no number"),
        ("UPDATE head SET pos = 1", "is damaged: the log has position"),
        ("UPDATE cursor SET held = held + 1", "is damaged: the ledger of d does not add up"),
        ("DELETE FROM meta WHERE key = 'people_key'", "is damaged: the keys"),
        ("UPDATE meta SET value = 'x'", "is damaged: the keys"),
        ("DROP TABLE parked", "no such table: parked"),
        ("DROP TABLE regulation", "no such table: regulation"),
        ("PRAGMA user_version = -1", "is not a store"),
        ("PRAGMA user_version = 1; UPDATE head SET pos = 'x'", "is damaged: there is no number"),
    ],
)
async def test_a_store_that_cannot_be_is_refused_by_the_name_of_its_backup(
    stopped: Path, statement: str, words: str
) -> None:
    """Such a file was made by hand: its hashes agree, and SQLite finds nothing wrong with the store."""
    file, crafted = make(stopped).file, stopped / "crafted.db"
    about, beside = archive.unpack(file, crafted, lambda size: None, Told())
    with closing(sqlite3.connect(crafted)) as db:
        db.executescript(statement)
    file.unlink()
    about = msgspec.structs.replace(about, bytes=crafted.stat().st_size)
    archive.write(file, crafted, beside, about, Told())
    _refused(stopped, f"^{re.escape(str(file))}:? {words}")


async def test_a_backup_of_a_newer_store_is_refused(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "SCHEMA", SCHEMA + 1)
        with closing(sqlite3.connect(stopped / "router.db")) as db:
            db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        make(stopped)
    (stopped / "router.db").unlink()
    with pytest.raises(
        StoreNewer, match=f"^{stopped}/b.tar.zst has schema {SCHEMA + 1}, this segment-router knows up to {SCHEMA}"
    ):
        put_back(stopped)
    assert not names(stopped, ".router*")


def _refused(folder: Path, words: str) -> None:
    """Restoring says why it was refused, and everything is as it was."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(BackupError, match=words):
        put_back(folder, replace=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


async def test_regulations_of_both_sides_are_joined(stopped: Path) -> None:
    """One was made before the backup and lost beside the store, one after it."""
    async with open_rig(stopped) as rig:
        await rig.store.people.begin(Demand("s1", "SUPPRESS_ONLY", "USER_ID", ("u:x",), suppresses=True))
    make(stopped)
    regulation_file.path_of(stopped / "router.db").unlink()
    async with open_rig(stopped) as rig:
        await rig.store.people.begin(Demand("s2", "SUPPRESS_ONLY", "USER_ID", ("u:y",), suppresses=True))
    done = put_back(stopped, replace=True)
    assert (done.repeated, done.not_repeated) == (1, [])
    assert [line.id for line in regulation_file.read(regulation_file.path_of(stopped / "router.db"))] == ["s1", "s2"]
    async with open_rig(stopped) as rig:
        assert await rig.store.people.begin_again() == 1
        assert ["u:x" in rig.store.people.suppressions, "u:y" in rig.store.people.suppressions] == [True, True]


async def test_regulations_of_another_store_are_named(stopped: Path) -> None:
    make(stopped)
    for name in names(stopped, "router.db*"):
        (stopped / name).unlink()
    async with open_rig(stopped) as rig:  # somebody has started an empty one
        await rig.store.people.begin(Demand("s2", "SUPPRESS_ONLY", "USER_ID", ("u:y",), suppresses=True))
    done = put_back(stopped, replace=True)
    assert (done.repeated, done.not_repeated) == (0, ["s2"])


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_of_a_store_of_any_schema_the_start_repeats_what_a_restore_says(schema: int, tmp_path: Path) -> None:
    """A store has a key for the hashes of people since schema 4; what is hashed with it finds them in it."""
    store = unpack(schema, tmp_path)
    with closing(sqlite3.connect(store)) as db:
        found = db.execute("SELECT value FROM meta WHERE key = 'people_key'").fetchone()
    own = Suppressions(found[0] if found else b"a key of another store", ())
    hashed = own.hash_of("u:x").hex()
    line = regulation_file.Line(
        "s1", "SUPPRESS_ONLY", "2026-01-01T00:00:00.000Z", [hashed], [hashed], "USER_ID", own.key
    )
    regulation_file.path_of(store).write_bytes(regulation_file.encode(line))
    repeated, foreign = snapshot.lost_regulations(store, store, [line])
    assert (len(repeated), len(foreign)) == ((1, 0) if found else (0, 1))
    assert (schema >= 4) == bool(found)
    async with open_rig(tmp_path) as rig:
        assert await rig.store.people.begin_again() == len(repeated)
        assert ("u:x" in rig.store.people.suppressions) == bool(repeated)


async def test_a_person_forgotten_after_the_backup_is_in_no_file_that_it_made(rig: Rig, tmp_path: Path) -> None:
    make(tmp_path)
    await forget(rig, "u:user-one")
    await rig.crash()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(regulation_file.path_of(rig.store.path), elsewhere)
    assert put_back(tmp_path, elsewhere / "router.db").repeated == 1
    async with open_rig(elsewhere) as other:
        assert files_with(other, "user-one") == ["user-one"]
        await other.store.people.begin_again()
        for one in await other.store.erasure.resume():
            await other.store.erasure.erase_at("d", one.id)
            while one.is_under_way:
                one = await other.store.erasure.erase_on(one.id)
        assert files_with(other, "user-one", "anon-one", "held-1") == []


def test_no_backup_is_made_of_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="there is no store at"):
        make(tmp_path)
