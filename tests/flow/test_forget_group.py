"""Forgetting a group through the real daemon: what is left in its files, its log, its answers and its backups, and a SIGKILL in the middle."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.backups import in_a_backup
from tests.flow.harness import SEVEN, Daemon, assert_ledger_adds_up, destination, eventually
from tests.flow.test_forgetting import answers_with, demanded, done, files_with, last_lines, verb
from tests.flow.verbs import verb as verb_in_parts

WORDS = ("acme-inc", "Acme Unlimited", "plan-of-acme", "call-of-acme", "names-acme")
TRAITS = ("Acme Unlimited", "plan-of-acme")
GONE = {"regulationType": "DELETE_INTERNAL", "subjectType": "GROUP_ID", "subjectIds": ["acme-inc"]}


def a_company(id: str, name: str, user: str) -> list[dict[str, Any]]:
    """A user who belongs to it and did something for it; somebody who did something for it by name."""
    return [
        {"type": "group", "userId": user, "groupId": f"{id}-inc", "messageId": f"call-of-{id}",
         "traits": {"name": name, "plan": f"plan-of-{id}"}},
        {"type": "track", "userId": user, "event": "Bought", "messageId": f"t-{user}"},
        {"type": "track", "userId": "guest", "event": "Seen", "messageId": f"names-{id}", "context": {"groupId": f"{id}-inc"}},
    ]  # fmt: skip


BOTH = [*a_company("acme", "Acme Unlimited", "user-one"), *a_company("beta", "Beta", "user-two")]


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor(Reply(200, json={})) as vendor:
        yield vendor


def answer(seen: Received) -> Reply:
    """It repeats what it was sent."""
    return Reply(503 if seen.url.startswith("/down") else 200, json={"seen": seen.body.decode()})


@pytest.fixture
async def daemon(tmp_path: Path, vendor: FakeVendor) -> AsyncIterator[Daemon]:
    """`crm` takes everything; `gated` holds tracks until the group's name is known there; `down` takes nothing."""
    tables = [
        destination("crm", "collector", {"base_url": vendor.url}),
        destination("gated", "collector", {"base_url": f"{vendor.url}/gated", "gated": True}),
        destination("down", "collector", {"base_url": f"{vendor.url}/down"}),
        destination("hook", "webhook", {"url": f"{vendor.url}/hook"}, mode="live"),
        destination("archive", "file", {"path": str(tmp_path / "events.jsonl")}, mode="live"),
    ]
    vendor.answer = answer
    async with Daemon(tmp_path, tables) as daemon:
        yield daemon


async def forget(daemon: Daemon, kind: str = "DELETE_INTERNAL") -> dict[str, Any]:
    status, answer = await daemon.admin("POST", "/api/regulations", {**GONE, "regulationType": kind})
    assert status == 200, answer
    return await done(daemon, answer["data"]["regulateId"])


async def has_arrived(daemon: Daemon) -> None:
    """All of it waits at `down`, and nothing of it is on its way there."""
    await daemon.settled("crm", "gated", "hook", "archive")
    for message_id in ("call-of-acme", "call-of-beta", "names-acme"):
        await daemon.becomes(message_id, "down", "retrying")
    await daemon.admin("POST", "/api/destinations/down/pause")

    async def rests() -> bool:
        rows = (await daemon.get("/api/destinations"))["destinations"]
        return all(row["in_flight"] == 0 for row in rows if row["name"] == "down")

    await eventually(rests)


def sent_for(vendor: FakeVendor, group: str) -> list[Any]:
    """Message ids of the items that went out on behalf of a group."""
    requests = [seen for seen in vendor.requests if seen.url.endswith("/collect")]
    return [item["id"] for seen in requests for item in seen.json() if item["group"] == group]


