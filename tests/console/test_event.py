"""The event page: why, at each destination; what was received, made, sent and answered; and personal traits only when asked for."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from router.testing.vendor import FakeVendor, Received, Reply
from tests.console.pages import Page, Visitor
from tests.flow.harness import Daemon, destination, eventually

ANN = {"email": "ann@example.com", "plan": "gold"}


def answers(request: Received) -> Reply:
    """Refuses what is called bad."""
    refused = Reply(400, json={"error": "no such field; ann@example.com is not known"})
    return refused if b'"bad' in request.body else Reply(200, json={})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """Events that are delivered, refused, filtered, held, recorded by a dry run, discarded, and of two sources."""
    async with FakeVendor() as vendor:
        vendor.answer = answers
        to = {"base_url": vendor.url}
        destinations = [
            destination("hook", "collector", to),
            destination("gated", "collector", {**to, "gated": True}, mode="dry-run"),
            destination("picky", "collector", to, filter='event = "Wanted"'),
        ]
        daemon = Daemon(tmp_path_factory.mktemp("event"), destinations)
        daemon.more_sources = [{"name": "app", "write_key": "wk_app"}]
        async with daemon:
            await daemon.post("identify", userId="u1", traits=ANN, messageId="i1")
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme Inc"}, messageId="g1")
            await daemon.settled()
            await daemon.post("track", userId="u1", event="Sent", messageId="m1", properties={"to": "ann@example.com"})
            await daemon.post("track", userId="u2", event="Held", messageId="m2/<b>")
            for number, group in enumerate(("first", "second")):
                await daemon.post("track", userId="moves", event="E", messageId=f"moves-{number}")
                await daemon.post("group", userId="moves", groupId=group, messageId=f"to-{group}")
                await daemon.settled()
            await daemon.post("track", userId="u1", event="Refused", messageId="bad1")
            await daemon.batch([{"type": "track", "userId": "u9", "messageId": "useless", "email": "ann@example.com"}])
            for key in ("wk_test_123", "wk_app"):
                await daemon.batch([{"type": "track", "userId": "u3", "event": "E", "messageId": "twice"}], key)
            await daemon.settled()
            yield daemon


def pres(page: Page) -> list[str]:
    """What the page shows as it is."""
    return [html.unescape(found) for found in re.findall(r"<pre[^>]*>(.*?)</pre>", page.html, re.DOTALL)]


async def test_the_page_says_what_was_sent_by_whom_and_what_became_of_it(visitor: Visitor) -> None:
    page = await visitor.open("/events/m1")
    assert "track Sent Message id m1" in page.text
    assert "Person user:u1 Company Acme Inc acme at that time; still so" in page.text
    assert "hook ● delivered" in page.text
    assert "status 200 after" in page.text
    assert "✓ plugin passed: its plugin made something to send of it" in page.text


async def test_a_filtered_event_shows_the_step_that_stopped_it_and_the_filter(visitor: Visitor) -> None:
    page = await visitor.open("/events/m1")
    assert "✕ filter stopped: the destination's filter is not true for it" in page.text
    assert "stopped at filter, by today's settings" in page.text
    assert 'Filter: event = "Wanted".' in page.text
    assert "· plugin not asked" in page.text


async def test_it_names_the_company_that_counts_for_it_and_the_one_of_now(visitor: Visitor) -> None:
    """One of before the first group call counts as of that group."""
    for message_id in ("moves-0", "moves-1"):
        page = await visitor.open(f"/events/{message_id}")
        assert "Company first; the person now belongs to second" in page.text


async def test_a_held_event_says_for_what_it_waits_until_when_and_what_would_be_sent(visitor: Visitor) -> None:
    page = await visitor.open("/events/m2%2F%3Cb%3E")
    assert "gated ■ held group unknown" in page.text
    assert "waits for a group call for user:u2" in page.text
    assert "The developers of the app that sends: send a group call for this user" in page.text
    assert "Given up in 29 days unless it is released before." in page.text
    would = await visitor.open(page.links["What would be sent"])
    assert "What follows supposes that the group is known: id GROUP, name NAME." in would.text
    assert '"group_name": "NAME"' in pres(would)[1]
    assert "Rebuilt from today's settings and what is known of user and group; the original was not kept." in would.text
    assert "Masked traits stay masked in it" in would.text


async def test_a_dry_run_shows_the_request_that_it_recorded_and_the_line_for_a_shell(visitor: Visitor) -> None:
    page = await visitor.open((await visitor.open("/events/m1")).links["the request"])
    assert "As the dry run recorded it." in page.text
    assert "recorded, not sent: a dry run" in (await visitor.open("/events/m1?view=answer")).text
    assert '"group_name": "Acme Inc"' in pres(page)[0]
    (curl, *_) = re.findall(r'data-copy="(curl [^"]*)"', page.html)
    assert html.unescape(curl).startswith("curl --request POST http://127.0.0.1:")


async def test_a_refused_event_shows_the_vendors_words_without_personal_traits(visitor: Visitor) -> None:
    page = await visitor.open("/events/bad1?view=answer")
    assert "hook ✕ dead rejected" in page.text
    assert "Dead letters of hook" in page.links
    assert "status 400" in page.text
    assert "a••@example.com is not known" in page.text
    assert "ann@example.com" not in page.html


async def test_the_body_is_shown_as_it_was_received_and_as_it_is_stored_pretty_or_raw(visitor: Visitor) -> None:
    received = json.loads(pres(await visitor.open("/events/m1"))[-1])
    assert (received["userId"], received["event"]) == ("u1", "Sent")
    stored = json.loads(pres(await visitor.open("/events/m1?view=stored"))[-1])
    assert (set(stored), stored["call"]) == ({"envelope", "call"}, received)
    raw = pres(await visitor.open("/events/m1?raw=1"))[-1]
    assert (json.loads(raw), "\n" in raw) == (received, False)


async def test_a_plugin_sees_the_normalised_event_and_the_test_of_it_passes(visitor: Visitor) -> None:
    masked = await visitor.open("/events/m1?view=plugin")
    assert "show personal traits first" in masked.text
    page = await visitor.send(masked, "Show personal traits")
    (source, *_) = [text for text in pres(page) if text.startswith("from datetime")]
    space: dict[str, object] = {}
    exec(compile(source.replace("from collector", "from tests.flow.plugins.collector"), "as_test", "exec"), space)
    (test,) = [found for name, found in space.items() if name.startswith("test_")]
    test()  # type: ignore[operator]


async def test_personal_traits_are_masked_until_somebody_asks_which_is_logged(daemon: Daemon, visitor: Visitor) -> None:
    page = await visitor.open("/events/m1")
    assert '"to": "a••@example.com"' in pres(page)[-1]
    shown = await visitor.send(page, "Show personal traits")
    assert '"to": "ann@example.com"' in pres(shown)[-1]
    assert "hx-sse:connect" not in shown.html, "one stream serves all who look at a page"

    async def told() -> list[dict[str, Any]]:
        return [line for line in daemon.log("personal_data_shown") if line["message_id"] == "m1"]

    lines = await eventually(told, what="the log says that they were shown")
    assert re.fullmatch("[0-9a-f]{12}", lines[-1]["session"])
    assert all(cookie not in json.dumps(lines) for cookie in visitor.cookies().values())
    assert "ann@example.com" not in (await visitor.open("/events/m1")).html, "shown once only"


async def test_only_a_form_of_the_page_shows_personal_traits(visitor: Visitor) -> None:
    assert (await visitor.post("/events/m1", {}, {"Origin": visitor.base})).status == 403


async def test_a_discarded_call_is_told_by_its_id(visitor: Visitor) -> None:
    page = await visitor.open("/events/useless")
    assert page.status == 200
    assert "discarded" in page.text
    assert "event_not_defined" in page.text
    assert "ann@example.com" not in page.html


async def test_an_unknown_id_names_the_usual_causes(visitor: Visitor) -> None:
    page = await visitor.open("/events/nobody%3Cscript%3E")
    assert page.status == 404
    assert "No event with this message id is known. The usual causes:" in page.text
    assert "<script>" not in page.html.split("<main")[1]


async def test_of_two_sources_with_the_same_id_one_is_chosen(visitor: Visitor) -> None:
    page = await visitor.open("/events/twice")
    assert "2 sources sent an event with this id" in page.text
    for source in ("website", "app"):
        chosen = await visitor.open(page.links[f"the one from {source}"])
        assert f"from {source}" in chosen.text.split("Person")[0]
        assert f"source={source}" in chosen.links["as stored"]


async def test_an_id_that_is_sent_again_leads_to_the_first_event(daemon: Daemon, visitor: Visitor) -> None:
    page = await visitor.open("/events/m1")
    assert "If this id is sent again within 24 h, that call is a duplicate" in page.text


async def test_a_replay_is_told_as_another_round(tmp_path: Path) -> None:
    async with (
        FakeVendor() as vendor,
        Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon,
        Visitor(daemon.admin_url) as visitor,
    ):
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        await daemon.admin("POST", "/api/destinations/hook/replay", {"message_id": "m1"})

        async def told() -> bool:
            return "sent again by a replay" in (await visitor.open("/events/m1")).text

        await eventually(told)
        assert "2 attempts" in (await visitor.open("/events/m1")).text


async def test_what_became_of_an_event_stays_when_its_person_was_forgotten(tmp_path: Path) -> None:
    hook = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
    async with Daemon(tmp_path, [hook]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        body = {"regulationType": "DELETE_INTERNAL", "subjectType": "USER_ID", "subjectIds": ["u1"]}
        assert (await daemon.admin("POST", "/api/regulations", body))[0] == 200

        async def forgotten() -> bool:
            return "Person forgotten" in (await visitor.open("/events/m1")).text

        await eventually(forgotten)
        page = await visitor.open("/events/m1?view=plugin")
        assert "hook ● delivered" in page.text
        assert "Its person or group was forgotten, and its body with them." in page.text
        assert "u1" not in page.text
        assert "Show personal traits" not in page.text
        assert "(forgotten)" in (await visitor.open("/events")).text


@pytest.mark.parametrize("mask", ["all", "none"])
async def test_the_mask_is_that_of_the_configuration(mask: str, tmp_path: Path) -> None:
    hook = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
    async with Daemon(tmp_path, [hook], console={"mask": mask}) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("identify", userId="u1", traits=ANN, messageId="i1")
        await daemon.settled()
        page = await visitor.open("/events/i1")
        body = json.loads(pres(page)[-1])
        assert body["traits"] == (ANN if mask == "none" else {"email": "••••", "plan": "••••"})
        assert body["userId"] == "u1"
        assert ("Show personal traits" in page.text) == (mask == "all")


async def test_the_name_of_a_destination_stays_as_it_is_written_also_at_the_beginning_of_a_sentence(
    tmp_path: Path,
) -> None:
    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": "http://127.0.0.1:9"})]) as daemon:
        await daemon.admin("POST", "/api/destinations/hook/pause", {"reason": "a test"})
        await daemon.post("track", userId="u1", event="E", messageId="waits")
        await daemon.becomes("waits", "hook", "queued")
        async with Visitor(daemon.admin_url) as visitor:
            page = await visitor.open("/events/waits")
        assert "hook is paused by an operator" in page.text
        assert "Hook" not in page.text
