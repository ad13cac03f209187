"""Try: an event through everything. Nothing is sent, nothing is stored, and what is wrong is said where it is wrong."""

from __future__ import annotations

import html
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from router.testing.vendor import FakeVendor
from tests.console.pages import Page, Visitor
from tests.flow.harness import PLUGINS, Daemon, destination

TRACK = json.dumps({"type": "track", "userId": "u1", "event": "Hello", "properties": {"n": 7}})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor() as vendor:
        yield vendor


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(vendor: FakeVendor, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """A destination, one with a gate, and one whose plugin raises."""
    destinations = [
        destination("hook", "collector", {"base_url": vendor.url}),
        destination("gated", "collector", {"base_url": vendor.url, "gated": True}),
        destination("sabotaged", "saboteur", {"base_url": vendor.url}),
    ]
    async with Daemon(tmp_path_factory.mktemp("try"), destinations) as daemon:
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme Inc"}, messageId="g1")
        await daemon.post("track", userId="u1", event="Stored", messageId="m1")
        await daemon.settled()
        yield daemon


async def tried(visitor: Visitor, event: str = TRACK, **fields: str) -> Page:
    return await visitor.send(await visitor.open("/try"), "The vendor answers", event=event, **fields)


@pytest.mark.parametrize("type", ["track", "identify", "group", "page", "screen", "alias"])
async def test_there_is_a_sample_of_each_type(type: str, visitor: Visitor) -> None:
    page = await visitor.open((await visitor.open("/try")).links[type])
    assert json.loads(page.form("The vendor answers").fields["event"])["type"] == type


async def test_the_steps_the_request_and_the_items_are_shown(visitor: Visitor) -> None:
    page = await tried(visitor, destination="hook")
    assert "track of user:u1" in page.text
    assert "hook ● would be delivered Would be sent." in page.text
    assert "✓ type passed: its plugin takes track calls" in page.text
    assert '"n": 7' in html.unescape(page.html)
    assert "POST http://127.0.0.1" in page.text
    assert page.form("The vendor answers").fields["event"].strip() == TRACK


async def test_what_is_known_of_user_and_group_opens_the_gate(visitor: Visitor) -> None:
    nobody = json.dumps({"type": "track", "userId": "u2", "event": "Hello"})
    held = await tried(visitor, event=nobody, destination="gated")
    assert "✕ gate stopped: it waits for a group call for user:u2" in held.text
    known = await tried(
        visitor, event=nobody, destination="gated", group_id="acme", group_traits='{"name": "Acme Inc"}'
    )
    assert "gated ● would be delivered Would be sent." in known.text
    assert '"group_name":"Acme Inc"' in html.unescape(known.html)


async def test_what_the_router_knows_of_the_user_counts_where_nothing_else_is_given(
    daemon: Daemon, visitor: Visitor
) -> None:
    page = await tried(visitor, destination="gated")
    assert "Tried with what the router knows of user:u1 and of group acme; that is logged" in page.text
    assert "gated ● would be delivered Would be sent." in page.text
    assert "u:u1" in [line.get("user_key") for line in await daemon.logged("personal_data_shown")]


async def test_a_paused_destination_would_let_the_event_wait(visitor: Visitor) -> None:
    await visitor.send(await visitor.open("/destinations/hook"), "Pause", reason="")
    page = await tried(visitor, destination="hook")
    await visitor.send(await visitor.open("/destinations/hook"), "Resume")
    assert "hook ○ would be queued Would wait: the destination is paused by an operator" in page.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("200", "If the vendor answers 200 Delivered"),
        ("400", "If the vendor answers 400 A dead letter: the vendor refused it"),
        ("429", "The whole destination is paused because the vendor asked for it for 30 s"),
        ("timeout", "Tried again: the vendor did not answer in time"),
        ("garbage", "If the vendor answers garbage Delivered"),
    ],
)
async def test_a_made_up_answer_shows_the_verdict(answer: str, words: str, visitor: Visitor) -> None:
    assert words in (await tried(visitor, destination="hook", answer=answer)).text


async def test_nothing_is_sent_and_nothing_is_stored(daemon: Daemon, vendor: FakeVendor, visitor: Visitor) -> None:
    before = (len(vendor.requests), daemon.rows("SELECT pos, duplicates, discarded FROM head"))
    await tried(visitor, answer="200")
    await tried(visitor, event='{"type": "track", "userId": "u1"}')
    assert before == (len(vendor.requests), daemon.rows("SELECT pos, duplicates, discarded FROM head"))
    assert daemon.rows("SELECT count(*) FROM discard") == [(0,)]


async def test_an_event_of_the_log_is_taken_with_what_is_known_of_its_group_which_is_logged(
    daemon: Daemon, visitor: Visitor
) -> None:
    page = await visitor.send(await visitor.open("/events/m1"), "Try this event")
    fields = page.form("The vendor answers").fields
    assert (json.loads(fields["event"])["event"], fields["group_id"]) == ("Stored", "acme")
    assert "gated ● would be delivered" in (await visitor.send(page, "The vendor answers", destination="gated")).text
    shown = [(line.get("message_id"), line.get("source")) for line in await daemon.logged("personal_data_shown")]
    assert ("m1", "website") in shown
    missing = await visitor.send(await visitor.open("/try"), "Take from the log", message="nobody")
    assert (missing.status, "No event with the message id 'nobody' is stored" in missing.text) == (404, True)


