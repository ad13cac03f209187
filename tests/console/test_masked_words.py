"""Names of companies and words of vendors may be personal: what the mask hides is hidden wherever they stand, in messages, too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from router.console.views.find import hits_of
from router.testing.vendor import FakeVendor, Reply
from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMPANY, WHO = "Ann Example Consulting", "ann@example.com"


class Told(NamedTuple):
    """A daemon that masks every trait, whose vendor repeats an address as it refuses our key, and whoever it tells of that."""

    visitor: Visitor
    listener: FakeVendor


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Told]:
    folder: Path = tmp_path_factory.mktemp("masked")
    refusal = f"the key of {WHO} has expired"
    async with (
        FakeVendor(Reply(401, body=refusal.encode())) as vendor,
        FakeVendor() as listener,
        Daemon(
            folder,
            [
                destination("locked", "collector", {"base_url": vendor.url}),
                destination("dry", "collector", {"base_url": vendor.url, "gated": True}, mode="dry-run"),
            ],
            console={"mask": "all"},
            notify={"url": listener.url, "format": "slack"},
        ) as daemon,
        Visitor(daemon.admin_url) as visitor,
    ):
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": COMPANY}, messageId="g1")
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await vendor.received(1)
        await daemon.becomes("m1", "dry", "delivered")
        await listener.received(1)
        yield Told(visitor, listener)


@pytest.mark.parametrize(
    "page", ["/events/m1", "/events/m1?view=request", "/events/g1", "/users/user:u1", "/groups/acme"]
)
async def test_the_name_of_a_company_is_masked_on_every_page_until_somebody_asks(scene: Told, page: str) -> None:
    assert COMPANY not in (await scene.visitor.open(page)).html


async def test_it_is_shown_to_who_asks(scene: Told) -> None:
    page = await scene.visitor.send(await scene.visitor.open("/events/m1"), "Show personal traits")
    assert f"Company {COMPANY} acme" in page.text


@pytest.mark.parametrize("page", ["/", "/destinations/locked", "/events/m1", "/events/g1", "/users/user:u1"])
async def test_an_address_in_the_words_of_a_vendor_is_masked_in_troubles_and_wherever_they_stand(
    scene: Told, page: str
) -> None:
    shown = await scene.visitor.open(page)
    assert WHO not in shown.html
    assert "the key of a••@example.com has expired" in shown.text


async def test_it_is_masked_in_messages_as_on_the_pages(scene: Told) -> None:
    [message] = await scene.listener.received(1)
    assert "the key of a••@example.com has expired" in message.json()["text"]


async def test_what_is_found_has_its_name_masked() -> None:
    found = {"events": [], "people": [], "names": [], "is_capped": False}
    groups = [{"id": "acme", "name": WHO}, {"id": "nameless", "name": None}]
    assert [hit["words"] for hit in hits_of({**found, "groups": groups}, "emails")] == [
        "a••@example.com",
        "without a name",
    ]
    assert [hit["words"] for hit in hits_of({**found, "groups": groups}, "all")] == ["••••", "without a name"]
