"""Dead letters, replays and errors: numbers first, then what they are about, then what is done."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from router.testing.vendor import FakeVendor, Reply
from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination, eventually


@asynccontextmanager
async def refusing(folder: Path, n: int = 3) -> AsyncIterator[tuple[Daemon, Visitor, FakeVendor]]:
    """A daemon with so many dead letters."""
    async with (
        FakeVendor() as vendor,
        Daemon(folder, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon,
        Visitor(daemon.admin_url) as visitor,
    ):
        vendor.default = Reply(422, body=b"user ann@example.com is not known <script>alert(1)</script>")
        for number in range(n):
            await daemon.post("track", userId=f"u{number}", event="E", messageId=f"m{number}")
        for number in range(n):
            await daemon.becomes(f"m{number}", "hook", "dead")
        yield daemon, visitor, vendor


async def test_dead_letters_show_the_vendors_words_as_text(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (_, visitor, _vendor):
        page = await visitor.open("/destinations/hook/dead")
        assert "3 events dead, 3 letters kept" in page.text
        assert "track m0" in page.text
        assert "The vendor refused it rejected" in page.text
        assert "is not known <script>alert(1)</script>" in page.text
        assert "<script>alert" not in page.html
        assert "a••@example.com" in page.text
        assert "ann@example.com" not in page.html


async def test_the_page_of_a_person_masks_addresses_in_the_vendors_words_until_somebody_asks(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (daemon, visitor, _vendor):
        await daemon.post("identify", userId="u0", traits={"email": "bob@example.com"}, messageId="i1")
        await daemon.becomes("i1", "hook", "dead")
        page = await visitor.open("/users/user:u0")
        assert "user a••@example.com is not known" in page.text
        assert "ann@example.com" not in page.html, "nor in the answer as text"
        assert "user ann@example.com is not known" in (await visitor.send(page, "Show it")).text


async def test_they_are_chosen_by_reason_and_time(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (_, visitor, _vendor):
        page = await visitor.open("/destinations/hook/dead?reason=expired")
        assert "No dead letter of this kind." in page.text
        page = await visitor.send(await visitor.open("/destinations/hook/dead"), "Show", reason="rejected", since="1h")
        assert "track m2" in page.text
        assert page.form("Replay these").fields == {"reason": "rejected", "since": "1h", "what": "dead"}


async def test_a_replay_is_counted_then_confirmed_then_shown(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (daemon, visitor, vendor):
        vendor.default = Reply(200, json={})
        page = await visitor.send(await visitor.open("/destinations/hook/dead"), "Replay all")
        assert "3 dead letters would be sent to hook again" in page.text
        assert (await daemon.counts("hook"))["dead"] == 3, "nothing is sent before it is confirmed"
        page = await visitor.send(page, "Replay 3 dead letters")
        assert "The replay has begun: 3 events." in page.text
        await eventually(lambda: delivered(daemon, 3))
        page = await visitor.open("/destinations/hook/replay")
        assert "Done " in page.text
        for told in (page, await visitor.open("/replays")):
            assert re.search(r"3 of 3\s*3 delivered", told.text), told.text
        [line] = await daemon.logged("operator_acted")
        assert (line["action"], line["via"], line["events"]) == ("replay", "console", 3)


async def delivered(daemon: Daemon, n: int) -> bool:
    return bool((await daemon.counts("hook"))["delivered"] == n)


async def test_a_time_is_replayed_after_its_number_was_shown(tmp_path: Path) -> None:
    async with refusing(tmp_path, 2) as (daemon, visitor, _):
        page = await visitor.send(await visitor.open("/destinations/hook/replay"), "Count …", since="1h")
        assert "2 events would be sent to hook again, since 1h" in page.text
        page = await visitor.send(page, "Replay 2 events")
        assert "The replay has begun: 2 events." in page.text
        assert (await daemon.logged("replay_started"))[0]["kind"] == "span"


async def test_a_time_that_is_none_is_told_at_its_field_and_the_form_keeps_what_was_typed(tmp_path: Path) -> None:
    async with refusing(tmp_path, 1) as (_, visitor, _):
        form = await visitor.open("/destinations/hook/replay")
        page = await visitor.send(form, "Count …", since="yesterday", until="1h")
        assert (page.status, "`since`" in page.text) == (422, False)
        assert "since: not a time; write" in page.text.lower()
        assert 'value="yesterday"' in page.html
        assert page.form("Count …").fields == {"what": "span", "since": "yesterday", "until": "1h"}
        page = await visitor.send(page, "Count …", since="1h", until="2h")
        assert "until must be later than since" in page.text.lower()
        assert "1 event would be sent" in (await visitor.send(page, "Count …", since="1h", until="")).text


async def test_a_wrong_time_among_the_dead_letters_shows_neither_letters_nor_their_buttons(tmp_path: Path) -> None:
    async with refusing(tmp_path, 1) as (_, visitor, _):
        page = await visitor.send(await visitor.open("/destinations/hook/dead"), "Show", since="soon")
        assert (page.status, page.form("Show").fields["since"]) == (422, "soon")
        assert "since: not a time; write" in page.text.lower()
        assert not [words for words in ("Drop", "Replay these", "m0") if words in page.text.partition("Show")[2]]


async def test_a_running_replay_shows_what_is_left_and_can_be_stopped(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (daemon, visitor, vendor):
        await daemon.admin("POST", "/api/destinations/hook/pause")
        vendor.default = Reply(200, json={})
        await daemon.admin("POST", "/api/destinations/hook/replay", {"dead": True})
        page = await visitor.open("/replays")
        assert "Runs since" in page.text
        assert "3 to go" in page.text
        page = await visitor.send(page, "Stop")
        assert "The replay was stopped." in page.text
        assert (await daemon.get("/api/destinations/hook/replay"))["state"] == "stopped"
        assert (await daemon.logged("operator_acted"))[-1]["action"] == "stop_replay"


async def test_a_second_replay_is_refused_with_words(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (daemon, visitor, _):
        await daemon.admin("POST", "/api/destinations/hook/pause")
        page = await visitor.open("/destinations/hook/replay?what=dead")
        await daemon.admin("POST", "/api/destinations/hook/replay", {"dead": True})
        page = await visitor.send(page, "Replay 3 dead letters")
        assert (page.status, "A replay is running already" in page.text) == (409, True)


async def test_letters_are_dropped_only_when_the_name_is_typed(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (daemon, visitor, _):
        page = await visitor.send(await visitor.open("/destinations/hook/dead"), "Drop all")
        assert "3 dead letters" in page.text
        wrong = await visitor.send(page, "Drop 3 dead letters", name="hock")
        assert (wrong.status, "Type hook to confirm; nothing was dropped." in wrong.text) == (409, True)
        assert (await daemon.get("/api/destinations/hook/dead"))["kept"] == 3
        page = await visitor.send(page, "Drop 3 dead letters", name="hook")
        assert "3 dead letters dropped for good. Their events stay dead." in page.text
        assert (await daemon.get("/api/destinations/hook/dead"))["kept"] == 0


async def test_what_dies_after_the_page_was_drawn_is_not_dropped_with_it(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (daemon, visitor, _):
        page = await visitor.open("/destinations/hook/dead/drop?since=1h")
        await daemon.post("track", userId="u9", event="E", messageId="later")
        await daemon.becomes("later", "hook", "dead")
        page = await visitor.send(page, "Drop 3 dead letters", name="hook")
        assert "3 dead letters dropped for good." in page.text
        [kept] = (await daemon.get("/api/destinations/hook/dead"))["items"]
        assert kept["message_id"] == "later"


async def test_what_dies_after_a_replay_was_counted_is_not_sent_again_with_it(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (daemon, visitor, _):
        page = await visitor.open("/destinations/hook/replay?what=dead")
        await daemon.post("track", userId="u9", event="E", messageId="later")
        await daemon.becomes("later", "hook", "dead")
        page = await visitor.send(page, "Replay 3 dead letters")
        assert "The replay has begun: 3 events." in page.text


async def test_errors_are_gathered_with_what_to_do(tmp_path: Path) -> None:
    async with refusing(tmp_path) as (_, visitor, _vendor):
        page = await visitor.open("/destinations/hook/errors")
        assert "All 3 events that are dead or retrying now." in page.text
        assert "3 ✕ dead 422 the vendor refused it user … is not known" in page.text
        assert (
            "read the vendor's words; correct the mapping, or the key or right that they name; then replay."
            in page.text
        )


async def test_without_any_the_pages_say_so(tmp_path: Path) -> None:
    async with refusing(tmp_path, 0) as (_, visitor, _vendor):
        assert "No dead letters at hook." in (await visitor.open("/destinations/hook/dead")).text
        assert "No event is dead or retrying at hook." in (await visitor.open("/destinations/hook/errors")).text
        assert "Nothing was replayed yet." in (await visitor.open("/destinations/hook/replay")).text
        assert "Never replayed" in (await visitor.open("/replays")).text
