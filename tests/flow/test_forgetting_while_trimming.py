"""Forgetting people while the log is trimmed: a retention of a moment, live events, demand after demand, and SIGKILLs in between."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.backups import in_a_backup
from tests.flow.harness import Daemon, assert_ledger_adds_up, destination, eventually
from tests.flow.test_forgetting import answers_with, demanded, done, files_with
from tests.flow.test_shutdown import Tuned
from tests.patience import HANG_S

MOMENT = "2s"
HOOK = "/hook"


class Small(Tuned):
    """Everything in small slices: what is trimmed with a commit, and what is looked through and erased for a regulation."""

    tuning = (
        "from router.store.sqlite import dedupe, forget_log, forget_rows, retention;"
        "dedupe.MERGE_AT, retention.LEAST_ROWS = 10, 10;"
        "forget_log.LOOKED_THROUGH, forget_log.SLICE, forget_rows.SLICE = 20, 2, 2"
    )


def answer(seen: Received) -> Reply:
    """The receiver of `hook` refuses some messages for good, and takes others only later. It repeats what it was sent."""
    call: Any = seen.json() if seen.url == HOOK else {}
    word = call.get("messageId", "")
    status = 422 if word.startswith("bad-") else 503 if word.startswith("retry-") else 200
    return Reply(status, json={"seen": seen.body.decode()})


def life_of(id: str) -> list[dict[str, Any]]:
    """What `crm` takes, `gated` holds and `hook` takes, refuses and is to get again."""
    track = {"type": "track", "userId": id, "event": "Bought", "properties": {"what": f"gift-of-{id}"}}
    return [
        {"type": "track", "anonymousId": f"anon-{id}", "event": "Seen", "messageId": f"early-{id}"},
        {"type": "identify", "userId": id, "anonymousId": f"anon-{id}", "traits": {"email": f"{id}@mail.test"}, "messageId": f"i-{id}"},
        {**track, "messageId": f"t-{id}"},
        {**track, "messageId": f"bad-{id}"},
        {**track, "messageId": f"retry-{id}"},
        {**track, "messageId": f"behind-{id}"},
    ]  # fmt: skip


def words_of(id: str) -> tuple[str, ...]:
    return f"{id}@mail.test", f"gift-of-{id}", f"anon-{id}", id


class Story:
    """One run: live events of others all the time, and people who come and are forgotten."""

    def __init__(self, daemon: Daemon, vendor: FakeVendor) -> None:
        self.daemon, self.vendor = daemon, vendor
        self.sent: list[dict[str, Any]] = []  #: calls of others that were answered 200
        self.people: list[str] = []
        self.answered_at: dict[str, int] = {}  #: requests that the vendor had got when the answer to a demand came
        self.looks = 0
        self.is_over = False

    async def others(self) -> None:
        """Their calls, a batch whenever `crm` has taken the one before."""
        number = 0
        while not self.is_over:
            number += 1
            calls = [
                {"type": "track", "userId": f"other-{n}", "event": "E", "messageId": f"live-{number}-{n}"}
                for n in range(4)
            ]
            await self.take(calls)
            with contextlib.suppress(aiohttp.ClientError):  # it was killed
                await eventually(self.has_caught_up, what="crm has caught up")

    async def has_caught_up(self) -> bool:
        """Look at the ledger, which must add up at any time."""
        ledger = await self.daemon.ledger()
        assert_ledger_adds_up(ledger)
        self.looks += 1
        return bool(ledger["destinations"]["crm"]["queued"] == 0)

    async def take(self, calls: list[dict[str, Any]]) -> None:
        await self.daemon.post_until_taken("batch", {"batch": calls})
        self.sent += calls

    async def a_person(self, id: str) -> None:
        """Somebody whose events are in every state; the older ones are trimmed, as far as nothing refers to them."""
        self.people.append(id)
        await self.daemon.batch(life_of(id))
        await self.daemon.becomes(f"bad-{id}", "hook", "dead", "rejected")
        await self.daemon.becomes(f"retry-{id}", "hook", "retrying")
        await self.daemon.becomes(f"t-{id}", "gated", "held")
        await eventually(lambda: self.is_trimmed(id), what="their events are in the log no more")
        newer = {"type": "track", "userId": id, "event": "Bought", "properties": {"what": f"gift-of-{id}"}}
        await self.daemon.batch([{**newer, "messageId": f"late-{n}-{id}"} for n in range(3)])

    async def is_trimmed(self, id: str) -> bool:
        logged, kept = (
            self.daemon.rows(f"SELECT count(*) FROM {table} WHERE message_id LIKE '%-{id}' AND body IS NOT NULL")
            for table in ("log", "kept")
        )
        return bool(logged == [(0,)] and kept > [(0,)])

    async def forget(self, id: str, seconds: float) -> None:
        """Demand it, and SIGKILL after so long, wherever it is by then. A demand without an answer is repeated."""
        body = {"regulationType": "DELETE_ONLY", "subjectType": "USER_ID", "subjectIds": [id]}
        asked = asyncio.create_task(self.demand(id, body))
        await self.daemon.kill_after(seconds)
        is_answered = await asked
        await self.daemon.restart()
        assert is_answered or await self.demand(id, body)

    async def demand(self, id: str, body: dict[str, Any]) -> bool:
        is_answered = await demanded(self.daemon, body) is not None
        self.answered_at[id] = len(self.vendor.requests)
        return is_answered

    async def is_nowhere(self, id: str) -> None:
        """Once their regulations are finished, no file of the store has a word of somebody: not only once the retention is over."""
        for one in (await self.daemon.get("/api/regulations"))["data"]["regulations"]:
            await done(self.daemon, one["id"])
        assert files_with(self.daemon.folder, *words_of(id)) == []

    def arrived(self, path: str) -> set[str]:
        """Message ids that came to a path."""
        bodies = [seen.json() for seen in self.vendor.requests if seen.url == path]
        items: list[Any] = [item for body in bodies for item in (body if isinstance(body, list) else [body])]
        return {item.get("id") or item.get("messageId") or "" for item in items}

    def sent_after_the_answer(self, id: str) -> list[bytes]:
        """Requests about somebody, but for those that ask to delete them."""
        later = self.vendor.requests[self.answered_at[id] :]
        return [seen.body for seen in later if f'{id}"'.encode() in seen.body and b'"delete"' not in seen.body]


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with FakeVendor() as vendor:
        vendor.answer = answer
        tables = [
            destination("crm", "collector", {"base_url": vendor.url}),
            destination("gated", "collector", {"base_url": f"{vendor.url}/gated", "gated": True}),
            destination("hook", "webhook", {"url": f"{vendor.url}{HOOK}"}, mode="live"),
        ]
        store = {"retention": MOMENT, "dedupe_window": MOMENT}
        async with Small(tmp_path, tables, store=store) as daemon:
            yield Story(daemon, vendor)


@pytest.mark.parametrize("people", [pytest.param(3, marks=pytest.mark.long), pytest.param(25, marks=pytest.mark.slow)])
async def test_whoever_is_forgotten_while_the_log_is_trimmed_is_nowhere_and_others_lose_nothing(
    story: Story, people: int
) -> None:
    daemon, vendor, chance = story.daemon, story.vendor, random.Random(23)
    async with asyncio.TaskGroup() as meanwhile:
        meanwhile.create_task(story.others())
        for n in range(people):
            await story.take(life_of(f"neighbour-{n}"))
            await story.a_person(f"person-{n}")
            await story.forget(f"person-{n}", chance.uniform(0.0, 0.3))
            await story.is_nowhere(f"person-{n}")
        story.is_over = True

    vendor.answer = None
    users = sorted({call["userId"] for call in story.sent if "userId" in call})
    company = {"type": "group", "groupId": "acme", "traits": {"name": "Acme"}}
    await story.take([{**company, "userId": user, "messageId": f"g-{user}"} for user in users])
    for order in ("pause", "resume"):  # what is retried is due at once: the oldest has waits of minutes
        await daemon.admin("POST", f"/api/destinations/hook/{order}")
    ledger = await daemon.emptied(within_s=2 * HANG_S)
    assert_ledger_adds_up(ledger)
    assert story.looks > people

    ids = {call["messageId"] for call in story.sent}
    assert ids - story.arrived("/collect") == set()
    assert ids - story.arrived("/gated/collect") == set()
    assert ids - story.arrived(HOOK) == set()
    letters = await daemon.get("/api/destinations/hook/dead")
    assert letters["kept"] == people, "of each neighbour the one that was refused; those of the forgotten are gone"

    words = [word for id in story.people for word in words_of(id)]
    assert files_with(daemon.folder, *words) == []
    assert await answers_with(daemon, *words) == []
    backup, log = await in_a_backup(daemon), json.dumps(daemon.log())
    assert [word for word in words if word.encode() in backup] == []
    told = [word for word in words if word.endswith("@mail.test") or word.startswith("gift-of-")]
    assert [word for word in told if word in log] == []
    deletions = [seen.json() for seen in vendor.requests if b'"delete"' in seen.body]
    for id in story.people:
        assert story.sent_after_the_answer(id) == [], "nothing of them is sent after the answer"
        assert {"type": "delete", "userId": id} in deletions