async def test_a_group_is_forgotten_and_nothing_else(daemon: Daemon, vendor: FakeVendor) -> None:
    await daemon.batch(BOTH)
    await has_arrived(daemon)
    before = (await daemon.ledger())["destinations"]
    assert files_with(daemon.folder, *WORDS)
    told = await forget(daemon)
    assert (told["overallStatus"], told["subjects"], told["subjectType"]) == ("FINISHED", 1, "GROUP_ID")
    assert (told["erased"]["events"], told["erased"]["waiting"]) == (2, 2)
    assert files_with(daemon.folder, *WORDS) == []
    assert await answers_with(daemon, *WORDS) == []
    assert files_with(daemon.folder, "t-user-one", "plan-of-beta", "names-beta")
    ledger = await daemon.ledger()
    assert_ledger_adds_up(ledger)
    for name, after in ledger["destinations"].items():
        assert sum(after[state] for state in SEVEN) == sum(before[name][state] for state in SEVEN), name
    assert await daemon.fate("call-of-acme", "down") == ("dead", "forgotten")
    assert (await daemon.message("names-acme"))["forgotten"]
    [line] = daemon.log("forgotten")
    assert (line["groups"], "acme" in json.dumps(line)) == (1, False)
    words = [json.dumps(line) for line in daemon.log()]
    assert [trait for trait in TRAITS if any(trait in line for line in words)] == []

    vendor.requests.clear()
    vendor.answer = lambda seen: Reply(200, json={})
    await daemon.admin("POST", "/api/destinations/down/resume")
    await daemon.becomes("t-user-one", "down", "delivered")
    assert sent_for(vendor, "acme-inc") == []
    await daemon.post("track", userId="user-one", event="E", messageId="later")
    await daemon.becomes("later", "gated", "held", "group_unknown")


async def test_the_tools_are_asked_to_delete_it(daemon: Daemon, vendor: FakeVendor, tmp_path: Path) -> None:
    await daemon.batch(BOTH)
    await has_arrived(daemon)
    told = await forget(daemon, "DELETE_ONLY")
    [stream] = told["streamStatus"]
    assert {tool["name"]: tool["status"] for tool in stream["destinationStatus"]} == {
        "crm": "NOT_SUPPORTED", "gated": "NOT_SUPPORTED", "down": "NOT_SUPPORTED", "hook": "FINISHED", "archive": "FINISHED",
    }  # fmt: skip
    deletion = {"type": "delete", "groupId": "acme-inc"}
    assert [seen.json() for seen in vendor.requests if seen.url == "/hook"][-1] == deletion
    assert last_lines(tmp_path / "events.jsonl", 1) == [deletion]
    assert files_with(daemon.folder, *WORDS) == []
    assert await answers_with(daemon, *WORDS) == []


async def test_what_is_wrong_with_a_demand_is_told(daemon: Daemon) -> None:
    for kind in ("SUPPRESS_ONLY", "SUPPRESS_WITH_DELETE", "SUPPRESS_WITH_DELETE_INTERNAL", "UNSUPPRESS"):
        status, answer = await daemon.admin("POST", "/api/regulations", {**GONE, "regulationType": kind})
        assert (status, answer["code"]) == (400, "invalid_request"), kind
        assert "a GROUP_ID can be forgotten only" in answer["error"]
    status, answer = await daemon.admin("POST", "/api/regulations", {**GONE, "anonymousIds": ["a"]})
    assert (status, "belong to one person" in answer["error"]) == (400, True)


async def test_the_verb_asks_by_name_and_tells_what_was_erased(daemon: Daemon) -> None:
    await daemon.batch(BOTH)
    await has_arrived(daemon)
    code, told = await verb(daemon, "forget-group", "acme-inc")
    words = "with --yes this command would erase all that is stored of the group acme-inc (Acme Unlimited)"
    assert (code, words in " ".join(told.split())) == (1, True), told
    code, told = await verb(daemon, "forget-group", "acme-inc", "--yes")
    assert (code, "2 stored events" in told, "2 events that waited" in told) == (0, True, True), told
    code, told = await verb(daemon, "forget-group", "acme-inc", "--yes")
    assert (code, "nothing found" in told) == (0, True), told
    assert "GROUP_ID" in (await verb(daemon, "forgotten"))[1]
    code, told = await verb(daemon, "forget", "group:acme-inc", "--yes")
    assert (code, "`forget-group`" in told) == (2, True)
    assert (await verb(daemon, "why", "call-of-acme"))[1].startswith("call-of-acme: group of (forgotten), from website")


