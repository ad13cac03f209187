"""What is held: by reason and by person, let go or dropped only after its number was shown."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from router.testing.vendor import FakeVendor
from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination


@asynccontextmanager
async def holding(folder: Path, filter: str = "", **calls: int) -> AsyncIterator[tuple[Daemon, Visitor, FakeVendor]]:
    """A daemon that holds so many events of each user."""
    async with (
        FakeVendor() as vendor,
        Daemon(
            folder, [destination("cs", "collector", {"base_url": vendor.url, "gated": True}, filter=filter)]
        ) as daemon,
        Visitor(daemon.admin_url) as visitor,
    ):
        for user, n in calls.items():
            for number in range(n):
                await daemon.post("track", userId=user, event="E", messageId=f"{user}-{number}")
            if n:
                await daemon.becomes(f"{user}-{n - 1}", "cs", "held")
        yield daemon, visitor, vendor


async def test_people_are_listed_with_what_they_wait_for_and_when_it_is_given_up(tmp_path: Path) -> None:
    async with holding(tmp_path, u1=3, u2=1) as (daemon, visitor, _):
        await daemon.post("group", userId="u2", groupId="acme", messageId="g1")
        await daemon.settled()
        page = await visitor.open("/destinations/cs/held")
        assert "4 events held" in page.text
        line = (await visitor.open("/destinations/cs")).text
        assert "group unknown: 3 events of 1 person" in line
        assert "group name unknown: 1 event of 1 person" in line
        release = await visitor.open("/destinations/cs/release?user=user:u2")
        assert "The tool needs the name, and no group call has told it: give both." in release.text
        assert "On behalf of a group, 1 event of 1 person goes to cs" in release.text
        assert "Only this person's events go." in release.text
        assert release.form("Release 1 event").fields["group"] == "acme", "the group that is known"
        assert (
            "It waits for a group call of its user group_unknown No group call of this user has come, or" in page.text
        )
        assert "It waits for the name of the group group_name_unknown" in page.text
        assert "user:u1 3 " in page.text
        assert "a group call of its user in 29 days" in page.text
        assert "the name of the group acme in 29 days" in page.text


async def test_one_person_is_found_and_an_unknown_one_is_named(tmp_path: Path) -> None:
    async with holding(tmp_path, u1=1, u2=1) as (_, visitor, _vendor):
        page = await visitor.send(await visitor.open("/destinations/cs/held"), "Find", user="u2")
        assert "user:u2" in page.text
        assert "user:u1" not in page.text
        page = await visitor.open("/destinations/cs/held?user=%3Cb%3Enobody")
        assert "Nothing is held for <b>nobody here." in page.text


async def test_a_release_on_behalf_of_a_group_is_one_form_that_says_how_many_events_go(tmp_path: Path) -> None:
    async with holding(tmp_path, u1=3) as (daemon, visitor, vendor):
        page = await visitor.open("/destinations/cs/held")
        assert "The events of one person go to cs, in order." in page.text
        page = await visitor.send(page, "Release 3 events", group="acme", group_name="Acme Inc")
        assert "3 events may go now, in order." in page.text
        await daemon.emptied()
        assert (await daemon.counts("cs"))["delivered"] == 3
        assert b'"group":"acme"' in vendor.requests[0].body.replace(b" ", b"")
        [line] = await daemon.logged("operator_acted")
        assert (line["action"], line["via"], line["events"]) == ("release", "console", 3)


async def test_to_ask_again_without_a_group_is_refused_with_what_is_missing(tmp_path: Path) -> None:
    async with holding(tmp_path, u1=1) as (daemon, visitor, _):
        page = await visitor.send(await visitor.open("/destinations/cs/release?user=user:u1"), "Ask again")
        assert page.status == 409
        assert "Still waiting for a group call for user:u1." in page.text
        assert page.links["Back"].endswith("/destinations/cs/held")
        assert (await daemon.counts("cs"))["held"] == 1


async def test_a_group_call_that_was_filtered_is_named_with_the_line_that_sends_it_again(tmp_path: Path) -> None:
    async with holding(tmp_path, filter="type = 'track'", u1=1) as (daemon, visitor, _):
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme Inc"}, messageId="u1-g")
        await daemon.becomes("u1-g", "cs", "filtered")
        await daemon.settled()
        words = "roup call u1-g was filtered here (the destination's filter is not true for it, 20"
        line = "replay cs --message-id u1-g"
        page = await visitor.open("/destinations/cs/held")
        assert f"G{words}" in page.text
        assert "if it should go, change filter, reload, and replay: " in page.text
        assert line in page.text
        person = await visitor.open("/users/user:u1")
        assert "No group call of theirs has come." not in person.text
        assert "The group call u1-g of" in person.text
        assert "Whoever operates the router: if it should go, change filter, reload, and replay: " in person.text
        assert line in person.text
        event = await visitor.open("/events/u1-0")
        assert f"G{words}" in event.text
        assert line in event.text
        assert "send a group call for this user" not in event.text
        refused = await visitor.send(await visitor.open("/destinations/cs/release?user=user:u1"), "Ask again")
        assert f"Still waiting for a group call for user:u1: g{words}" in refused.text
        assert line in refused.text


async def test_a_drop_shows_its_number_first_and_leaves_dead_letters(tmp_path: Path) -> None:
    async with holding(tmp_path, u1=2) as (daemon, visitor, _):
        page = await visitor.open("/destinations/cs/drop?user=user:u1")
        assert "2 events of 1 person become dead letters of cs." in page.text
        page = await visitor.send(page, "Drop 2 events")
        assert "2 events that waited are dead letters now (dropped)." in page.text
        assert await daemon.fate("u1-0", "cs") == ("dead", "dropped")


async def test_what_is_held_after_the_page_was_drawn_is_not_dropped_with_it(tmp_path: Path) -> None:
    async with holding(tmp_path, u1=2) as (daemon, visitor, _):
        page = await visitor.open("/destinations/cs/drop?user=user:u1")
        await daemon.post("track", userId="u1", event="E", messageId="later")
        await daemon.becomes("later", "cs", "held")
        page = await visitor.send(page, "Drop 2 events")
        assert "2 events that waited are dead letters now (dropped)." in page.text
        assert await daemon.fate("later", "cs") == ("held", "group_unknown")
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme Inc"}, messageId="g1")
        await daemon.becomes("later", "cs", "delivered")


async def test_a_person_of_whom_nothing_is_held_is_refused_with_words(tmp_path: Path) -> None:
    async with holding(tmp_path, u1=1) as (_, visitor, _vendor):
        page = await visitor.open("/destinations/cs/release?user=u9")
        assert (page.status, "Nothing is held for u9 at cs." in page.text) == (409, True)
        assert "Name the person" in (await visitor.open("/destinations/cs/release")).text


async def test_an_empty_page_says_that_nothing_is_held(tmp_path: Path) -> None:
    async with holding(tmp_path) as (_, visitor, _vendor):
        page = await visitor.open("/destinations/cs/held")
        assert "Nothing is held at cs." in page.text
        assert "Nobody waits." in page.text


async def test_more_than_a_hundred_people_come_in_pages(tmp_path: Path) -> None:
    async with holding(tmp_path) as (daemon, visitor, _):
        await daemon.batch(
            [{"type": "track", "userId": f"u{n:03}", "event": "E", "messageId": f"m{n}"} for n in range(101)]
        )
        await daemon.becomes("m100", "cs", "held")
        await daemon.settled()
        page = await visitor.open("/destinations/cs/held")
        assert page.text.count("Release 1 event") == 100
        page = await visitor.open(page.links["The next 100 people"])
        assert page.text.count("Release 1 event") == 1


async def test_the_page_of_one_person_lets_them_go_with_the_same_form(tmp_path: Path) -> None:
    async with holding(tmp_path, u1=2) as (daemon, visitor, _):
        page = await visitor.open("/destinations/cs/release?user=user:u1")
        assert "2 events of 1 person go to cs, in order." in page.text
        page = await visitor.send(page, "Release 2 events", group="acme", group_name="Acme Inc")
        assert "2 events may go now, in order." in page.text
        await daemon.emptied()
