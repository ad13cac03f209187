"""Forgetting people through the real daemon: what is left in its files and its answers, and a SIGKILL in the middle of it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.testing.vendor import FakeVendor, Reply
from tests.flow import verbs
from tests.flow.backups import in_a_backup
from tests.flow.harness import SEVEN, Daemon, assert_ledger_adds_up, destination, eventually
from tests.unit.plans.plan_cases import PLAN

PATHS = (
    "/api/ledger", "/api/discards", "/api/events", "/api/destinations", "/api/destinations/crm", "/api/destinations/gated/held",
    "/api/destinations/gated", "/api/destinations/gated/dead", "/api/destinations/crm/dead", "/api/regulations",
    "/api/suppressions", "/api/sources",
)  # fmt: skip


async def regulate(daemon: Daemon, kind: str, *ids: str, **more: Any) -> str:
    """Demand this, and return the id of the regulation."""
    body = {"regulationType": kind, "subjectType": "USER_ID", "subjectIds": list(ids), **more}
    status, answer = await daemon.admin("POST", "/api/regulations", body)
    assert status == 200, answer
    return str(answer["data"]["regulateId"])


async def done(daemon: Daemon, id: str) -> dict[str, Any]:
    """Wait until a regulation is finished."""
    found: dict[str, Any] = {}

    async def is_done() -> bool:
        found.update((await daemon.get(f"/api/regulations/{id}"))["data"]["regulation"])
        return found["finishedAt"] is not None

    await eventually(is_done, what="the regulation is finished")
    return found


async def forget(daemon: Daemon, *ids: str, kind: str = "DELETE_INTERNAL") -> dict[str, Any]:
    return await done(daemon, await regulate(daemon, kind, *ids))


def files_with(folder: Path, *words: str) -> list[str]:
    """Files of the store that hold one of these, in any part of a page."""
    found = {path.name: path.read_bytes() for path in sorted(folder.glob("router.db*"))}
    return [f"{name}: {word}" for name, content in found.items() for word in words if word.encode() in content]


async def answers_with(daemon: Daemon, *words: str) -> list[str]:
    """Answers of the admin API that hold one of these."""
    texts = {path: json.dumps(await daemon.get(path)) for path in PATHS}
    return [f"{path}: {word}" for path, text in texts.items() for word in words if word in text]


def a_person(id: str) -> list[dict[str, Any]]:
    """Two events that go out, one that waits for a group, and what was told before the identify."""
    return [
        {"type": "track", "anonymousId": f"anon-{id}", "event": "Seen", "messageId": f"early-{id}"},
        {"type": "identify", "userId": id, "anonymousId": f"anon-{id}", "traits": {"email": f"{id}@mail.test"}, "messageId": f"i-{id}"},
        {"type": "track", "userId": id, "event": "Bought", "properties": {"what": f"gift-of-{id}"}, "messageId": f"t-{id}"},
    ]  # fmt: skip


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor(Reply(200, json={})) as vendor:
        yield vendor


@pytest.fixture
async def daemon(tmp_path: Path, vendor: FakeVendor) -> AsyncIterator[Daemon]:
    """`crm` takes everything, `gated` holds tracks of whoever has no group."""
    tables = [
        destination("crm", "collector", {"base_url": vendor.url}),
        destination("gated", "collector", {"base_url": f"{vendor.url}/gated", "gated": True}),
    ]
    async with Daemon(tmp_path, tables) as daemon:
        yield daemon


def sent_of(vendor: FakeVendor, *message_ids: str) -> list[str]:
    """Those of these messages that arrived from `crm`, in order, as often as they did."""
    requests = [seen for seen in vendor.requests if seen.url == "/collect"]
    return [item["id"] for seen in requests for item in seen.json() if item["id"] in message_ids]


async def test_a_person_is_forgotten_and_nobody_else(daemon: Daemon, vendor: FakeVendor) -> None:
    await daemon.batch([*a_person("user-one"), *a_person("user-two")])
    await daemon.settled()
    before = (await daemon.ledger())["destinations"]["gated"]
    assert (before["held"], before["delivered"]) == (4, 2)
    words = ("user-one", "user-one@mail.test", "gift-of-user-one", "anon-user-one")
    assert files_with(daemon.folder, *words)

    told = await forget(daemon, "user-one")
    assert (told["overallStatus"], told["subjects"]) == ("FINISHED", 1)
    assert told["erased"] == {"directory": 2, "waiting": 2, "events": 3}
    assert files_with(daemon.folder, *words) == []
    assert await answers_with(daemon, *words) == []
    assert files_with(daemon.folder, "gift-of-user-two") != []
    backup, log = await in_a_backup(daemon), json.dumps(daemon.log())
    assert [word for word in words if word.encode() in backup] == []
    assert [word for word in ("user-one@mail.test", "gift-of-user-one") if word in log] == []

    ledger = await daemon.ledger()
    assert_ledger_adds_up(ledger)
    after = ledger["destinations"]["gated"]
    assert sum(after[state] for state in SEVEN) == sum(before[state] for state in SEVEN)
    assert (after["held"], after["dead"], after["delivered"]) == (2, 2, 2)
    assert await daemon.fate("t-user-one", "gated") == ("dead", "forgotten")
    assert (await daemon.message("t-user-one"))["forgotten"]
    assert {row["user"] for row in (await daemon.held("gated"))["users"]} == {"user:user-two"}

    status, _ = await daemon.admin("POST", "/api/destinations/crm/replay", {"since": "7d"})
    assert status == 200

    async def is_over() -> bool:
        return bool((await daemon.get("/api/destinations/crm/replay"))["state"] == "done")

    await eventually(is_over)
    await daemon.settled("crm")

    async def is_sent_again() -> bool:  # `done` says that all is queued; the ledger does not count second sendings
        return sent_of(vendor, "t-user-two").count("t-user-two") == 2

    await eventually(is_sent_again)
    assert sent_of(vendor, "t-user-one", "t-user-two") == ["t-user-one", "t-user-two", "t-user-two"]
    [line] = daemon.log("forgotten")
    assert "user-one" not in json.dumps(line)


async def test_calls_of_a_suppressed_person_are_counted_and_kept_nowhere(daemon: Daemon, vendor: FakeVendor) -> None:
    await daemon.batch(a_person("user-one"))
    await daemon.settled()
    accepted = (await daemon.ledger())["accepted"]
    await forget(daemon, "user-one", kind="SUPPRESS_WITH_DELETE_INTERNAL")
    assert await daemon.get("/api/suppressions") == {"suppressed": 1}
    tried = {
        "events": [
            {"type": "track", "userId": "user-one", "event": "E"},
            {"type": "track", "userId": "other", "event": "E"},
        ]
    }
    told = (await daemon.admin("POST", "/api/try", tried))[1]["events"]
    assert [one["discarded"] and one["discarded"]["code"] for one in told] == ["suppressed", None]
    later = [{**call, "messageId": f"later-{n}"} for n, call in enumerate(a_person("user-one"))]
    await daemon.batch([*later, {"type": "identify", "userId": "user-two", "messageId": "other"}])
    await daemon.settled()
    assert (await daemon.ledger())["accepted"] == accepted + 1
    discards = await daemon.get("/api/discards")
    assert discards["counts"]["website"]["suppressed"] == 3
    assert {(one["code"], one["excerpt"], one["message_id"]) for one in discards["items"]} == {("suppressed", "", "")}
    assert files_with(daemon.folder, "user-one", "later-0") == []

    daemon.kill()
    await daemon.restart()
    await daemon.post("identify", userId="user-one", messageId="after-a-crash")
    assert (await daemon.get("/api/discards"))["counts"]["website"]["suppressed"] == 4

    await regulate(daemon, "UNSUPPRESS", "user-one")
    await daemon.post("track", anonymousId="anon-user-one", event="E", messageId="again")
    await daemon.settled("crm")
    assert sent_of(vendor, "again", "other") == ["other", "again"]
    assert await daemon.get("/api/suppressions") == {"suppressed": 0}


async def test_several_people_in_one_regulation_and_what_arrives_meanwhile(daemon: Daemon, vendor: FakeVendor) -> None:
    people = ("user-one", "user-two", "user-three")
    await daemon.batch([call for id in people for call in a_person(id)])
    await daemon.settled()
    id = await regulate(daemon, "DELETE_INTERNAL", *people)
    await daemon.post("group", userId="user-one", groupId="acme", traits={"name": "Acme"}, messageId="new")
    told = await done(daemon, id)
    assert (told["subjects"], told["erased"]["events"]) == (3, 9)
    await daemon.settled()
    assert await daemon.fate("new", "crm") == ("delivered", "")
    assert files_with(daemon.folder, *(f"gift-of-{id}" for id in people)) == []
    assert_ledger_adds_up(await daemon.ledger())


async def test_segment_s_body_with_three_ids_is_one_regulation_with_three_subjects(daemon: Daemon) -> None:
    people = ("user-one", "user-two", "user-three")
    await daemon.batch([call for id in people for call in a_person(id)])
    await daemon.settled()
    told = await done(daemon, await regulate(daemon, "SUPPRESS_WITH_DELETE", *people))
    assert (told["regulationType"], told["subjects"], told["overallStatus"]) == (
        "SUPPRESS_WITH_DELETE",
        3,
        "PARTIAL_SUCCESS",
    )
    assert await daemon.get("/api/suppressions") == {"suppressed": 3}
    assert [one["id"] for one in (await daemon.get("/api/regulations"))["data"]["regulations"]] == [told["id"]]
    assert (await forget(daemon, "user-four"))["streamStatus"] == [], "DELETE_INTERNAL asks no tool"


async def test_the_tools_are_asked_and_one_that_cannot_is_named(
    daemon: Daemon, vendor: FakeVendor, tmp_path: Path
) -> None:
    lines = tmp_path / "events.jsonl"
    daemon.destinations += [
        destination("hook", "webhook", {"url": f"{vendor.url}/hook"}, mode="live", delivery={"isolation": "thread"}),
        destination("archive", "file", {"path": str(lines)}, mode="live"),
        destination("down", "webhook", {"url": f"{vendor.url}/down"}, mode="live"),
    ]
    vendor.answer = lambda seen: Reply(422 if seen.url == "/down" else 200, json={"seen": "user-one"})
    await daemon.reload()
    await daemon.batch(a_person("user-one"))
    await daemon.settled()
    told = await forget(daemon, "user-one", kind="DELETE_ONLY")
    [stream] = told["streamStatus"]
    statuses = {tool["name"]: tool["status"] for tool in stream["destinationStatus"]}
    assert statuses == {
        "crm": "NOT_SUPPORTED",
        "gated": "NOT_SUPPORTED",
        "hook": "FINISHED",
        "archive": "FINISHED",
        "down": "FAILED",
    }
    assert told["overallStatus"] == "PARTIAL_SUCCESS"
    deletions = [{"type": "delete", "userId": "user-one"}, {"type": "delete", "anonymousId": "anon-user-one"}]
    assert [seen.json() for seen in vendor.requests if seen.url == "/hook"][-2:] == deletions
    assert last_lines(lines, 2) == deletions
    assert files_with(daemon.folder, "user-one") == []
    assert await answers_with(daemon, "user-one") == []
    assert "user-one" not in json.dumps([await daemon.get(f"/api/destinations/{name}") for name in statuses])
    assert_ledger_adds_up(await daemon.ledger(), daemon.starts())


@pytest.mark.parametrize("change", ["removed", "disabled"])
async def test_a_destination_that_goes_while_it_is_asked_does_not_keep_the_regulation_open(
    daemon: Daemon, vendor: FakeVendor, change: str
) -> None:
    hook = destination("hook", "webhook", {"url": f"{vendor.url}/hook"}, mode="live")
    daemon.destinations.append(hook)
    vendor.answer = lambda seen: Reply(503 if seen.url == "/hook" and b"delete" in seen.body else 200, json={})
    await daemon.reload()
    await daemon.batch(a_person("user-one"))
    await daemon.settled()
    id = await regulate(daemon, "DELETE_ONLY", "user-one")

    async def is_asked() -> bool:
        return any(b"delete" in seen.body for seen in vendor.requests)

    await eventually(is_asked, what="the vendor is asked")
    daemon.destinations.remove(hook)
    if change == "disabled":
        daemon.destinations.append(
            destination("hook", "webhook", {"url": f"{vendor.url}/hook"}, mode="live", enabled=False)
        )
    await daemon.reload()
    told = await done(daemon, id)
    [stream] = told["streamStatus"]
    [tool] = [tool for tool in stream["destinationStatus"] if tool["name"] == "hook"]
    words = "it is not configured any more" if change == "removed" else "it was disabled before it was done"
    assert (tool["status"], tool["errString"].partition(":")[0], told["overallStatus"]) == (
        "FAILED",
        words,
        "PARTIAL_SUCCESS",
    )
    assert files_with(daemon.folder, "user-one") == []


def last_lines(path: Path, n: int) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()[-n:]]


async def test_what_is_wrong_with_a_demand_is_told(daemon: Daemon) -> None:
    good = {"regulationType": "DELETE_INTERNAL", "subjectType": "USER_ID", "subjectIds": ["u1"]}
    for change, words in (
        ({"regulationType": "ERASE"}, "`regulationType` must be one of"),
        ({"subjectType": "OBJECT_ID"}, "objects are not kept here"),
        ({"subjectIds": []}, "1 to 5000 ids"),
        ({"subjectIds": [None]}, "must be a list of ids"),
        ({"subjectIds": "u1"}, "must be a list of ids"),
        ({"users": ["u1"]}, "unknown: users"),
        ({"subjectIds": ["u1", "u2"], "anonymousIds": ["a"]}, "belong to one person"),
    ):
        status, answer = await daemon.admin("POST", "/api/regulations", {**good, **change})
        assert (status, answer["code"]) == (400, "invalid_request"), change
        assert words in answer["error"]
    assert (await daemon.admin("GET", "/api/regulations/reg_0"))[0] == 404
    assert (await daemon.get("/api/regulations"))["data"]["regulations"] == []


async def verb(daemon: Daemon, *words: str) -> tuple[int, str]:
    """Run a verb; returns exit code and output."""
    code, out, err = await verbs.verb(daemon, *words)
    return code, out + err


def a_copy(daemon: Daemon) -> Path:
    """Beside the store, as an upgrade makes it."""
    copy = Path(f"{daemon.store}.before-1")
    copy.write_bytes(b"")
    return copy


async def test_the_verbs_name_who_is_meant_and_tell_what_was_erased(daemon: Daemon) -> None:
    await daemon.batch(a_person("user-one"))
    await daemon.settled()
    copy = a_copy(daemon)
    code, told = await verb(daemon, "forget", "user-one")
    assert (code, told.startswith("nothing was erased: standard input is no terminal")) == (1, True), told
    words = "with --yes this command would erase all that is stored of user-one, with 1 anonymousId: anon-user-one"
    assert words in " ".join(told.split())
    code, told = await verb(daemon, "forget", "user-one", "--yes", "--suppress")
    assert (code, "3 stored events" in told, str(copy) in told) == (0, True, True)
    code, told = await verb(daemon, "forget", "nobody", "--yes", "--copies")
    assert (code, "nothing found" in told, f"removed the copy {copy}" in told) == (0, True, True)
    code, told = await verb(daemon, "forget", "nobody", "--yes", "--tools")
    assert (code, "PARTIAL_SUCCESS" in told, "crm: NOT_SUPPORTED, " in told) == (0, True, True)
    assert (await verb(daemon, "forgotten"))[1].startswith("suppressed people: 1\n")
    listed = json.loads((await verb(daemon, "forgotten", "--json"))[1])
    assert listed == {**await daemon.get("/api/regulations"), **await daemon.get("/api/suppressions")}
    newest = listed["data"]["regulations"][0]
    path = f"/api/regulations/{newest['id']}"
    assert json.loads((await verb(daemon, "forgotten", newest["id"], "--json"))[1]) == await daemon.get(path)
    assert await verb(daemon, "unsuppress", "user-one") == (
        0,
        "user-one is suppressed no longer; suppressed in all: 0\n",
    )
    assert (await verb(daemon, "why", "t-user-one"))[1].startswith("t-user-one: track of (forgotten), from website")


async def demanded(daemon: Daemon, body: Mapping[str, Any]) -> str | None:
    """The id of the regulation; None where the daemon was killed before it answered."""
    try:
        _, answer = await daemon.admin("POST", "/api/regulations", body)
    except (aiohttp.ClientError, ConnectionError):
        return None
    return str(answer["data"]["regulateId"])


@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=pytest.mark.slow)])
async def test_a_kill_at_any_moment_of_it_ends_in_the_same(daemon: Daemon, vendor: FakeVendor, kills: int) -> None:
    """`forget --tools`: the vendor of `hook` is told to delete each of them at least once."""
    rng = random.Random(7)
    daemon.destinations.append(destination("hook", "webhook", {"url": f"{vendor.url}/hook"}, mode="live"))
    await daemon.reload()
    for n in range(kills):
        id = f"person-{n}"
        await daemon.batch([call for k in range(20) for call in a_person(id) + a_person(f"other-{n}-{k}")])
        body = {"regulationType": "DELETE_ONLY", "subjectType": "USER_ID", "subjectIds": [id]}
        demand = asyncio.create_task(demanded(daemon, body))
        await daemon.kill_after(rng.uniform(0.0, 0.15))
        answered = await demand is not None
        early = list(vendor.requests)
        vendor.requests.clear()
        await daemon.restart()
        if not answered:
            await forget(daemon, id, kind="DELETE_ONLY")
        regulations = (await daemon.get("/api/regulations"))["data"]["regulations"]
        for one in regulations:
            await done(daemon, one["id"])
        await daemon.settled()
        assert files_with(daemon.folder, f"gift-of-{id}", f"anon-{id}") == []
        assert files_with(daemon.folder, id) == []
        deletion = {"type": "delete", "userId": id}
        assert deletion in [seen.json() for seen in [*early, *vendor.requests] if seen.url == "/hook"]
        if answered:
            assert sent_of(vendor, f"t-{id}") == [], "nothing of them is sent after the answer"
        assert_ledger_adds_up(await daemon.ledger(), daemon.starts())


async def test_violations_of_somebody_who_was_forgotten_are_counted_still(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    daemon = Daemon(tmp_path, [])
    daemon.source = {"plan": "plan.json"}
    async with daemon:
        await daemon.post("track", event="Order Completed", userId="zoe", messageId="m1", properties={"total": "9"})
        assert (await verb(daemon, "forget", "zoe", "--yes"))[0] == 0
        code, told = await verb(daemon, "violations")
        assert (code, "properties.total" in told, "m1" in told) == (0, True, False), told
