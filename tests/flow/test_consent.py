"""Consent in a real daemon: every worked case, then `why`, the metrics, the door, a withdrawal, a reload and a replay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import aiohttp

from router.testing.vendor import FakeVendor, Reply
from tests.flow.harness import Daemon, assert_ledger_adds_up, destination
from tests.unit.consent.consent_cases import CASES

KEYS = {"project_id": "p", "api_key": "k"}
UPDATE = "Segment Consent Preference Updated"


def settings() -> dict[str, dict[str, Any]]:
    """A table for each distinct setting of the cases, by its text. The name of the case becomes one more name in `integrations`."""
    distinct = {json.dumps(case.destination, sort_keys=True): case.destination for case in CASES}
    return {
        text: {**table, "name": f"{table['name']}-{number}", "integrations": [table["name"]]}
        for number, (text, table) in enumerate(distinct.items())
    }


async def test_every_case_says_the_same_in_the_daemon_and_a_reload_asks_again(tmp_path: Path) -> None:
    tables = settings()
    destinations = [
        destination(plugin="file", settings={"path": tmp_path / "out.jsonl"}, **table) for table in tables.values()
    ]
    holding = destination(
        "holding", "clientsuccess", KEYS, mode="dry-run", consent=["ad"], delivery={"isolation": "thread"}
    )
    async with Daemon(tmp_path, [*destinations, holding], consent={"follow": True}) as daemon:
        bad = {"type": "track", "event": UPDATE, "userId": "u", "messageId": "bad"}
        await daemon.batch([*({**case.call, "messageId": f"case-{case.n}"} for case in CASES), bad])
        await daemon.settled()

        found = {}
        for case in CASES:
            state, reason = await daemon.fate(
                f"case-{case.n}", tables[json.dumps(case.destination, sort_keys=True)]["name"]
            )
            found[case.n] = ("go", "") if state == "delivered" else (state, reason)
        assert found == {case.n: case.expected for case in CASES}

        [discard] = (await daemon.get("/api/discards"))["items"]
        assert (discard["code"], discard["message_id"]) == ("consent_invalid", "bad")
        assert "context.consent.categoryPreferences" in discard["message"]

        both = next(table["name"] for table in tables.values() if table.get("consent") == ["ad", "analytics"])
        refused = (await daemon.message("case-11"))["destinations"][both]
        told = {key: refused[key] for key in ("state", "reason", "detail", "changed")}
        assert told == {"state": "filtered", "reason": "consent", "detail": "analytics", "changed": False}
        async with aiohttp.ClientSession() as session, session.get(f"{daemon.admin_url}/metrics") as answer:
            page = await answer.text()
        counted = f'segment_router_destination_filtered_events_total{{destination="{both}",reason="consent"}}'
        assert any(line.startswith(counted) and not line.endswith(" 0.0") for line in page.splitlines())

        given = {"consent": {"categoryPreferences": {"ad": True}}}
        await daemon.post("track", event="Opened", userId="w", messageId="held", context=given)
        await daemon.becomes("held", "holding", "held", "group_unknown")
        taken = {"consent": {"categoryPreferences": {"ad": False}}}
        await daemon.post("track", event=UPDATE, userId="w", messageId="taken", context=taken)
        await daemon.becomes("held", "holding", "filtered", "consent_withdrawn")

        for table in daemon.destinations:
            if table["name"] == both:
                table["consent"] = ["ad"]
        daemon.write_config()
        await daemon.reload()
        assert (await daemon.message("case-11"))["destinations"][both]["changed"] is True
        await daemon.admin("POST", f"/api/destinations/{both}/replay", {"message_id": "case-11"})
        await daemon.becomes("case-11", both, "delivered", "")

        await daemon.terminate()
        assert daemon.rows("SELECT count(*) FROM consent WHERE user_key = 'u:w'") == [(1,)]
        daemon.tables["consent"] = {"follow": False}
        daemon.write_config()
        await daemon.restart()
        assert daemon.rows("SELECT count(*) FROM consent") == [(0,)]


async def test_what_waits_for_its_rate_is_not_sent_after_a_withdrawal_nor_after_a_kill(tmp_path: Path) -> None:
    """The withdrawal is answered, the process is killed at once: what it stops is read again from the log."""
    given, taken = ({"consent": {"categoryPreferences": {"ad": says}}} for says in (True, False))
    async with FakeVendor(Reply(200, json={})) as vendor:
        slow = destination(
            "slow", "webhook", {"url": f"{vendor.url}/hook"}, mode="live", consent=["ad"], delivery={"rate": "1/h"}
        )
        async with Daemon(tmp_path, [slow], consent={"follow": True}) as daemon:
            await daemon.post("track", event="E", userId="first", messageId="first", context=given)
            await daemon.becomes("first", "slow", "delivered")
            for number in range(5):
                await daemon.post("track", event="E", userId=f"u{number}", messageId=f"waits-{number}", context=given)
            await daemon.post("track", event=UPDATE, userId="u1", messageId="taken-1", context=taken)
            await daemon.becomes("waits-1", "slow", "filtered", "consent_withdrawn")
            await daemon.post("track", event=UPDATE, userId="u2", messageId="taken-2", context=taken)
            daemon.kill()
            await daemon.restart()
            for number in (1, 2):
                await daemon.becomes(f"waits-{number}", "slow", "filtered", "consent_withdrawn")
            for number in (0, 3, 4):
                assert (await daemon.fate(f"waits-{number}", "slow"))[0] in ("queued", "delivered")
            assert_ledger_adds_up(await daemon.ledger())
        sent = [seen.json().get("messageId") for seen in vendor.requests]
        assert not {"waits-1", "waits-2"} & set(sent)
