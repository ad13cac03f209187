"""Dead letters and replays through the real daemon: by the verbs and by the admin API, with a kill in the middle."""

from __future__ import annotations

from pathlib import Path

from router.testing.vendor import FakeVendor, Reply
from tests.flow.harness import Daemon, assert_ledger_adds_up, destination, eventually
from tests.flow.verbs import verb

PATH = "/api/destinations/crm"


async def test_what_a_vendor_refused_is_counted_replayed_and_survives_a_kill(tmp_path: Path) -> None:
    async with FakeVendor(Reply(422, json={"error": "no such field"})) as vendor:
        tables = [destination("crm", "collector", {"base_url": vendor.url})]
        async with Daemon(tmp_path, tables) as daemon:
            calls = [
                {"type": "track", "userId": f"u{n % 20}", "event": "E", "messageId": f"m{n}", "properties": {"n": n}}
                for n in range(400)
            ]
            await daemon.batch(calls)
            ledger = await daemon.settled("crm")
            assert ledger["destinations"]["crm"]["dead"] == 400
            listed = (await daemon.admin("GET", f"{PATH}/dead?reason=rejected&since=1h"))[1]
            assert (listed["dead"], listed["kept"], len(listed["items"])) == (400, 400, 100)
            body = {"dead": True, "reason": "rejected", "count_only": True}
            assert await daemon.admin("POST", f"{PATH}/replay", body) == (200, {"count": 400})
            vendor.default = Reply(200, json={}, delay_s=0.01)
            vendor.requests.clear()
            status, started = await daemon.admin("POST", f"{PATH}/replay", {"dead": True})
            assert (status, started["total"]) == (200, 400)

            async def has_begun() -> bool:
                return len(vendor.requests) > 5

            await eventually(has_begun)
            daemon.kill()
            await daemon.restart()
            ledger = await daemon.settled("crm")
            assert_ledger_adds_up(ledger)
            assert ledger["destinations"]["crm"]["delivered"] == 400
            told = (await daemon.admin("GET", f"{PATH}/replay"))[1]
            assert (told["state"], told["remaining"]) == ("done", 0)


async def test_a_destination_that_is_added_later_gets_last_weeks_events_by_the_line_in_the_log(tmp_path: Path) -> None:
    async with FakeVendor(Reply(200, json={})) as vendor, Daemon(tmp_path, []) as daemon:
        await daemon.batch([
            {"type": "track", "userId": "u1", "event": "E", "messageId": "early"},
            {"type": "group", "userId": "u1", "groupId": "acme", "traits": {"name": "Acme"}, "messageId": "g"},
        ])  # fmt: skip
        daemon.destinations = [destination("crm", "collector", {"base_url": vendor.url})]
        daemon.write_config()
        await daemon.reload()
        [added] = await daemon.logged("destination_added")
        line = added["paste"].partition(" --config ")[0].split()[-4:]
        assert line == ["replay", "crm", "--since", "7d"]
        code, told, _ = await verb(daemon, *line)
        assert (code, "of 2 events" in told) == (0, True)

        async def sent() -> bool:
            return bool((await daemon.counts("crm"))["replayed"] == 2)

        await eventually(sent)
        arrived = {item["id"] for seen in vendor.requests for item in seen.json()}
        assert arrived == {"early", "g"}


async def test_a_removed_destination_is_kept_until_it_is_dropped_by_hand(tmp_path: Path) -> None:
    async with FakeVendor(Reply(422)) as vendor, Daemon(tmp_path, []) as daemon:
        daemon.destinations = [destination("crm", "collector", {"base_url": vendor.url})]
        daemon.write_config()
        await daemon.reload()
        await daemon.batch([{"type": "group", "groupId": "acme", "messageId": "m1"}])
        await daemon.settled("crm")
        assert (await daemon.admin("DELETE", PATH))[0] == 409
        daemon.destinations = []
        daemon.write_config()
        await daemon.reload()
        [told] = await daemon.logged("destination_removed")
        assert (told["destination"], told["dead"]) == ("crm", 1)
        removed = (await daemon.admin("GET", "/api/destinations"))[1]["removed"]
        assert removed == [{"name": "crm", "held": 0, "retrying": 0, "queued": 0, "dead": 1}]
        assert (await daemon.ledger())["removed"] == removed
        for path in ("dead", "held", "errors"):
            status, told = await daemon.admin("GET", f"{PATH}/{path}")
            assert (status, told["code"]) == (404, "not_found")
            assert told["error"].startswith(
                "crm was removed from config.toml, and 1 dead is kept: to go on, put its table back"
            )
            assert "destinations drop crm" in told["error"]
        status, told = await daemon.admin("POST", "/api/destinations/other/pause", {})
        assert (status, told["error"]) == (404, "no destination 'other'; configured: none")
        answer = await daemon.admin("DELETE", PATH)
        assert answer == (200, {"dropped": {"held": 0, "retrying": 0, "queued": 0, "dead": 1}})
        assert (await daemon.admin("DELETE", PATH))[0] == 404


async def test_faulty_orders_are_refused_with_what_is_wrong(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [destination("crm", "collector", {"base_url": "http://127.0.0.1:9"})]) as daemon:
        for body, words in (
            ({}, "say what"),
            ({"dead": True, "sinse": "1h"}, "unknown: sinse"),
            ({"since": "yesterday"}, "`since`: not a time"),
            ({"since": "1h", "until": "2h"}, "later than"),
            ({"since": "1h", "reason": "rejected"}, '"dead": true'),
            ({"dead": True, "reason": 7}, "`reason` must be text"),
        ):
            status, answer = await daemon.admin("POST", f"{PATH}/replay", body)
            assert (status, answer["code"]) == (400, "invalid_request"), body
            assert words in answer["error"]
        assert (await daemon.admin("POST", f"{PATH}/replay", {"message_id": "unheard"}))[0] == 404
        assert (await daemon.admin("POST", f"{PATH}/dead/drop", {}))[1] == {"dropped": 0}
