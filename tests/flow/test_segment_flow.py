"""The segment destination between real daemons: nothing is lost or altered while both are killed, and a loop ends."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

from tests.flow.harness import WRITE_KEY, Daemon, destination, eventually

TYPES = ("identify", "group", "track", "page", "screen", "alias")
KILLS = 6


def forward(name: str, to: Daemon, write_key: str = WRITE_KEY, **tables: Any) -> dict[str, Any]:
    """A destination that forwards to another daemon."""
    return destination(name, "segment", {"base_url": to.url, "write_key": write_key}, **tables)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def daemons(folder: Path) -> tuple[Daemon, Daemon]:
    """Two of them, each in a folder of its own."""
    (folder / "a").mkdir()
    (folder / "b").mkdir()
    return Daemon(folder / "a", []), Daemon(folder / "b", [])


async def test_all_types_arrive_as_the_calls_that_they_are(tmp_path: Path) -> None:
    a, b = daemons(tmp_path)
    a.destinations = [forward("b", b), destination("file", "file", {"path": tmp_path / "a.jsonl"})]
    b.destinations = [destination("file", "file", {"path": tmp_path / "b.jsonl"})]
    async with b, a:
        for number, type in enumerate(TYPES):
            await a.post(
                type, userId=f"u{number}", messageId=f"m-{type}", groupId="acme", previousId="a1", event="Žádost",
                name="Pricing", traits={"plan": "gold"}, properties={"rows": 12.5}, context={"ip": "10.0.0.1"},
                integrations={"Braze": False}, timestamp="2026-01-02T03:04:05Z", sentAt="2026-01-02T03:04:06Z",
            )  # fmt: skip

        async def arrived() -> bool:
            return bool((await b.ledger())["accepted"] == len(TYPES))

        await eventually(arrived, what="every call is accepted by the other daemon")
        assert (await b.settled())["discarded"] == 0
        assert (await a.settled())["destinations"]["b"]["delivered"] == len(TYPES)
    sent = {call["messageId"]: call for call in lines(tmp_path / "a.jsonl")}
    came = {call["messageId"]: call for call in lines(tmp_path / "b.jsonl")}
    assert sent.keys() == came.keys()
    for id, call in came.items():
        assert len(call["context"].pop("forwardedTo")) == 1
        own = {name: value for name, value in sent[id].items() if name != "sentAt"}
        assert {**own, "receivedAt": ""} == {**call, "receivedAt": ""}


async def test_nothing_is_lost_or_counted_twice_while_both_are_killed_at_any_moment(tmp_path: Path) -> None:
    chance = random.Random(11)
    a, b = daemons(tmp_path)
    a.destinations = [forward("b", b, delivery={"concurrency": 4})]
    b.destinations = [destination("file", "file", {"path": tmp_path / "b.jsonl"})]
    sent: list[str] = []

    async def kill_both() -> None:
        for victim in chance.choices((a, b), k=KILLS):
            await victim.kill_after(chance.uniform(0.0, 0.4))
            await victim.restart()

    async with b, a:
        killing = asyncio.create_task(kill_both())
        while not killing.done() or len(sent) < 100:
            call = {"userId": f"u{len(sent) % 7}", "event": "E", "messageId": f"m-{len(sent)}"}
            await a.post_until_taken("track", call)
            sent.append(call["messageId"])
        await killing

        async def arrived() -> bool:
            return bool((await b.ledger())["accepted"] >= len(sent))

        await eventually(arrived, what="every call is accepted by the other daemon")
        here, there = await a.settled(), await b.settled()
        assert here["destinations"]["b"]["delivered"] == here["accepted"] == len(sent)
        assert (there["accepted"], there["discarded"]) == (len(sent), 0)  # what came twice is a duplicate there
    assert {call["messageId"] for call in lines(tmp_path / "b.jsonl")} == set(sent)


async def test_two_that_forward_to_each_other_end_the_loop_after_one_round(tmp_path: Path) -> None:
    a, b = daemons(tmp_path)
    a.more_sources = [{"name": "from_b", "write_key": "wk_from_b"}]
    a.destinations, b.destinations = [forward("b", b)], [forward("a", a, "wk_from_b")]
    async with b, a:
        await a.post("track", userId="u1", event="E", messageId="m1")

        async def back() -> bool:
            return bool((await a.ledger())["accepted"] == 2)

        await eventually(back, what="the call is back")
        here, there = await a.settled(), await b.settled()
        assert (here["destinations"]["b"]["delivered"], here["destinations"]["b"]["skipped"]) == (1, 1)
        assert (there["accepted"], there["destinations"]["a"]["delivered"]) == (1, 1)
        assert [line["reason"] for line in a.log("decision_made")] == ["", "loop"]
