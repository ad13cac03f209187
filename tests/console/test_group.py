"""The page of a group: its name, who belongs to it, what waits for it, and where the events of the company are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from router.testing.vendor import FakeVendor
from tests.console.pages import Scene, Visitor
from tests.flow.harness import Daemon, destination

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEMBERS = 105


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A daemon with three companies."""
    folder: Path = tmp_path_factory.mktemp("groups")
    async with FakeVendor() as vendor:
        gated = destination("gated", "collector", {"base_url": vendor.url, "gated": True})
        async with Daemon(folder, [gated]) as daemon, Visitor(daemon.admin_url) as visitor:
            traits = {"name": "Globex", "contact": "boss@globex.example"}
            await daemon.post("group", userId="bob", groupId="globex", traits=traits, messageId="g-1")
            await daemon.post("track", userId="bob", event="Paid", messageId="m-1")
            await daemon.post("group", userId="ann", groupId="acme", messageId="g-2")
            await daemon.post("track", userId="ann", event="Report", messageId="m-2")
            await daemon.post("group", userId="gone", groupId="acme", messageId="g-3")
            await daemon.post("group", userId="gone", groupId="globex", messageId="g-4")
            calls = [
                {"type": "group", "userId": f"u{n:03}", "groupId": "big", "messageId": f"b-{n}"} for n in range(MEMBERS)
            ]
            await daemon.batch(calls)
            await daemon.settled()
            yield Scene(daemon, visitor)


async def test_it_says_what_the_group_is_called_and_since_when_it_is_known(scene: Scene) -> None:
    page = await scene.visitor.open("/groups/globex")
    assert "Globex globex" in page.text
    assert "known since" in page.text
    assert "from website by g-1" in page.text
    assert "b••@globex.example" in page.text
    assert "boss@" not in page.html


async def test_traits_are_shown_on_demand_which_is_logged(scene: Scene) -> None:
    page = await scene.visitor.open("/groups/globex")
    assert "boss@globex.example" in (await scene.visitor.send(page, "Show it")).text
    [line] = await scene.daemon.logged("personal_data_shown")
    assert line["user_key"] == "g:globex"


async def test_a_group_without_a_name_says_so_and_what_waits_for_it(scene: Scene) -> None:
    page = await scene.visitor.open("/groups/acme")
    assert "no group call has told its name" in page.text
    assert "gated: 1 event of 1 user waits for the name of this company" in page.text
    first = page.text.partition("Where their events are")[2].partition("Counted")[0]
    assert "gated ■ held 2 of 3 delivered. 1 event waits since" in first
    assert "for a group call with the name of group acme. The group call of" in first
    assert "had an id (acme) but no name." in first
    assert "See who waits …" in page.links
    assert "gated: user:ann, 1 event since" in page.text
    assert "send the group call with traits.name" in page.text


async def test_its_members_are_those_who_belong_to_it_now(scene: Scene) -> None:
    page = await scene.visitor.open("/groups/acme")
    members = page.text.partition("Members")[2].partition("Last group calls")[0]
    assert "user:ann" in members
    assert "user:gone" not in members
    assert "user:gone" in (await scene.visitor.open("/groups/globex")).text


async def test_members_come_in_pages(scene: Scene) -> None:
    page = await scene.visitor.open("/groups/big")
    more = await scene.visitor.open(page.links["More members"])
    assert ("user:u099" in page.text, "user:u100" in page.text) == (True, False)
    members = more.text.partition("Members")[2].partition("Last group calls")[0]
    assert [f"user:u{n:03}" in members for n in (99, 100, 104)] == [False, True, True]
    assert "More members" not in more.links


async def test_it_says_where_the_events_of_the_company_are(scene: Scene) -> None:
    said = (await scene.visitor.open("/groups/globex")).text.partition("Where their events are")[2]
    assert "3 of 3 delivered" in said
    assert "g-4" in said.partition("Last group calls")[2]


async def test_an_unknown_group_says_what_was_searched(scene: Scene) -> None:
    page = await scene.visitor.open("/groups/none")
    assert page.status == 404
    assert "No company is known as none" in page.text
