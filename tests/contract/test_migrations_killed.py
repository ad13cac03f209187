"""SIGKILL before each SQL statement of an upgrade, and before each thing it does to a file, loses nothing: the next start makes it again."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router.store.sqlite.migrations import SCHEMA
from tests.contract.old_stores import SCHEMAS, deliver_all, unpack
from tests.contract.rig import open_rig
from tests.sampled import every

ROOT = Path(__file__).parent.parent.parent
OLDER = SCHEMAS[:-1]


def killed(schema: int, folder: Path) -> tuple[Path, list[Path]]:
    """The store of a schema, and the folders of the runs, each killed one statement later than the one before."""
    source, runs = folder / "source", folder / "runs"
    source.mkdir()
    store = unpack(schema, source)
    command = [sys.executable, "-m", "tests.contract.killed_migration", str(source), str(runs)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    return store, sorted(runs.iterdir(), key=lambda path: int(path.name))


def contents(store: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table. The key of people is made by chance where a store gets one."""
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in names}
    return {**rows, "meta": [row for row in rows["meta"] if row[0] != "people_key"]}


def schema_of(store: Path) -> int:
    with closing(sqlite3.connect(store)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize("schema", every(4, OLDER))
async def test_an_upgrade_that_is_killed_leaves_the_old_store_or_the_new_one(schema: int, tmp_path: Path) -> None:
    source, runs = killed(schema, tmp_path)
    before, found, after = contents(source), [], []
    for run in runs:
        store, copy = run / "router.db", run / f"router.db.before-{SCHEMA}"
        found.append(schema_of(store))
        if found[-1] == SCHEMA:
            assert copy.exists(), "the way back is there first"
        else:
            assert contents(store) == before
        if copy.exists():
            assert (schema_of(copy), contents(copy)) == (schema, before), "a copy with this name is whole"
        async with open_rig(run):
            pass
        assert {path.name for path in run.glob("*.before-*")} == {copy.name}
        assert schema_of(store) == SCHEMA
        after.append(contents(store))
    assert found == sorted(found), "from one instant on it is the new one"
    assert set(found) == {schema, SCHEMA}
    assert all(one == after[-1] for one in after), "wherever it was killed, the store is the same in the end"


@pytest.mark.parametrize("schema", every(4, OLDER))
async def test_all_that_waited_is_delivered_after_an_upgrade_that_was_killed(schema: int, tmp_path: Path) -> None:
    _, runs = killed(schema, tmp_path)
    for run in {*runs[:: max(1, len(runs) // 4)], runs[-1]}:
        await deliver_all(run, schema)
