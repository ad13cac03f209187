"""A store behind a PgBouncer in transaction mode: the same promises, with the settings that the page shows."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from router.testing.vendor import FakeVendor
from tests.flow.harness import Daemon, Table, destination, eventually
from tests.flow.oracle.story import Plan, run
from tests.flow.pooled import pooled
from tests.flow.verbs import Command
from tests.postgres_server import Server, running

SEED = int(os.environ.get("ORACLE_SEED", "1"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


@pytest.fixture
async def address(tmp_path: Path, server: Server) -> AsyncIterator[str]:
    """Of a new database, through PgBouncer."""
    async with pooled(tmp_path / "pgbouncer", server, await server.database()) as dsn:
        yield dsn


@pytest.fixture
def store(address: str) -> Table:
    return {"url": f"{address}?pgbouncer=true"}


async def test_every_event_answered_200_meets_its_fate_through_kills(tmp_path: Path, store: Table) -> None:
    result = await run(tmp_path, Plan(SEED, kills=5, events=60), store=store)
    assert result.violations == []
    assert result.kills == 5


@pytest.mark.slow
async def test_two_nodes_share_it_and_one_goes_on_for_the_other(tmp_path: Path, store: Table) -> None:
    async with FakeVendor() as vendor:
        tables = [
            destination(name, "collector", {"base_url": f"{vendor.url}/{name}"}, delivery={"timeout": "1s"})
            for name in "xy"
        ]
        for name in ("a", "b"):
            (tmp_path / name).mkdir()
        first, second = [
            Daemon(tmp_path / name, tables, store=store, cluster={"node": name, "lease": "3s"}) for name in ("a", "b")
        ]
        async with first, second:
            for n in range(20):
                await (first, second)[n % 2].post(
                    "track", userId=f"u{n % 3}", event="E", messageId=f"m{n}", properties={"n": n}
                )
            await first.settled()
            first.kill()
            await second.post("track", userId="u1", event="E", messageId="late", properties={"n": 99})
            ledger = await second.settled()
            assert [ledger["destinations"][name]["delivered"] for name in "xy"] == [21, 21]
            await first.restart()


@pytest.mark.slow
async def test_a_person_is_forgotten(tmp_path: Path, store: Table) -> None:
    async with (
        FakeVendor() as vendor,
        Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})], store=store) as daemon,
    ):
        await daemon.post("identify", userId="u1", messageId="m1", traits={"name": "Ada"})
        demand = {"regulationType": "DELETE_ONLY", "subjectType": "USER_ID", "subjectIds": ["u1"]}
        assert (await daemon.admin("POST", "/api/regulations", demand))[0] == 200

        async def is_done() -> bool:
            [newest] = (await daemon.get("/api/regulations"))["data"]["regulations"]
            return newest["finishedAt"] is not None

        await eventually(is_done, what="the person is forgotten")


async def test_a_start_without_saying_so_fails_and_so_does_one_without_the_settings_of_the_user(
    tmp_path: Path, server: Server, address: str
) -> None:
    daemon = Daemon(tmp_path, [], store={"url": address})
    daemon.write_config()
    code, _, err = await Command(tmp_path, "serve", "--config", str(daemon.config)).end()
    assert (code, "unsupported startup parameter" in err) == (1, True), err
    user = urlsplit(address).username
    await server.run(f"ALTER ROLE {user} RESET idle_in_transaction_session_timeout")
    await server.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'")  # it kept some
    another = Daemon(tmp_path, [], store={"url": f"{address}?pgbouncer=true"})
    another.write_config()
    code, _, err = await Command(tmp_path, "serve", "--config", str(another.config)).end()
    assert (code, "idle_in_transaction_session_timeout does not reach the database" in err) == (1, True), err
