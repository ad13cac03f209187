"""SIGKILL between any two steps of forgetting three people: the next start goes on, and all ends as without the kill."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.harness import SEVEN, assert_ledger_adds_up, destination, eventually
from tests.flow.test_forgetting import answers_with, demanded, done, files_with, regulate
from tests.flow.test_shutdown import Tuned

TOOLS = {"gated": "NOT_SUPPORTED", "crm": "FINISHED"}


class Mortal(Tuned):
    """A daemon that may be told to die between two steps."""

    tuning = ""

    async def begins_anew(self, dies_before: int | None = None) -> None:
        self.kill()
        mortal = f"from tests.flow.killed_forgetting import kill_before; kill_before({dies_before})"
        self.tuning = "" if dies_before is None else mortal
        await self.restart()


def answer(seen: Received) -> Reply:
    """`gated` refuses messages for good whose id says so."""
    return Reply(422 if seen.url == "/collect" and b'"bad-' in seen.body else 200, json={})


def life_of(id: str) -> list[dict[str, Any]]:
    """Three events that `gated` delivers, two that it holds, and one that is refused there."""
    identify = {"type": "identify", "userId": id, "traits": {"email": f"{id}@mail.test"}}
    track = {"type": "track", "userId": id, "event": "Bought", "properties": {"what": f"gift-of-{id}"}}
    return [
        *({**identify, "messageId": f"i{n}-{id}"} for n in range(3)),
        *({**track, "messageId": f"t{n}-{id}"} for n in range(2)),
        {**identify, "messageId": f"bad-{id}"},
    ]


@pytest.fixture
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor() as vendor:
        vendor.answer = answer
        yield vendor


@pytest.fixture
async def daemon(tmp_path: Path, vendor: FakeVendor) -> AsyncIterator[Mortal]:
    tables = [
        destination("gated", "collector", {"base_url": vendor.url, "gated": True}),
        destination("crm", "webhook", {"url": f"{vendor.url}/crm"}, mode="live"),
    ]
    async with Mortal(tmp_path, tables) as daemon:
        yield daemon


SUPPRESS, ALL = "SUPPRESS_WITH_DELETE", ("SUPPRESS_WITH_DELETE", "DELETE_ONLY", "DELETE_INTERNAL")


@pytest.mark.parametrize(
    ("kind", "every"),
    [
        pytest.param(SUPPRESS, 8, marks=pytest.mark.long),
        *(pytest.param(kind, 1, marks=pytest.mark.slow) for kind in ALL),
    ],
)
async def test_a_kill_before_any_step_ends_in_the_same(
    daemon: Mortal, vendor: FakeVendor, kind: str, every: int
) -> None:
    step, was_killed = 0, True
    while was_killed:
        people = [f"person-{step}-{n}" for n in range(3)]
        await daemon.begins_anew(dies_before=step)
        was_killed = await they_are_forgotten(daemon, vendor, kind, people)
        await nothing_is_left_of(people, daemon, vendor, is_suppressed=kind == SUPPRESS)
        step += every
    assert step > 2 * every, "it was killed at no step but the first"


async def they_are_forgotten(daemon: Mortal, vendor: FakeVendor, kind: str, people: list[str]) -> bool:
    """Demand it of a daemon that dies, and again where no answer came. Returns whether it died."""
    neighbours = [id.replace("person", "neighbour") for id in people]
    await daemon.batch([call for id in (*people, *neighbours) for call in life_of(id)])
    before = (await daemon.settled())["destinations"]["gated"]
    vendor.requests.clear()
    body = {"regulationType": kind, "subjectType": "USER_ID", "subjectIds": people}
    answered = await demanded(daemon, body)
    was_killed = answered is None or await dies(daemon, answered)
    await daemon.begins_anew()
    answered = answered or await demanded(daemon, body)
    assert answered is not None
    for id in people:
        traits = {"name": "Acme"}
        await daemon.post("group", userId=id, groupId="acme", traits=traits, messageId=f"meanwhile-{id}")
    for one in (await daemon.get("/api/regulations"))["data"]["regulations"]:
        await done(daemon, one["id"])
    told = await done(daemon, answered)
    assert (told["subjects"], told["regulationType"]) == (3, kind)
    asked = {tool["name"]: tool["status"] for stream in told["streamStatus"] for tool in stream["destinationStatus"]}
    is_alone = kind == "DELETE_INTERNAL"
    assert (asked, told["overallStatus"]) == (({}, "FINISHED") if is_alone else (TOOLS, "PARTIAL_SUCCESS"))
    after = (await daemon.settled())["destinations"]["gated"]
    changes = Counter({state: after[state] - before[state] for state in SEVEN})
    assert changes == Counter(held=-6, dead=6, delivered=0 if kind == SUPPRESS else 3)
    return was_killed


async def dies(daemon: Mortal, regulation_id: str) -> bool:
    """Whether it is killed before the regulation is finished."""
    try:
        await done(daemon, regulation_id)
    except (aiohttp.ClientError, ConnectionError):
        return True
    return False


async def nothing_is_left_of(people: list[str], daemon: Mortal, vendor: FakeVendor, *, is_suppressed: bool) -> None:
    """In files and answers, and of what a replay of the week sends. A call of theirs that came meanwhile is new, or discarded."""
    for id in people:
        assert await daemon.fate(f"t0-{id}", "gated") == ("dead", "forgotten")
        assert (await daemon.message(f"i0-{id}")).get("forgotten"), id
        status, _ = await daemon.admin("GET", f"/api/messages/meanwhile-{id}")
        assert status == (404 if is_suppressed else 200)
    told = ("{}@mail.test", "gift-of-{}", "i0-{}", "t0-{}", "bad-{}", *(["{}"] if is_suppressed else []))
    words = [word.format(id) for id in people for word in told]
    assert files_with(daemon.folder, *words) == []
    assert await answers_with(daemon, *words) == []

    status, _ = await daemon.admin("POST", "/api/destinations/gated/replay", {"since": "7d"})
    assert status == 200
    again = people[0].replace("person", "i2-neighbour")

    async def is_sent_again() -> bool:
        return any(again.encode() in seen.body for seen in vendor.requests if seen.url == "/collect")

    await eventually(is_sent_again, what="the replay sends what others have")
    await daemon.settled("gated")
    gone = [call["messageId"] for id in people for call in life_of(id)]
    assert [id for id in gone for seen in vendor.requests if id.encode() in seen.body] == []
    if is_suppressed:
        discards = await daemon.get("/api/discards")
        assert {(one["code"], one["excerpt"], one["message_id"]) for one in discards["items"]} == {
            ("suppressed", "", "")
        }
        await regulate(daemon, "UNSUPPRESS", *people)
        assert await daemon.get("/api/suppressions") == {"suppressed": 0}
        await daemon.post("identify", userId=people[0], messageId=f"again-{people[0]}")
        await daemon.becomes(f"again-{people[0]}", "gated", "delivered")
    assert_ledger_adds_up(await daemon.ledger())
