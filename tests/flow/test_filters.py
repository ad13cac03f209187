"""Filters in a real daemon: every worked case, then `why`, the metrics, a reload and a replay."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp

from tests.flow.harness import Daemon, destination
from tests.unit.filters.fql_cases import CASES

NAMELESS = {"type": "track"}
"""The event of one case: a daemon discards a track call without a name, so no filter ever sees it there."""
GOOD = [case for case in CASES if not case.is_refused and case.event != NAMELESS]
STAFF = {"title": "No staff", "if": "match( traits.email, '*@acme.com' )", "actions": [{"type": "DROP"}]}


def taking_out_its_number(n: int, condition: str) -> dict[str, Any]:
    """A filter that leaves a trace in each event for which its condition holds: the case's number is gone from the event."""
    return {
        "title": f"case {n}",
        "if": condition,
        "actions": [{"type": "DROP_PROPERTIES", "fields": {"context.cases": [str(n)]}}],
    }


def call(event: dict[str, Any], message_id: str) -> dict[str, Any]:
    """An event as a call, with the numbers of all cases in it. Without any id it gets one, of which no case speaks."""
    ids = {} if event.get("userId") or event.get("anonymousId") else {"anonymousId": "somebody"}
    context = {**event.get("context", {}), "cases": {str(case.n): True for case in GOOD}}
    return {**event, **ids, "context": context, "messageId": message_id}


async def test_every_case_says_the_same_in_the_daemon_and_a_reload_asks_again(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    events = list({json.dumps(case.event): case.event for case in GOOD}.values())
    filters = [taking_out_its_number(case.n, case.expression) for case in GOOD]
    staff = destination("staff", "file", {"path": tmp_path / "staff.jsonl"}, filters=[STAFF])
    paid = destination("paid", "file", {"path": tmp_path / "paid.jsonl"}, filter="event = 'Order Completed'")
    async with Daemon(tmp_path, [destination("cases", "file", {"path": file}, filters=filters), paid, staff]) as daemon:
        ann = {"type": "identify", "userId": "ann", "traits": {"email": "ann@acme.com"}, "messageId": "ann"}
        calls = [call(event, f"event-{n}") for n, event in enumerate([*events, NAMELESS])]
        await daemon.batch([*calls, ann])
        ledger = await daemon.settled()
        assert (await daemon.get("/api/discards"))["items"][0]["message_id"] == f"event-{len(events)}"

        lines = [json.loads(line) for line in (await asyncio.to_thread(file.read_text)).splitlines()]
        left = {line["messageId"]: line["context"]["cases"] for line in lines if line["messageId"] != "ann"}
        found = {case.n: str(case.n) not in left[f"event-{events.index(case.event)}"] for case in GOOD}
        assert found == {case.n: case.expected for case in GOOD}

        counts = ledger["destinations"]["paid"]
        assert (counts["delivered"], counts["filtered"]) == (1, len(events))
        refused = (await daemon.message("ann"))["destinations"]["staff"]
        told = {key: refused[key] for key in ("state", "reason", "detail", "expression", "changed")}
        assert told == {
            "state": "filtered", "reason": "filter_drop", "detail": STAFF["title"], "expression": STAFF["if"], "changed": False,
        }  # fmt: skip
        async with aiohttp.ClientSession() as session, session.get(f"{daemon.admin_url}/metrics") as answer:
            page = await answer.text()
        of = 'segment_router_destination_filtered_events_total{destination="staff",reason="filter_drop"}'
        assert f"{of} 1.0" in page

        daemon.destinations[-1] = {**staff, "filters": []}
        daemon.write_config()
        await daemon.reload()
        assert (await daemon.message("ann"))["destinations"]["staff"]["changed"] is True
        await daemon.admin("POST", "/api/destinations/staff/replay", {"message_id": "ann"})
        await daemon.becomes("ann", "staff", "delivered", "")


async def test_every_refused_case_is_refused_by_a_reload_which_changes_nothing(tmp_path: Path) -> None:
    out = destination("out", "file", {"path": tmp_path / "out.jsonl"})
    async with Daemon(tmp_path, [out]) as daemon:
        for case in CASES:
            if case.is_refused and case.expression:  # an empty text means no filter
                daemon.destinations = [{**out, "filter": case.expression}]
                daemon.write_config()
                status, told = await daemon.admin("POST", "/api/reload")
                assert (status, told["code"], len(told["errors"])) == (409, "invalid_config", 1), case
                assert "filter" in told["errors"][0], case
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "out", "delivered")
        daemon.destinations = [out]
        await daemon.reload()
        assert await daemon.terminate() == 0
        (daemon.folder / "daemon.log").write_text("")  # a refused reload is an error in the log, here a wanted one