async def test_a_call_that_would_be_discarded_says_which_code(visitor: Visitor) -> None:
    page = await tried(visitor, event='{"type": "track", "userId": "u1"}')
    assert "⊘ would be discarded event_not_defined" in page.text


async def test_what_is_no_json_is_refused_with_the_place(visitor: Visitor) -> None:
    page = await tried(visitor, event='{"type": "track",\n "userId": }')
    assert page.status == 400
    assert "line 2, column 12: Expecting value" in page.text
    assert '"userId": }' in page.form("The vendor answers").fields["event"], "what was typed stays"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"group_traits": "{"}, "Group traits: it is no JSON"),
        ({"group_traits": "[]", "group_id": "a"}, "Group traits: it must be an object"),
        ({"group_traits": '{"name": "A"}'}, "Group traits: of which group are they?"),
        ({"settings": '{"base_url": "x"}'}, "`settings` needs a `destination`"),
    ],
)
async def test_a_field_that_cannot_be_read_is_named(fields: dict[str, str], words: str, visitor: Visitor) -> None:
    assert words in (await tried(visitor, **fields)).text


async def test_other_settings_are_tried_and_faulty_ones_named_with_their_path(visitor: Visitor) -> None:
    page = await tried(visitor, destination="hook", settings='{"base_url": "https://other.example"}')
    assert "POST https://other.example/collect" in page.text
    faulty = await tried(visitor, destination="hook", settings='{"gated": 7, "nope": 1}')
    assert faulty.status == 400
    assert "Hook.settings.gated:" in faulty.text
    assert "Hook.settings.nope:" in faulty.text


async def test_a_plugin_that_no_destination_names_is_tried_with_the_settings_of_the_form(visitor: Visitor) -> None:
    page = await tried(visitor, destination="plugin:collector", settings='{"base_url": "https://new.example"}')
    assert "collector ● would be delivered Would be sent." in page.text
    assert "POST https://new.example/collect" in page.text
    assert page.form("The vendor answers").fields["destination"] == "plugin:collector"
    faulty = await tried(visitor, destination="plugin:collector", settings='{"base_url": "x", "nope": 1}')
    assert (faulty.status, "Settings.nope:" in faulty.text) == (400, True), faulty.text


async def test_a_required_secret_of_a_plugin_has_a_stand_in(visitor: Visitor) -> None:
    page = await tried(visitor, destination="plugin:braze", settings='{"base_url": "https://braze.example"}')
    assert "braze ● would be delivered Would be sent." in page.text
    assert "POST https://braze.example" in page.text


async def test_a_plugin_that_does_not_load_says_why_and_is_loaded_anew_once_it_was_corrected(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, [])
    daemon.plugins = tmp_path / "own"
    daemon.plugins.mkdir()
    text = (PLUGINS / "collector.py").read_text()
    (daemon.plugins / "own.py").write_text(text + "\nimport nothing_of_this_name\n")
    async with daemon, Visitor(daemon.admin_url) as visitor:
        form = await visitor.open("/try")
        fields = {"event": TRACK, "destination": "plugin:own", "settings": '{"base_url": "https://new.example"}'}
        broken = await visitor.send(form, "The vendor answers", **fields)
        assert broken.status == 409
        assert "No module named 'nothing_of_this_name'" in broken.text
        (daemon.plugins / "own.py").write_text(text)
        assert (
            "own ● would be delivered Would be sent."
            in (await visitor.send(broken, "The vendor answers", **fields)).text
        )
        assert await daemon.admin(
            "POST", "/api/try", {"events": [json.loads(TRACK)], "plugin": "own", "destination": "hook"}
        ) == (400, {"error": "give `destination` or `plugin`, not both", "code": "invalid_request"})


async def test_a_plugin_that_raises_shows_its_traceback_with_file_and_line(visitor: Visitor) -> None:
    event = json.dumps({"type": "track", "userId": "u1", "event": "hook raises its own"})
    page = await tried(visitor, event=event, destination="sabotaged")
    assert "Would be a dead letter: the plugin failed on it" in page.text
    assert "hook track. " in page.text
    assert re.search(r'File "[^"]*saboteur.py", line \d+', html.unescape(page.html))


async def test_an_event_is_text_whatever_it_says(visitor: Visitor) -> None:
    event = json.dumps({"type": "track", "userId": "u1", "event": "</textarea><script>alert(1)</script>"})
    page = await tried(visitor, event=event)
    assert "<script>alert" not in page.html


async def test_a_form_of_another_page_tries_nothing(visitor: Visitor) -> None:
    assert (await visitor.post("/try", {"event": TRACK}, {"Origin": "https://evil.example"})).status == 403
