"""The search box: what has one meaning leads there, what has several lists them, and what has none says what was searched."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.console.pages import Page, Visitor
from tests.flow.harness import Daemon, destination

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9", "gated": True}, mode="dry-run")
BOX = '<input type="search" name="q"'


class Finder:
    """Two daemons with the same events; only one may search traits."""

    def __init__(self, plain: Daemon, wide: Daemon) -> None:
        self.plain, self.wide = plain, wide

    async def find(self, word: str, *, wide: bool = False) -> Page:
        async with Visitor((self.wide if wide else self.plain).admin_url) as visitor:
            return await visitor.open(f"/find?q={quote(word)}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def finder(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Finder]:
    first: Path = tmp_path_factory.mktemp("plain")
    second: Path = tmp_path_factory.mktemp("wide")
    async with Daemon(first, [HOOK]) as plain, Daemon(second, [HOOK], console={"search_traits": True}) as wide:
        for daemon in (plain, wide):
            traits = {"email": "Ann@Example.com"}
            await daemon.post("identify", userId="ann", anonymousId="a-1", traits=traits, messageId="m-1")
            await daemon.post("group", userId="ann", groupId="acme", traits={"name": "Acme Inc"}, messageId="m-2")
            await daemon.post("track", userId="quiet", event="Report Opened", messageId="m-3")
            await daemon.post("track", anonymousId="a-2", event="Report Opened", messageId="m-4")
            await daemon.post("group", userId="ann2", groupId="twice", traits={"name": "Twice"}, messageId="twice")
            await daemon.post("track", userId="ann", messageId="no-event")  # it is discarded
            await daemon.settled()
        yield Finder(plain, wide)


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("m-3", "/events/m-3"),
        ("ann", "/users/user:ann"),
        ("user:ann", "/users/user:ann"),
        (" ann ", "/users/user:ann"),
        ("a-1", "/users/anonymous:a-1"),
        ("anonymous:a-1", "/users/anonymous:a-1"),
        ("acme", "/groups/acme"),
        ("quiet", "/users/user:quiet"),
        ("a-2", "/users/anonymous:a-2"),
        ("Report Opened", "/events?name=Report"),
    ],
)
async def test_what_has_one_meaning_leads_there(finder: Finder, word: str, path: str) -> None:
    assert (await finder.find(word)).url.removeprefix(finder.plain.admin_url).startswith(path)


async def test_what_has_several_meanings_lists_them_by_kind_with_counts(finder: Finder) -> None:
    page = await finder.find("twice")
    assert page.status == 200
    assert "2 hits: 1 company, 1 event" in page.text
    assert "Companies 1 twice Twice" in page.text
    assert f"{finder.plain.admin_url}/groups/twice" in page.html or "/groups/twice" in page.html
    assert "/events/twice" in page.html


async def test_nothing_found_says_what_was_searched_since_when_and_the_three_usual_causes(finder: Finder) -> None:
    page = await finder.find("zzz")
    assert page.status == 404
    assert "Nothing is known as zzz" in page.text
    assert (
        "Searched: message ids, user ids, anonymous ids, ids of companies, and names of events; events since"
        in page.text
    )
    assert "The wrong router or source" in page.text
    assert "It was sent, but discarded" in page.text
    assert "It is older than what is kept" in page.text
    assert "show=discards&user=zzz" in page.links["See the discarded calls that name it"]


async def test_nothing_found_says_who_can_let_names_be_searched_and_how_ids_are_compared(finder: Finder) -> None:
    page = await finder.find("Acme")
    assert "whoever operates the router can allow it with search_traits = true in [console]" in page.text
    assert "Ids must be written exactly, capitals included." in page.text
    assert "whoever operates" not in (await finder.find("zzz", wide=True)).text


async def test_a_discarded_call_is_found_with_its_reason(finder: Finder) -> None:
    page = await finder.find("no-event")
    assert "Discarded no-event A call with this message id was discarded" in page.text
    assert "from website" in page.text
    assert "usual causes" not in page.text
    async with Visitor(finder.plain.admin_url) as visitor:
        assert "The sender got a 200" in (await visitor.open(page.links["See what was sent"])).text


async def test_traits_are_found_only_where_config_allows_it(finder: Finder) -> None:
    assert (await finder.find("ann@example.com")).status == 404
    assert (await finder.find("ann@example.com", wide=True)).url.endswith("/users/user:ann")
    assert (await finder.find("Acme Inc")).status == 404
    assert (await finder.find("acme inc", wide=True)).url.endswith("/groups/acme")


async def test_an_empty_box_says_what_can_be_found(finder: Finder) -> None:
    assert "the id of a user, a company or an event" in (await finder.find(" ")).text


async def test_the_box_is_on_every_page_and_keeps_what_was_typed(finder: Finder) -> None:
    page = await finder.find('<b>"x"')
    assert f'{BOX} value="&lt;b&gt;&#34;x&#34;"' in page.html
    assert "<b>" not in page.html


async def test_the_api_finds_the_same(finder: Finder) -> None:
    assert (await finder.plain.get("/api/find?q=acme"))["groups"] == [{"id": "acme", "name": "Acme Inc"}]
    assert (await finder.plain.get("/api/find?q=twice"))["events"] == [{"message_id": "twice", "source": "website"}]
    status, body = await finder.plain.admin("GET", "/api/find?q=")
    assert (status, body["code"]) == (400, "invalid_request")
