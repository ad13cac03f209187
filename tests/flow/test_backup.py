"""The drill: a daemon is backed up under load, its disk dies, the backup is put back. Through the real daemon and the real commands."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from router.testing.vendor import FakeVendor, Hang, Received, Reply
from tests.flow.harness import Daemon, assert_ledger_adds_up, destination, eventually
from tests.flow.test_forgetting import a_person, done, files_with, forget, regulate
from tests.flow.verbs import verb

NAMES = ("crm", "gated", "down", "paused", "refused")


def tables(vendor: FakeVendor) -> list[dict[str, Any]]:
    """A destination for each state that an event can be in."""
    patient = {"timeout": "10m"}
    return [
        destination(name, "collector", {"base_url": f"{vendor.url}/{name}", "gated": name == "gated"}, delivery=patient)
        for name in NAMES
    ]


class Answers:
    """`down` never works, `refused` refuses until it is mended and hangs then, all others take everything."""

    def __init__(self) -> None:
        self.is_mended = False

    def __call__(self, seen: Received) -> Reply:
        if seen.url.startswith("/down"):
            return Reply(503)
        if seen.url.startswith("/refused"):
            return Hang(200, json={}) if self.is_mended else Reply(422, json={"error": "no"})
        return Reply(200, json={})


def track(user: str, n: int) -> dict[str, Any]:
    return {"type": "track", "userId": user, "event": "E", "messageId": f"{user}-{n}", "properties": {"n": n}}


@asynccontextmanager
async def under_load(daemon: Daemon) -> AsyncIterator[list[str]]:
    """Events of other users are sent all the time. Gives the message ids that were answered 200 so far."""
    taken: list[str] = []
    is_over = False

    async def send() -> None:
        round = 0
        while not is_over:
            round += 1
            calls = [track(f"load-{n}", round) for n in range(10)]
            await daemon.batch(calls)
            taken.extend(str(call["messageId"]) for call in calls)
            await asyncio.sleep(0)

    task = asyncio.create_task(send())
    try:
        await eventually(lambda: _more_than(taken, 50))
        yield taken
    finally:
        is_over = True
        await task


async def _more_than(found: Sequence[object], n: int) -> bool:
    return len(found) > n


async def stored(daemon: Daemon, name: str, **counts: int) -> None:
    """Wait until the store itself has at least this of a destination."""

    async def there() -> bool:
        columns = ", ".join(counts)
        [row] = daemon.rows(f"SELECT {columns} FROM cursor WHERE destination = '{name}'")
        return all(is_ >= wanted for is_, wanted in zip(row, counts.values(), strict=True))

    await eventually(there, what=f"{name}: {counts}")


async def test_a_store_that_is_lost_under_load_comes_back_from_its_backup(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        vendor.answer = answers = Answers()
        async with Daemon(tmp_path, tables(vendor)) as daemon:
            await daemon.admin("POST", "/api/destinations/paused/pause")
            await daemon.batch([*a_person("user-one"), *a_person("user-two")])
            await daemon.batch([track("waits", n) for n in range(20)])
            await stored(daemon, "gated", held=24)
            await stored(daemon, "refused", dead=26)
            await stored(daemon, "down", retrying=1)
            answers.is_mended = True
            assert (await daemon.admin("POST", "/api/destinations/refused/replay", {"dead": True}))[0] == 200
            async with under_load(daemon) as taken:
                before = list(taken)
                code, told, words = await verb(daemon, "backup", "backups", "--keep", "2", "--json")
                assert code == 0, words
                backup = json.loads(told)
                assert backup["events"] >= 26 + len(before)
                at_backup = backup["ledger"]
                assert min(at_backup["gated"]["held"], at_backup["down"]["retrying"], at_backup["paused"]["queued"]) > 0
                assert at_backup["refused"]["delivered"] == 0, "the replay has begun, and nothing of it is answered"
            vendor.release()
            person = await forget(daemon, "user-one")
            suppressed = await regulate(daemon, "SUPPRESS_ONLY", "user-two")
            await daemon.batch([track("after", n) for n in range(5)])

            daemon.kill()
            for name in ("router.db", "router.db-wal", "router.db-shm"):
                (tmp_path / name).unlink(missing_ok=True)
            vendor.requests.clear()
            code, told, words = await verb(daemon, "restore", backup["file"])
            assert code == 0, words
            assert "will be delivered again, with the same message id" in told
            assert "2 regulations after the backup will be repeated before anything is delivered" in told

            await daemon.restart()
            assert [line["regulations"] for line in daemon.log("regulations_repeated")] == [2]
            ledger = await daemon.settled("crm", "gated", "refused")
            assert_ledger_adds_up(ledger)
            assert ledger["accepted"] == backup["events"]
            assert ledger["destinations"]["refused"]["dead"] == 3, "all but user-one's were replayed to their end"
            await assert_nothing_is_lost(daemon, [f"waits-{n}" for n in range(20)] + before)
            assert ledger["destinations"]["paused"]["state_reason"] == "by_hand"
            assert ledger["destinations"]["paused"]["queued"] > 20

            assert (await done(daemon, person["id"]))["erased"]["events"] == 3
            assert files_with(tmp_path, "user-one", "gift-of-user-one", "anon-user-one") == []
            assert not sent_of(vendor, "user-one")
            assert files_with(tmp_path, "gift-of-user-two") != []
            assert (await daemon.get("/api/suppressions")) == {"suppressed": 1}
            assert (await done(daemon, suppressed))["overallStatus"] == "FINISHED"
            await daemon.post("track", userId="user-two", event="E", messageId="refused-now")
            assert (await daemon.admin("GET", "/api/messages/refused-now"))[0] == 404

            assert not sent_of(vendor, "waits", "/gated"), "they are held still"
            await daemon.post("group", userId="waits", groupId="acme", traits={"name": "Acme"}, messageId="g")
            await daemon.becomes("waits-19", "gated", "delivered")
            assert [n for n in sent_of(vendor, "waits", "/gated") if n is not None] == list(range(20))


async def assert_nothing_is_lost(daemon: Daemon, message_ids: Sequence[str]) -> None:
    """Each of these is known, with a state at every destination."""
    for message_id in message_ids[:100]:
        assert set((await daemon.message(message_id))["destinations"]) == set(NAMES), message_id


def sent_of(vendor: FakeVendor, user: str, path: str = "") -> list[Any]:
    """The numbers of the items of a user that were sent, in order."""
    requests = [seen for seen in vendor.requests if seen.url.startswith(path)]
    return [item["n"] for seen in requests for item in seen.json() if item["user"] == user]


async def test_kills_while_the_restored_store_starts_lose_no_regulation(tmp_path: Path) -> None:
    rng = random.Random(3)
    async with FakeVendor(Reply(200, json={})) as vendor:
        named = [destination("crm", "collector", {"base_url": vendor.url}), *tables(vendor)[1:2]]
        async with Daemon(tmp_path, named) as daemon:
            await daemon.admin("POST", "/api/destinations/crm/pause")
            await daemon.batch([call for n in range(20) for call in a_person(f"person-{n}")])
            await stored(daemon, "gated", held=40)
            assert (await verb(daemon, "backup", "b.tar.zst"))[0] == 0
            for n in range(20):
                await regulate(daemon, "DELETE_INTERNAL", f"person-{n}")
            assert await daemon.terminate() == 0
            assert (await verb(daemon, "restore", "b.tar.zst", "--replace"))[0] == 0
            for _ in range(4):
                daemon.spawn()
                await daemon.kill_after(rng.uniform(0.5, 2.5))
            await daemon.restart()
            for one in (await daemon.get("/api/regulations"))["data"]["regulations"]:
                await done(daemon, one["id"])
            await daemon.admin("POST", "/api/destinations/crm/resume")
            ledger = await daemon.settled()
            assert_ledger_adds_up(ledger)
            assert ledger["destinations"]["crm"]["dead"] == 60
            assert not [
                seen for seen in vendor.requests if b"person-" in seen.body and not seen.url.startswith("/gated")
            ]
            await daemon.admin("DELETE", "/api/copies")
            assert files_with(tmp_path, *(f"gift-of-person-{n}" for n in range(20)), "person-7") == []


async def test_the_commands_say_what_they_did_and_why_they_did_not(tmp_path: Path) -> None:
    async with FakeVendor(Reply(200, json={})) as vendor:
        named = [destination("crm", "collector", {"base_url": vendor.url})]
        async with Daemon(tmp_path, named, store={"backup_max_age": "1h"}) as daemon:
            [problem] = (await daemon.get("/healthz"))["problems"]
            assert problem.startswith("no backup of the store is known")
            code, told, _ = await verb(daemon, "status")
            assert (code, "no backup of the store is known" in told) == (1, True)
            await daemon.batch([track("u", n) for n in range(3)])

            code, told, words = await verb(daemon, "backup", "mine.tar.zst")
            assert (code, told.splitlines()[0].split(" as of ")[0]) == (0, "mine.tar.zst: 3 events"), words
            assert (tmp_path / "mine.tar.zst").stat().st_mode & 0o777 == 0o600

            async def is_known() -> bool:
                health = await daemon.get("/healthz")
                return not health["problems"]

            await eventually(is_known, what="the backup is known")

            code, _, words = await verb(daemon, "backup", "config.toml")
            assert (code, words) == (1, "config.toml is there and is not a backup: it is left as it is\n")
            code, _, words = await verb(daemon, "backup", "mine.tar.zst")
            assert (code, words) == (1, "mine.tar.zst is a backup already: add --replace, or name a folder\n")
            assert (await verb(daemon, "backup", "mine.tar.zst", "--replace"))[0] == 0
            code, _, words = await verb(daemon, "backup", "not-mounted")
            assert (code, words) == (
                1, "there is no folder not-mounted: make it, or name a file that ends in .tar.zst\n",
            )  # fmt: skip
            code, _, words = await verb(daemon, "backup", "no/folder/b.tar.zst")
            assert (code, words) == (1, "there is no folder no/folder\n")
            code, _, words = await verb(daemon, "backup", "mine.tar.zst", "--keep", "3")
            assert (code, "--keep is for a folder" in words) == (2, True)
            code, told, _ = await verb(daemon, "restore", "mine.tar.zst", "--replace", "--json")
            assert (code, "is using it" in json.loads(told)["error"]["message"]) == (1, True)

            assert await daemon.terminate() == 0
            code, _, words = await verb(daemon, "restore", "mine.tar.zst")
            assert (code, "with --replace it is kept beside" in words) == (1, True)
            code, _, words = await verb(daemon, "restore", "config.toml", "--replace")
            assert (code, "config.toml is not a whole backup" in words) == (1, True)
            code, told, words = await verb(daemon, "restore", "mine.tar.zst", "--replace")
            assert code == 0, words
            [kept] = await asyncio.to_thread(lambda: [*tmp_path.glob("router.db.before-restore-*")])
            assert f"the old store is kept: {kept}" in told
            code, told, words = await verb(daemon, "backup", "down.tar.zst")
            assert (code, told.splitlines()[0].split(" as of ")[0]) == (0, "down.tar.zst: 3 events"), words
            await daemon.restart()
            assert (await daemon.ledger())["accepted"] == 3