async def test_a_backup_of_before_forgets_it_again_and_one_of_after_never_had_it(
    daemon: Daemon, vendor: FakeVendor, tmp_path: Path
) -> None:
    await daemon.batch(
        [
            *BOTH,
            {"type": "track", "userId": "guest", "event": "E", "messageId": "only", "context": {"groupId": "solo-inc"}},
        ]
    )
    await has_arrived(daemon)
    words = (*WORDS, "solo-inc")
    assert [word for word in words if word.encode() in await in_a_backup(daemon)] == list(words)
    code, _, error = await verb_in_parts(daemon, "backup", "old.tar.zst")
    assert code == 0, error
    body = {**GONE, "subjectIds": ["acme-inc", "solo-inc"]}
    status, answer = await daemon.admin("POST", "/api/regulations", body)
    assert status == 200
    id = answer["data"]["regulateId"]
    await done(daemon, id)
    assert [word for word in words if word.encode() in await in_a_backup(daemon)] == []

    daemon.kill()
    for name in ("router.db", "router.db-wal", "router.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    vendor.requests.clear()
    vendor.answer = lambda seen: Reply(200, json={})
    code, told, error = await verb_in_parts(daemon, "restore", "old.tar.zst")
    assert (code, "1 regulation after the backup will be repeated" in told) == (0, True), error
    await daemon.restart()
    assert (await done(daemon, id))["erased"]["events"] == 3
    await daemon.admin("POST", "/api/destinations/down/resume")
    await daemon.settled()
    assert files_with(daemon.folder, *words) == []
    assert sent_for(vendor, "acme-inc") == []
    assert "names-beta" in sent_for(vendor, "beta-inc")
    assert_ledger_adds_up(await daemon.ledger())


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.slow)])
async def test_a_kill_at_any_moment_of_it_ends_in_the_same(daemon: Daemon, vendor: FakeVendor, kills: int) -> None:
    """`forget-group --tools`: the vendor of `hook` is told to delete each of them at least once."""
    rng = random.Random(11)
    for n in range(kills):
        id, words = f"firm{n}", (f"firm{n}-inc", f"Firm {n} Unlimited", f"plan-of-firm{n}")
        calls = [call for k in range(20) for call in a_company(f"other{n}x{k}", "Other", f"user-{n}-{k}")]
        await daemon.batch([*calls, *a_company(id, words[1], f"user-{n}")])
        body = {"regulationType": "DELETE_ONLY", "subjectType": "GROUP_ID", "subjectIds": [words[0]]}
        demand = asyncio.create_task(demanded(daemon, body))
        await daemon.kill_after(rng.uniform(0.0, 0.15))
        answered = await demand is not None
        early = list(vendor.requests)
        vendor.requests.clear()
        await daemon.restart()
        if not answered:
            assert await demanded(daemon, body) is not None
        for one in (await daemon.get("/api/regulations"))["data"]["regulations"]:
            await done(daemon, one["id"])
        await daemon.settled("crm", "gated", "hook", "archive")
        assert files_with(daemon.folder, *words, f"names-{id}") == []
        deletion = {"type": "delete", "groupId": words[0]}
        assert deletion in [seen.json() for seen in [*early, *vendor.requests] if seen.url == "/hook"]
        if answered:
            assert sent_for(vendor, words[0]) == [], "nothing of it is sent after the answer"
        assert_ledger_adds_up(await daemon.ledger(), daemon.starts())
