"""The page of a person: one sentence a destination says where their events are, why, and who can act."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from router.testing.vendor import FakeVendor, Reply
from tests.console.pages import Page, Visitor
from tests.flow.harness import Daemon, destination, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Scene(NamedTuple):
    """A daemon with people in every state."""

    daemon: Daemon
    visitor: Visitor

    async def person(self, user: str) -> Page:
        return await self.visitor.open(f"/users/{user}")

    async def place(self, user: str, name: str) -> str:
        """What the page says of one destination."""
        return section((await self.person(user)).text, name)


NAMES = ("gated", "plain", "trial", "refusing", "kept", "stopped", "needing")


def section(text: str, name: str) -> str:
    """The part of the page that begins with the name of a destination."""
    after = text.partition("Where their events are")[2].partition("Counted")[0]
    rest = after.partition(f" {name} ")[2]
    ends = [
        found.start() for found in re.finditer(f"(?<!replay) ({'|'.join(NAMES)}) ", rest)
    ]  # a line to paste names one, too
    return rest[: min(ends, default=len(rest))]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    folder: Path = tmp_path_factory.mktemp("people")
    async with FakeVendor() as good, FakeVendor(Reply(400, body=b"no such plan")) as bad:
        destinations = [
            destination("gated", "collector", {"base_url": good.url, "gated": True}),
            destination("plain", "collector", {"base_url": good.url}),
            destination("trial", "collector", {"base_url": good.url}, mode="dry-run", filter="event != 'Secret'"),
            destination("refusing", "collector", {"base_url": bad.url, "gated": True}),
            destination("kept", "collector", {"base_url": good.url, "gated": True}, filter="type != 'group'"),
            destination("stopped", "collector", {"base_url": good.url}),
            destination("needing", "collector", {"base_url": good.url}, consent=["marketing"]),
        ]
        async with Daemon(folder, destinations) as daemon, Visitor(daemon.admin_url) as visitor:
            await daemon.admin("POST", "/api/destinations/stopped/pause")
            await people(daemon)
            await daemon.settled(*(name for name in NAMES if name != "stopped"))
            yield Scene(daemon, visitor)


async def people(daemon: Daemon) -> None:
    """ann: joined, her group has no name. bob: all is well. cia: no group. eve: suppressed. fay: forgotten. max: many events."""
    traits = {"name": "Ann Smith", "email": "ann@example.com", "notes": {"boss": "eva@example.com"}}
    await daemon.post("track", anonymousId="a-1", event="Seen", messageId="ann-0")
    await daemon.post("identify", userId="ann", anonymousId="a-1", traits=traits, messageId="ann-i")
    await daemon.post("group", userId="ann", groupId="acme", traits={"industry": "steel"}, messageId="ann-g")
    for n in range(3):
        await daemon.post("track", userId="ann", event=["Report", "Secret"][n == 1], messageId=f"ann-{n + 1}")
    yes = {"consent": {"categoryPreferences": {"marketing": True}}}
    await daemon.post(
        "group", userId="bob", groupId="globex", traits={"name": "Globex"}, messageId="bob-g", context=yes
    )
    await daemon.post("track", userId="bob", event="Paid", messageId="bob-1", context=yes)
    no = {"consent": {"categoryPreferences": {"marketing": False}}}
    await daemon.post("track", userId="cia", event="Report", messageId="cia-1", context=no)
    await daemon.batch([{"type": "track", "userId": "max", "event": "E", "messageId": f"max-{n}"} for n in range(510)])
    for name, kind in (("eve", "SUPPRESS_ONLY"), ("fay", "DELETE_INTERNAL")):
        await daemon.post("identify", userId=name, traits={"email": f"{name}@example.com"}, messageId=f"{name}-1")
        body = {"regulationType": kind, "subjectType": "USER_ID", "subjectIds": [name]}
        status, _ = await daemon.admin("POST", "/api/regulations", body)
        assert status == 200


async def test_it_says_who_they_are_their_company_and_from_which_call(scene: Scene) -> None:
    page = await scene.person("user:ann")
    assert page.status == 200
    assert "Ann Smith user:ann" in page.text
    assert "known as anonymous:a-1" in page.text
    assert "Company: without a name (acme), since" in page.text
    assert "from website by ann-g" in page.text


async def test_a_bare_id_is_that_of_a_user(scene: Scene) -> None:
    assert "Ann Smith user:ann" in (await scene.person("ann")).text


async def test_a_hold_for_a_name_names_the_call_that_had_none_and_who_can_act(scene: Scene) -> None:
    said = await scene.place("ann", "gated")
    assert "4 events wait since" in said
    assert "for a group call with the name of group acme" in said
    assert "had an id (acme) but no name" in said
    assert "The developers of the app that sends: send the group call with traits.name" in said
    page = await scene.person("ann")
    assert 'href="/destinations/gated/release?user=user%3Aann">Release by hand …' in page.html


async def test_all_events_of_a_sentence_are_a_click_from_it(scene: Scene) -> None:
    page, address = await scene.person("ann"), "/events?user=user%3Aann&state=held%40gated&reason="
    assert page.html.count(f'href="{address.replace("&", "&amp;")}">all of them</a>') == 1
    listed = await scene.visitor.open(address)
    assert sorted(set(re.findall(r'href="/events/([^"?]+)', listed.html))) == ["ann-0", "ann-1", "ann-2", "ann-3"]


async def test_a_hold_of_somebody_without_a_group_says_that_no_group_call_has_come(scene: Scene) -> None:
    said = await scene.place("cia", "gated")
    assert "Nothing was sent. 1 event waits since" in said
    assert "for a group call for user:cia. No group call of theirs has come." in said


async def test_a_hold_behind_a_refused_group_call_names_it_and_why_it_was_refused(scene: Scene) -> None:
    said = await scene.place("bob", "refusing")
    assert "The group call bob-g of" in said
    assert "does not count here: the vendor refused it (" in said
    assert "no such plan" in said


async def test_a_hold_behind_a_filtered_group_call_names_it_and_the_filter(scene: Scene) -> None:
    said = await scene.place("bob", "kept")
    assert "The group call bob-g of" in said
    assert "was filtered here: the destination's filter is not true for it" in said
    assert "Whoever operates the router" in said


async def test_when_all_is_delivered_it_says_to_look_into_the_tool(scene: Scene) -> None:
    said = await scene.place("bob", "gated")
    assert "2 of 2 delivered, the last" in said
    assert "the tool has said yes to all of them; if it shows nothing, look in the tool" in said


async def test_when_all_is_delivered_it_leads_to_the_usual_reasons_why_a_tool_shows_nothing(scene: Scene) -> None:
    page = await scene.person("bob")
    assert 'href="/destinations/gated#nothing"' in page.html
    assert 'href="/destinations/trial#nothing"' not in page.html, "nothing was sent there"
    place = (
        (await scene.visitor.open("/destinations/gated")).html.partition('id="nothing"')[2].partition("</section>")[0]
    )
    assert "You look at another account, workspace or environment of the tool" in place
    assert "Many tools show new data some minutes or hours later" in place
    assert "dry run" not in place
    dry = (await scene.visitor.open("/destinations/trial")).html.partition('id="nothing"')[2]
    assert "The destination is in dry run: nothing is really sent yet" in dry


async def test_a_dry_run_says_that_nothing_is_really_sent_and_a_filter_what_it_left_out(scene: Scene) -> None:
    said = await scene.place("ann", "trial")
    assert "Nothing is really sent yet: this destination is in dry run. 5 of 6 are recorded" in said
    assert "1 left out: the destination's filter is not true for it" in said


async def test_a_lacking_consent_is_named_and_nobody_has_to_act(scene: Scene) -> None:
    said = await scene.place("cia", "needing")
    assert "1 left out: its user has not given a consent that this destination needs: marketing" in said
    assert "Nobody has to act here: it must not be sent" in said


async def test_dead_letters_come_with_the_words_of_the_vendor_and_a_link_to_them(scene: Scene) -> None:
    page = await scene.person("ann")
    said = section(page.text, "refusing")
    assert "Sent, and refused by the tool." in said
    assert "2 events the tool did not get, the last" in said
    assert "the vendor refused it" in said
    assert "no such plan" in said
    assert "/destinations/refusing/dead" in page.html or "Release by hand" in said


async def test_what_waits_because_the_destination_is_paused_says_so(scene: Scene) -> None:
    said = await scene.place("ann", "stopped")
    assert "6 events wait: the destination is paused by an operator, since" in said
    assert "Whoever operates the router: resume it" in said


async def test_the_timeline_has_the_events_of_the_time_before_the_login(scene: Scene) -> None:
    page = await scene.person("ann")
    assert "track Seen" in page.text
    assert f"{scene.daemon.admin_url}/events/ann-0?source=website" in page.links.values()
    assert "track Secret" in page.text


async def test_an_anonymous_visitor_leads_to_the_user_that_they_became(scene: Scene) -> None:
    page = await scene.person("anonymous:a-1")
    assert "This visitor became user:ann" in page.text


async def test_more_than_five_hundred_events_are_paged_and_the_count_says_so(scene: Scene) -> None:
    page = await scene.person("max")
    assert "Counted the newest 500 events" in page.text
    assert page.text.count("track E") == 100
    seen = 100
    for _ in range(10):
        older = page.links.get("Older events")
        if older is None:
            break
        page = await scene.visitor.open(older)
        seen += page.text.count("track E")
    assert seen == 510


async def test_nobody_by_that_id_says_what_was_searched_and_the_usual_causes(scene: Scene) -> None:
    page = await scene.person("user:nobody")
    assert page.status == 404
    assert "Nobody is known as user:nobody" in page.text
    assert "back to" in page.text
    assert "Is this the right router?" in page.text
    assert "Was the call discarded?" in page.text


async def test_of_a_suppressed_person_it_says_only_that_and_when(scene: Scene) -> None:
    page = await scene.person("eve")
    assert "Suppressed" in page.text
    assert "eve@" not in page.html
    assert "Where their events are" not in page.text


async def test_of_a_forgotten_person_it_says_only_that_and_when(scene: Scene) -> None:
    async def is_gone() -> bool:
        return "Forgotten" in (await scene.person("fay")).text

    await eventually(is_gone, what="fay is forgotten")
    page = await scene.person("fay")
    assert "what the router had of this person was erased" in page.text
    assert "Timeline" not in page.text


async def test_the_text_to_paste_has_the_same_sentences(scene: Scene) -> None:
    page = await scene.person("cia")
    text = page.html.partition('<pre tabindex="0">')[2].partition("</pre>")[0]
    assert text.startswith("user:cia at ")
    assert "gated: Nothing was sent." in text
    assert "Who acts: the developers of the app that sends. Next: send a group call for this user" in text


async def test_traits_are_masked_until_somebody_asks_which_is_logged_without_the_session(scene: Scene) -> None:
    page = await scene.person("ann")
    assert "a••@example.com" in page.text
    assert "e••@example.com" in page.text
    assert "ann@example.com" not in page.html
    shown = await scene.visitor.send(page, "Show it")
    assert "ann@example.com" in shown.text
    assert "eva@example.com" in shown.text
    [line] = await scene.daemon.logged("personal_data_shown")
    assert line["user_key"] == "u:ann"
    assert len(line["session"]) == 12
    assert line["session"] not in next(iter(scene.visitor.cookies().values()))
    assert "ann@example.com" not in (await scene.person("ann")).html, "only that one view showed it"


async def test_to_show_traits_needs_the_form_of_the_page(scene: Scene) -> None:
    answer = await scene.visitor.post("/users/ann", {}, {"Origin": scene.daemon.admin_url})
    assert answer.status == 403
    assert "ann@example.com" not in answer.html


async def test_a_customer_success_person_gets_the_sentence_in_two_clicks(scene: Scene) -> None:
    """The search box, then the person: no other page is needed."""
    assert "Find a user, company, event id" in (await scene.visitor.open("/")).html
    found = await scene.visitor.open("/find?q=cia")
    assert found.url.endswith("/users/user:cia")
    assert "No group call of theirs has come." in found.text
