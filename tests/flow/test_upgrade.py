"""A daemon upgrades the store of an older version: killed on the way it starts again, and delivers all that waited. A newer one it refuses."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from router.store.sqlite.migrations import SCHEMA
from router.testing.vendor import FakeVendor
from tests.contract import make_store
from tests.contract.old_stores import unpack
from tests.flow.harness import Daemon, destination, environment, eventually, serve_command
from tests.flow.verbs import verb

ROOT = Path(__file__).parent.parent.parent


def schema_of(store: Path) -> int:
    with closing(sqlite3.connect(store)) as db:
        [(schema,)] = db.execute("PRAGMA user_version")
        return int(schema)


async def test_a_store_of_schema_3_is_upgraded_after_a_kill_and_all_that_waited_is_delivered(tmp_path: Path) -> None:
    store = unpack(3, tmp_path)
    async with FakeVendor() as vendor:
        # what it was when the store was made: a destination d, whose tracks need a group with a name
        ages = {
            table: {"max_age": "9999d"} for table in ("hold", "dead", "delivery")
        }  # by the clock of this machine it is old
        daemon = Daemon(tmp_path, [destination("d", "collector", {"base_url": vendor.url, "gated": True}, **ages)])
        copy = tmp_path / f"router.db.before-{SCHEMA}"

        async def has_begun() -> bool:
            return copy.exists() or copy.with_name(f"{copy.name}.partial").exists()

        daemon.write_config()
        daemon.spawn()
        await eventually(has_begun, what="the upgrade has begun")
        daemon.kill()
        came_in_time = schema_of(store) == 3
        async with daemon:
            for number, who in enumerate(({"userId": "h1"}, {"anonymousId": "a1"})):
                await daemon.post("group", messageId=f"now-{number}", **who, groupId="acme", traits={"name": "Acme"})
            await daemon.emptied()
            assert (await daemon.counts("d"))["dead"] == len(make_store.DEAD)
            assert (await daemon.admin("POST", "/api/destinations/d/replay", {"dead": True}))[0] == 200

            async def is_replayed() -> bool:
                return bool((await daemon.counts("d"))["dead"] == 0)

            await eventually(is_replayed, what="the dead letters are delivered")
            told = [line["detail"] for line in daemon.log("store_upgraded")]
            assert told or not came_in_time, "a kill between the last step and its line leaves none"
            assert set(told) <= {f"from schema 3 to {SCHEMA}; the store as it was is kept: {copy}"}
            await daemon.terminate()
            await daemon.start()
            assert len(daemon.log("store_upgraded")) == len(told) <= 1, "it is of this schema now"
        got = [item["id"] for seen in vendor.requests for item in seen.json()]
        waited = {*make_store.HELD, *make_store.RETRYING, *make_store.BEHIND, *make_store.QUEUED, *make_store.DEAD}
        assert set(got) >= waited


def test_a_store_of_a_newer_version_ends_the_start_with_one_clear_sentence(tmp_path: Path) -> None:
    store = unpack(SCHEMA, tmp_path)
    with closing(sqlite3.connect(store)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    before = store.read_bytes()
    daemon = Daemon(tmp_path, [])
    daemon.write_config()
    done = subprocess.run(serve_command(daemon.config), capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 1
    assert (
        f"has schema {SCHEMA + 1}, this segment-router knows up to {SCHEMA}: install the newer version again"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert store.read_bytes() == before
    done = subprocess.run([sys.executable, "-m", "router", "status", "--config", str(daemon.config)], capture_output=True, text=True, env=environment(), check=False)  # fmt: skip
    assert (done.returncode, "knows up to" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


@pytest.mark.parametrize("has_wal", [True, False])
async def test_the_commands_that_go_back_leave_nothing_that_the_tools_do_not_know(
    tmp_path: Path, has_wal: bool
) -> None:
    """What the newer version accepted is private, is the service's, and is named by `forget` after the next upgrade."""
    unpack(3, tmp_path)
    daemon = Daemon(tmp_path, [])
    async with daemon:
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        await daemon.settled()
        daemon.kill() if has_wal else await daemon.terminate()
        page = (ROOT / "UPGRADING.md").read_text().partition("## Going back\n\n")[2].partition("\n\n")[0]
        commands = [line.strip() for line in page.splitlines() if "systemctl" not in line and "cd " not in line]
        if os.geteuid() == 0:
            os.chown(tmp_path, 1234, 1235)
        shell = await asyncio.create_subprocess_exec("sh", "-ec", "umask 022\n" + "\n".join(commands), cwd=tmp_path)
        assert await shell.wait() == 0
        store = tmp_path / "router.db"
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
            assert db.execute("PRAGMA user_version").fetchone() == (3,)
        newer = tmp_path / "router.db.before-going-back"
        with closing(sqlite3.connect(newer)) as db:
            assert db.execute("SELECT count(*) FROM log WHERE message_id = 'm1'").fetchone() == (1,)
        if os.geteuid() == 0:
            assert store.stat().st_uid == 1234
        assert store.stat().st_mode & 0o077 == 0
        await daemon.start()
        _, _, told = await verb(daemon, "forget", "u1", "--yes")
        assert str(newer) in told
