"""A daemon whose store is a database of PostgreSQL: the same promises, and what is not there yet is refused by its name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.store.postgres.standby import Standby
from router.testing.vendor import FakeVendor
from tests.contract.postgres_case import connected
from tests.flow.harness import Daemon, Table, assert_ledger_adds_up, destination, eventually
from tests.flow.oracle.story import Plan, run
from tests.flow.verbs import Command, verb
from tests.postgres_server import PASSWORD, Server, running

SEED = int(os.environ.get("ORACLE_SEED", "1"))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


@pytest.fixture
async def store(server: Server) -> Table:
    """The table of a new database."""
    return {"url": server.dsn(await server.database())}


def gated(vendor: FakeVendor) -> Table:
    """Tracks wait there for their group."""
    return destination("hook", "collector", {"base_url": vendor.url, "gated": True})


def arrived(vendor: FakeVendor) -> list[str]:
    """The message ids that came, in order."""
    return [item["id"] for seen in vendor.requests for item in seen.json()]


async def serve(daemon: Daemon) -> tuple[int, str, str]:
    """A start that fails. Returns what `Command.end` does."""
    return await Command(daemon.folder, "serve", "--config", str(daemon.config)).end()


async def test_events_wait_for_their_group_through_a_kill_and_arrive_once_in_order_and_again_when_asked(
    tmp_path: Path, store: Table
) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, [gated(vendor)], store=store) as daemon:
        for number in range(3):
            await daemon.post("track", userId="u1", event="Opened", messageId=f"m{number}")
        await daemon.post("track", userId="u1", event="Opened", messageId="m0")
        ledger = await daemon.settled()
        assert (ledger["accepted"], ledger["duplicates"], ledger["destinations"]["hook"]["held"]) == (3, 1, 3)
        assert [user["user"] for user in (await daemon.held("hook"))["users"]] == ["user:u1"]
        daemon.kill()
        await daemon.restart()
        assert_ledger_adds_up(await daemon.ledger())
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
        await daemon.emptied()
        assert arrived(vendor) == ["g1", "m0", "m1", "m2"]
        await daemon.post("track", userId="u2", event="Opened", messageId="m3")
        await daemon.becomes("m3", "hook", "held", "group_unknown")
        released = {"user": "u2", "group": {"id": "other", "name": "Other"}}
        assert (await daemon.admin("POST", "/api/destinations/hook/release", released))[0] == 200
        await daemon.becomes("m3", "hook", "delivered")
        assert (await daemon.admin("POST", "/api/destinations/hook/replay", {"since": "1h"}))[0] == 200

        async def came_again() -> bool:
            return arrived(vendor)[5:] == ["g1", "m0", "m1", "m2"]  # m3 waits for its group once more

        await eventually(came_again)
        assert await daemon.terminate() == 0
        await daemon.restart()
        ledger = await daemon.settled()
        assert ledger["destinations"]["hook"]["delivered"] == ledger["accepted"] == 5


async def test_every_event_answered_200_meets_its_fate_through_kills(tmp_path: Path, store: Table) -> None:
    """The oracle of the embedded store: faults of both vendors, a stop, a reload and a replay between the kills."""
    result = await run(tmp_path, Plan(SEED, kills=8, events=90), store=store)
    assert result.violations == []
    assert result.kills == 8


async def test_a_database_that_restarts_costs_503s_and_no_event(tmp_path: Path, server: Server, store: Table) -> None:
    async with FakeVendor() as vendor:
        hook = destination("hook", "collector", {"base_url": vendor.url})
        async with Daemon(tmp_path, [hook], store=store) as daemon:
            await daemon.post("track", userId="u1", event="Opened", messageId="before")
            await daemon.becomes("before", "hook", "delivered")
            server.stop()
            status, answer = await daemon.offer("track", userId="u1", event="Opened", messageId="during")
            assert (status, answer["code"]) == (503, "store_away")
            assert (await daemon.admin("GET", "/readyz"))[0] == 503
            assert (await daemon.admin("GET", "/api/ledger"))[1]["code"] == "store_away"
            status, page = await daemon.page("/metrics")
            assert status == 200, "somebody has to be told"
            assert 'segment_router_trouble{destination="",reason="store_away",source=""} 1.0' in page
            assert 'segment_router_ingest_requests_total{code="503",source="website"} 1.0' in page
            for path, words in (("/", "Counts are not known: the database"), ("/events", "The database")):
                assert words in (await daemon.page(path))[1]
            server.start()
            await server.ready()
            await daemon.ready()
            await daemon.post_until_taken("track", {"userId": "u1", "event": "Opened", "messageId": "during"})
            ledger = await daemon.settled()
            assert ledger["accepted"] == ledger["destinations"]["hook"]["delivered"] == 2
            assert arrived(vendor) == ["before", "during"]


async def test_a_person_is_found_and_forgotten(tmp_path: Path, store: Table) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, [gated(vendor)], store=store) as daemon:
        await daemon.post("identify", userId="u1", messageId="m1", traits={"name": "Ada"})
        await daemon.post("track", userId="u1", event="Opened", messageId="m2")
        assert (await daemon.settled())["destinations"]["hook"]["held"] == 1
        assert "Ada" in (await daemon.page("/users/user:u1"))[1]
        demand = {"regulationType": "SUPPRESS_WITH_DELETE", "subjectType": "USER_ID", "subjectIds": ["u1"]}
        status, answer = await daemon.admin("POST", "/api/regulations", demand)
        assert status == 200, answer

        async def is_done() -> bool:
            [newest] = (await daemon.get("/api/regulations"))["data"]["regulations"]
            return newest["finishedAt"] is not None

        await eventually(is_done, what="the person is forgotten")
        assert "Ada" not in (await daemon.page("/users/user:u1"))[1]
        assert (await daemon.ledger())["destinations"]["hook"]["held"] == 0
        await daemon.post("track", userId="u1", event="Opened", messageId="m3")
        assert (await daemon.settled())["accepted"] == 2, "who is suppressed is refused"


async def test_what_is_not_there_yet_is_refused_by_its_name_with_the_alternative(tmp_path: Path, store: Table) -> None:
    async with Daemon(
        tmp_path, [destination("dry", "webhook", {"url": "http://127.0.0.1:9/"}, mode="dry-run")], store=store
    ) as daemon:
        await daemon.post("track", userId="u1", event="Opened", messageId="m1")
        await daemon.settled()
        for words, instead in (
            (("backup", "x"), "pg_dump"),
            (("restore", "x"), "pg_restore"),
            (("report", "--out", "r"), "not there yet"),
        ):
            code, _, err = await Command(tmp_path, *words, "--config", str(daemon.config)).end()
            assert (code, instead in err) == (1, True), err
            assert PASSWORD not in err
        daemon.kill()
        code, _, err = await verb(daemon, "ledger")
        assert (code, "only a daemon reads its store" in err) == (1, True)
        await daemon.restart()


async def test_the_password_of_the_database_is_shown_nowhere(tmp_path: Path, server: Server, store: Table) -> None:
    async with Daemon(tmp_path, [], store=store, log={"level": "debug"}) as daemon:
        shown = [json.dumps(await daemon.get("/api/configuration"))]
        for words in (("status",), ("config", "show"), ("check",), ("doctor",)):
            shown += (await Command(tmp_path, *words, "--config", str(daemon.config)).end())[1:]
        for name in ("/", "/settings", "/metrics", "/healthz"):
            shown.append((await daemon.page(name))[1])
        text = "\n".join(shown)
        assert f"127.0.0.1:{server.port}/" in text, "where the store is, is told"
        text += json.dumps(daemon.log())
    daemon.tables["store"] = {"url": store["url"].replace(PASSWORD, f"{PASSWORD}-wrong")}
    daemon.write_config()
    code, out, err = await serve(daemon)
    assert (code, "the database of store.url cannot be used" in err) == (1, True), err
    assert PASSWORD not in text + out + err


async def test_doctor_examines_the_database(tmp_path: Path, server: Server, store: Table) -> None:
    async with Daemon(tmp_path, [], store=store) as daemon:

        async def examined() -> list[dict[str, Any]]:
            _, out, _ = await Command(tmp_path, "doctor", "--config", str(daemon.config), "--json").end()
            return [one for one in json.loads(out)["findings"] if one["code"] == "database"]

        found = await examined()
        assert {one["level"] for one in found} <= {"ok", "warning"}
        assert any("with the settings that the router needs" in one["sentence"] for one in found)
        assert any("no synchronous standby" in one["sentence"] for one in found)
        assert any("has schema" in one["sentence"] for one in found)
        name = store["url"].rpartition("/")[2]
        await server.run(f"ALTER DATABASE {name} SET synchronous_commit = off")
        assert [one["level"] for one in await examined() if "synchronous_commit = off" in one["sentence"]] == ["error"]
        await server.run(f"ALTER DATABASE {name} RESET synchronous_commit")
        server.stop()
        [gone] = await examined()
        assert (gone["level"], "cannot be used" in gone["sentence"]) == ("error", True)
        assert PASSWORD not in str(gone)
        server.start()
        await server.ready()
        await daemon.ready()


async def test_a_database_without_a_standby_is_warned_of_unless_its_disks_are_replicated(
    tmp_path: Path, store: Table
) -> None:
    async with Daemon(tmp_path, [], store=store) as daemon:
        [warned] = daemon.log("store_warned")
        assert (warned["level"], warned["code"]) == ("warning", "store_not_replicated")
        [told] = [one["code"] for one in (await daemon.get("/healthz"))["troubles"]]
        assert told == "store_not_replicated"
        assert (await daemon.admin("GET", "/readyz"))[0] == 200, "it takes events all the same"
        code, out, _ = await verb(daemon, "status")
        assert (code, "names no synchronous standby" in " ".join(out.split())) == (1, True), out
        daemon.tables["store"] = {**store, "replicated": True}
        daemon.write_config()
        assert await daemon.terminate() == 0
        await daemon.restart()
        assert (await daemon.get("/healthz"))["troubles"] == []
        assert len(daemon.log("store_warned")) == 1
        _, out, _ = await Command(tmp_path, "doctor", "--config", str(daemon.config), "--json").end()
        assert "synchronous standby" not in out


async def test_a_standby_that_is_named_ends_the_warning(tmp_path: Path, server: Server, store: Table) -> None:
    name = "synchronous_standby_names"
    async with Daemon(tmp_path, [], store=store) as daemon:
        assert len((await daemon.get("/healthz"))["troubles"]) == 1
    # It does not exist, so nothing is committed while it is named: a start only reads.
    await server.run(f"ALTER SYSTEM SET {name} = 'b'")
    await server.run("SELECT pg_reload_conf()")
    try:
        async with connected(store["url"]) as connection:
            standby = Standby(is_wanted=True)
            await standby.look(connection)
            assert standby.problems() == []
    finally:
        await server.run(f"ALTER SYSTEM RESET {name}")
        await server.run("SELECT pg_reload_conf()")


async def test_a_daemon_refuses_a_database_that_may_lose_what_it_has_acknowledged(
    tmp_path: Path, server: Server, store: Table
) -> None:
    daemon = Daemon(tmp_path, [], store=store)
    daemon.write_config()
    await server.run(f"ALTER DATABASE {store['url'].rpartition('/')[2]} SET synchronous_commit = off")
    code, _, err = await serve(daemon)
    assert (code, "synchronous_commit = off" in err) == (1, True), err
