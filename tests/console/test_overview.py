"""The first page in each state that a router can be in; each is really caused."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import make_mocked_request

from router.console import frame
from router.console.console import Console
from router.console.patience import Patience
from router.console.rendered import Rendered
from router.console.views.overview import overview
from router.counts import STORE, Counts
from router.testing.vendor import FakeVendor, Reply
from tests.console.pages import Page, Visitor
from tests.contract.rig import Gated, open_rig
from tests.flow.harness import AUTHORIZATION, Daemon, destination, eventually
from tests.flow.odd_daemon import FullDaemon, OddDaemon, odd_machine
from tests.patience import HANG_S
from tests.unit.admin.test_admin_api import FakeDaemon

__all__ = ["odd_machine"]

DRY = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
HOUR = 3600.0


def gated(url: str, **more: object) -> dict[str, object]:
    return destination("gated", "collector", {"base_url": url, "gated": True}, **more)


async def says(visitor: Visitor, words: str, path: str = "/") -> Page:
    """The page, once it says this."""
    last: list[str] = []

    async def page() -> Page | None:
        found = await visitor.open(path)
        last[:] = [found.text]
        return found if words in found.text else None

    try:
        found = await eventually(page, what=f"the page says {words!r}")
    except AssertionError as error:
        error.add_note(f"it says {last}")
        raise
    assert found is not None
    return found


async def test_before_the_first_event_it_shows_the_commands_for_this_router_and_turns_by_itself(tmp_path: Path) -> None:
    async with (
        Daemon(tmp_path, [DRY]) as daemon,
        Visitor(daemon.admin_url) as visitor,
        aiohttp.ClientSession() as http,
        asyncio.timeout(HANG_S),
        http.get(f"{daemon.admin_url}/?stream=1") as stream,
    ):
        page = await visitor.open("/")
        assert "Waiting for the first event" in page.text
        assert f"Sources send their calls to {daemon.url}" in page.text
        for verb in ("send track --user u1 --event Hello", "why hello-1", "send group --user u1 --group acme"):
            assert f"{verb}" in page.text
        seen = b""
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        while b"1 event accepted" not in seen:
            seen += await stream.content.readany()
        assert "Waiting for the first event" not in (await visitor.open("/")).text


async def test_at_rest_the_numbers_are_those_of_the_ledger_and_lead_to_what_is_behind_them(tmp_path: Path) -> None:
    async with (
        FakeVendor() as vendor,
        Daemon(tmp_path, [gated(vendor.url), DRY]) as daemon,
        Visitor(daemon.admin_url) as visitor,
    ):
        await daemon.post("identify", userId="u1", messageId="m1")
        await daemon.post("track", userId="u1", event="E", messageId="m2")
        await daemon.post("track", userId="u1", messageId="m3")  # it is discarded
        await daemon.settled()
        page = await says(visitor, "2 events accepted, none unaccounted for; 0 duplicates ignored, 1 discarded")
        assert "gated ● running 2 1 1 0 0 0 0 0" in page.text
        assert "hook ● running (dry run) 2 2 0 0 0 0 0 0" in page.text
        assert page.html.count('href="/destinations/gated/held"') == 1
        assert 'href="/events?state=delivered@hook"' in page.html
        assert re.search(r"website (under )?[0-9.]+/s last event", page.text)
        assert "1 discarded today" in page.text
        assert "Disk: the store takes" in page.text
        assert "No troubles." in page.text
        reasons = await visitor.open(page.links["A tool shows nothing all the same?"])
        assert "If the tool shows nothing of what was delivered" in reasons.text
        last = page.html.partition('href="/destinations/gated"')[2].partition("</tr>")[0]
        assert "<time datetime=" in last, "when it delivered last"


async def test_without_a_destination_it_says_what_to_add(tmp_path: Path) -> None:
    async with Daemon(tmp_path, []) as daemon, Visitor(daemon.admin_url) as visitor:
        assert "No destination is configured, so events are kept and go nowhere." in (await visitor.open("/")).text


async def test_a_refused_reload_shows_its_errors_until_one_is_taken(tmp_path: Path) -> None:
    async with OddDaemon(tmp_path, [DRY], "config_reload_failed") as daemon, Visitor(daemon.admin_url) as visitor:
        daemon.destinations = [{**DRY, "plugin": "colector", "mode": "sometimes"}]
        daemon.write_config()
        status, body = await daemon.admin("POST", "/api/reload")
        assert (status, len(body["errors"])) == (409, 2)
        page = await visitor.open("/")
        assert "config.toml was refused" in page.text
        assert "The former configuration is in force, since" in page.text
        for error in body["errors"]:
            assert error in page.text
        assert "router the last reload was refused, and the former config.toml is in force" in page.text
        assert "1 trouble" in page.text
        daemon.destinations = [DRY]
        await daemon.reload()
        page = await visitor.open("/")
        assert "was refused" not in page.text
        assert "No troubles." in page.text


async def test_a_paused_destination_is_a_trouble_with_what_waits_and_a_link_to_test_it(tmp_path: Path) -> None:
    async with (
        FakeVendor(Reply(401, body=b"bad key")) as vendor,
        Daemon(tmp_path, [destination("crm", "collector", {"base_url": vendor.url})]) as daemon,
        Visitor(daemon.admin_url) as visitor,
    ):
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        page = await says(visitor, "crm paused because the vendor refused our key")
        assert "1 waits." in page.text
        assert "Whoever operates the router: correct the key and reload" in page.text
        assert "A dry run counts as delivered, and nothing is sent." in page.text
        assert page.links["Test or resume"] == f"{daemon.admin_url}/destinations/crm"


async def test_a_vendor_that_asks_to_wait_and_a_breaker_that_is_open_are_troubles(tmp_path: Path) -> None:
    down = destination("down", "collector", {"base_url": "http://127.0.0.1:9"})
    async with FakeVendor(Reply(429, headers={"Retry-After": "3000"})) as busy:
        asks = destination("asks", "collector", {"base_url": busy.url})
        async with Daemon(tmp_path, [asks, down]) as daemon, Visitor(daemon.admin_url) as visitor:
            await daemon.batch(
                [{"type": "track", "event": "E", "userId": f"u{n}", "messageId": f"m{n}"} for n in range(60)]
            )
            page = await says(visitor, "asks paused because the vendor asked for it")
            assert "Nothing to do: it goes on by itself; next try in " in page.text
            await says(visitor, "down fails again and again (the connection to the vendor failed)")


async def test_dead_letters_and_group_calls_that_a_filter_keeps_back_are_troubles(tmp_path: Path) -> None:
    async with FakeVendor() as good, FakeVendor(Reply(400, body=b"no")) as bad:
        kept = gated(good.url, filter="type != 'group'")
        refusing = destination("refusing", "collector", {"base_url": bad.url})
        async with Daemon(tmp_path, [kept, refusing]) as daemon, Visitor(daemon.admin_url) as visitor:
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="m1")
            await daemon.settled()
            page = await says(visitor, "gated 1 group call did not pass its filters")
            assert "refusing 1 dead event in the last hour: the vendor refused it" in page.text
            assert f"{daemon.admin_url}/destinations/refusing/dead" in page.links.values()


async def test_exceptions_of_a_plugin_are_a_trouble_for_its_author(tmp_path: Path) -> None:
    erratic = destination("erratic", "saboteur", {"base_url": "http://127.0.0.1:9"})
    async with Daemon(tmp_path, [erratic]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u1", event="hook raises its own", messageId="m1")
        await daemon.becomes("m1", "erratic", "dead", "plugin_error")
        page = await says(visitor, "erratic 1 event on which its plugin failed in the last hour")
        assert "The author of the plugin: correct the plugin: the dead letter has the traceback" in page.text


async def test_discards_of_more_than_one_in_a_hundred_are_a_trouble(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [DRY]) as daemon, Visitor(daemon.admin_url) as visitor:
        for n in range(5):
            await daemon.post("track", userId="u1", messageId=f"m{n}")
        page = await says(
            visitor, "5 calls of source website could not be used in the last hour, 100 % of what it sent"
        )
        assert f"{daemon.admin_url}/sources/website" in page.links.values()


async def test_a_day_later_a_silent_source_a_late_event_and_a_hold_that_grows_are_troubles(odd_machine: Path) -> None:
    async with FakeVendor() as vendor:
        slow = destination("slow", "collector", {"base_url": vendor.url})
        async with OddDaemon(odd_machine, [gated(vendor.url), slow]) as daemon, Visitor(daemon.admin_url) as visitor:
            for n in range(12):
                await daemon.post("track", userId="u1", event="E", messageId=f"m{n}")
            await daemon.settled()
            assert await daemon.terminate() == 0
            daemon.wall(26 * HOUR)
            await daemon.restart()
            page = await says(visitor, "source website is silent for 26 h; it never was for longer than")
            assert "silent for 26 h" in page.text.partition("Sources")[2]
            assert "hold_growing" not in page.text
            await daemon.post("track", userId="u2", event="E", messageId="new")
            await says(visitor, "gated more and more is held, and nothing was let go for a day: 13 events of 2 users")
            await daemon.post("group", userId="u2", groupId="acme", traits={"name": "Acme"}, messageId="g")
            await daemon.becomes("new", "gated", "delivered")

            async def is_calm() -> bool:
                return "more and more is held" not in (await visitor.open("/")).text

            await eventually(is_calm, what="somebody was let go")


async def test_a_jump_of_the_clock_is_a_trouble_for_an_hour(odd_machine: Path) -> None:
    async with OddDaemon(odd_machine, [DRY]) as daemon, Visitor(daemon.admin_url) as visitor:
        daemon.wall(2 * HOUR + 60)
        page = await says(visitor, "router the clock of this machine jumped forward by 2 h")
        assert "check the time service of this machine; nothing expires by the jump" in page.text


async def test_a_full_disk_is_said_in_red_with_the_requests_that_were_refused(tmp_path: Path) -> None:
    async with (
        FullDaemon(tmp_path, [DRY], "store_full", store={"min_free": "1000TB"}) as daemon,
        Visitor(daemon.admin_url) as visitor,
        aiohttp.ClientSession() as http,
    ):
        call = {"userId": "u1", "event": "E", "messageId": "m1"}
        async with http.post(f"{daemon.url}/v1/track", json=call, headers=AUTHORIZATION) as answer:
            assert answer.status == 503
        page = await says(visitor, "The store refuses events: they are answered with 503.")
        assert "has less free room than" in page.text
        assert "1 request got a 503 since the start; senders try again." in page.text
        assert "Whoever operates the router: free room on the disk." in page.text


async def test_while_it_stops_it_says_so(tmp_path: Path) -> None:
    async with FakeVendor(Reply(200, delay_s=3)) as vendor:
        slow = destination("slow", "collector", {"base_url": vendor.url})
        async with Daemon(tmp_path, [slow]) as daemon, Visitor(daemon.admin_url) as visitor:
            await daemon.post("track", userId="u1", event="E", messageId="m1")
            await vendor.received(1)
            process = daemon.process
            assert process is not None
            process.send_signal(signal.SIGTERM)
            page = await says(visitor, "Shutting down.")
            assert "The store refuses" not in page.text
            await asyncio.to_thread(process.wait)
            daemon.process = None


async def test_where_the_disk_is_slow_it_shows_the_rest_says_that_numbers_are_loading_and_has_them_once_they_are_there(
    odd_machine: Path,
) -> None:
    async with OddDaemon(odd_machine, [DRY]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        daemon.disk("read wal SLOW 600", "read db SLOW 600")
        await daemon.post("track", userId="u1", event="E", messageId="m2")  # so what was read before is out of date
        page = await says(visitor, "Counts are loading: the store takes longer than 2 s to answer.")
        assert page.links["website"] == f"{daemon.admin_url}/sources/website"
        assert "There may be more, which only the store knows of." in page.text
        assert "No troubles." not in page.text
        assert "No destination is configured" not in page.text
        assert "Last hour Loading" in page.text
        daemon.disk()
        for words in ("2 events accepted, none unaccounted for", "No troubles."):
            await says(visitor, words)


@pytest.mark.parametrize(
    ("a_day", "left", "said"),
    [
        (2e9, 62e9, "31 days to full at the pace of the last day."),
        (1e6, 62e9, "in more than a year at the pace of the last day."),
        (-5e6, 62e9, "It did not grow in the last day."),
        (None, 62e9, "more before events are refused."),
    ],
)
async def test_the_disk_line_says_in_how_many_days_it_will_be_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, a_day: float | None, left: float, said: str
) -> None:
    async with open_rig(tmp_path) as rig:
        rig.start(Gated)
        await rig.runner.worker()
        now = rig.clock.now_ms()
        for hours in range(25) if a_day is not None else ():
            size = Counts(peak={"bytes": 9e9 - hours * (a_day or 0) / 24})
            await rig.store.counters.add(now - hours * int(HOUR) * 1000, {STORE: size})
        console = Console(FakeDaemon(rig), None, rig.log)
        monkeypatch.setattr(rig.store.sizes, "left_bytes", lambda: int(left))
        monkeypatch.setattr(console.daemon, "describe_sources", list)
        request = make_mocked_request("GET", "/")
        found = await overview(console, request)
        assert isinstance(found, Rendered)
        html = (await frame.whole_page(console, request, found, "a session")).text or ""
        assert said in " ".join(re.sub("<[^>]*>", "", html).split())


async def test_a_question_that_takes_too_long_is_left_out_and_not_asked_twice() -> None:
    patience, may_end, asked = Patience(0.01), asyncio.Event(), 0

    async def slow() -> str:
        nonlocal asked
        asked += 1
        await may_end.wait()
        return "there"

    assert await patience.ask("ledger", slow) is None
    assert await patience.ask("ledger", slow) is None
    may_end.set()
    while (late := await patience.ask("ledger", slow)) is None:
        pass
    assert (late, asked) == ("there", 1), "a late answer is for whoever asks next"
    assert await patience.ask("ledger", slow) == "there"
    assert asked == 2


@pytest.mark.parametrize("fault", [ValueError("no"), OSError("disk")])
async def test_a_question_that_fails_fails_for_who_asked(fault: Exception) -> None:
    async def failing() -> str:
        raise fault

    with pytest.raises(type(fault)):
        await Patience(HANG_S).ask("ledger", failing)
