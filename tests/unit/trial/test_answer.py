"""What a plugin would make of a vendor's answer, and the same trial as pytest lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from router.plugin import (
    MAX_ITEMS_BYTES,
    Batch,
    Context,
    Event,
    Item,
    Request,
    Sender,
    Settings,
    Skip,
    Token,
    by_status,
    hookimpl,
    json_request,
    oauth_token,
)
from router.trial import NOTHING_KNOWN, SAMPLE_KNOWN, Intake, Known, sample, try_events
from tests.contract.rig import Vendor, destination

NOWHERE = "http://127.0.0.1:9/"


class Sending:
    """One request for each track; by the status of its answer."""

    display_names = ("Sending",)
    settings_model = Settings
    requires: ClassVar[Any] = {}
    kinds: ClassVar[Any] = {"": Batch(max_items=10)}

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @hookimpl
    def track(self, event: Event, context: Context) -> list[Item]:
        if event.name == "Nothing":
            return []
        if event.name == "Left out":
            raise Skip("left_out")
        if event.name == "Broken":
            raise RuntimeError("no such field")
        if event.name == "Huge":
            return [Item("a" * MAX_ITEMS_BYTES)]
        who = context.user.traits.get("email") if context.user else None
        return [Item({"did": event.name, "who": who, "at": event.timestamp.isoformat()})]

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        return json_request(NOWHERE, [item.body for item in items])


class WithToken(Sending):
    """Asks for a token first."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.token = Token(self._ask)

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Any:
        answer = await self.token.send(sender, lambda token: self.request(items))
        return self.verdict(items, answer)

    @hookimpl
    def verdict(self, items: list[Item], answer: Any) -> Any:
        return by_status(answer, len(items))

    async def _ask(self, sender: Sender) -> tuple[str, float | None]:
        return oauth_token(await sender.send(Request(NOWHERE, private=True)))


class Misled(Sending):
    """Sends to an address that is none."""

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        return json_request("ftp://files.example.com/in", [item.body for item in items])


class MisledWithToken(WithToken):
    """The same behind a token."""

    request = Misled.request


class Unbuilt(Sending):
    """Fails where it should build a request."""

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        raise RuntimeError("no such field")


class Reading(Sending):
    """Reads the answer, and takes it to be JSON."""

    @hookimpl
    def verdict(self, items: list[Item], answer: Any) -> Any:
        return answer.json()["results"]


async def tried(plugin: type[Any], answer: str = "", known: Known = NOTHING_KNOWN, **fields: Any) -> dict[str, Any]:
    call = json.dumps({**json.loads(sample("track")), **fields}).encode()
    (event,) = await try_events([call], Intake("website"), [destination(plugin, Vendor())], known, 1_000, answer=answer)
    told: dict[str, Any] = event["destinations"]["d"]
    return told


@pytest.mark.parametrize("plugin", [Sending, WithToken])
@pytest.mark.parametrize(
    ("answer", "outcome", "reason", "whole", "counts"),
    [
        ("200", "delivered", "", None, True),
        ("400", "dead", "rejected", None, True),
        ("429", "retrying", "status_429", {"state": "paused", "reason": "retry_after", "for_s": 30}, False),
        ("timeout", "retrying", "timeout", {"state": "failed", "reason": "timeout", "for_s": None}, True),
        ("garbage", "delivered", "", None, True),
    ],
)
async def test_an_answer_comes_to_the_same_as_in_delivery(
    plugin: type[Any], answer: str, outcome: str, reason: str, whole: Any, counts: bool
) -> None:
    told = (await tried(plugin, answer))["answered"]
    assert [(one["outcome"], one["reason"]) for one in told["outcomes"]] == [(outcome, reason)]
    assert (told["answer"], told["destination"], told["counts"]) == (answer, whole, counts)


@pytest.mark.parametrize("plugin", [Misled, MisledWithToken])
async def test_a_url_that_cannot_be_sent_to_pauses_the_destination_as_in_delivery(plugin: type[Any]) -> None:
    told = (await tried(plugin, "200"))["answered"]
    assert [(one["outcome"], one["reason"]) for one in told["outcomes"]] == [("paused", "set_up")]
    assert (told["answer"], told["destination"]["state"], told["counts"]) == ("", "paused", False)


async def test_a_request_that_cannot_be_built_is_a_dead_letter_and_no_success() -> None:
    told = (await tried(Unbuilt, "200"))["answered"]
    (one,) = told["outcomes"]
    assert (told["answer"], one["outcome"], one["reason"]) == ("", "dead", "plugin_error")
    assert "no such field" in one["detail"]


async def test_a_plugin_that_cannot_read_the_answer_gives_its_traceback() -> None:
    (one,) = (await tried(Reading, "garbage"))["answered"]["outcomes"]
    assert (one["outcome"], one["reason"]) == ("dead", "plugin_error")
    assert "TypeError" in one["detail"]
    assert "test_answer.py" in one["detail"]


async def test_without_an_answer_nobody_is_asked_and_nothing_is_answered_for_what_is_not_sent() -> None:
    assert (await tried(Sending))["answered"] is None
    assert (await tried(Sending, "200", event="Left out"))["answered"] is None


async def test_the_event_and_the_items_are_shown_as_the_plugin_sees_and_makes_them() -> None:
    told = await tried(Sending, known=SAMPLE_KNOWN)
    assert told["event"]["name"] == "Report Exported"
    assert told["items"][0]["kind"] == ""
    assert told["items"][0]["body"]["who"] == "mira.lindt@acme.example"


@pytest.mark.parametrize("name", ["Report Exported", "Nothing", "Left out"])
async def test_the_same_as_pytest_lines_passes(name: str, tmp_path: Path) -> None:
    source = (await tried(Sending, known=SAMPLE_KNOWN, event=name))["test"]
    space: dict[str, Any] = {}
    exec(compile(source, "as_test", "exec"), space)
    (test,) = [found for key, found in space.items() if key.startswith("test_")]
    test()


async def test_the_pytest_lines_fail_for_a_plugin_that_makes_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    source = (await tried(Sending))["test"]
    monkeypatch.setattr(Sending, "track", lambda self, event, context: Item({}))
    space: dict[str, Any] = {}
    exec(compile(source, "as_test", "exec"), space)
    with pytest.raises(AssertionError):
        space["test_track_report_exported"]()


async def test_items_that_are_too_large_are_refused_in_a_trial_too_and_not_shown() -> None:
    told = await tried(Sending, event="Huge")
    assert (told["outcome"], told["reason"], told["items"]) == ("dead", "item_too_large", [])
    assert "hook track: more than 1,048,576 bytes" in told["detail"]
    assert len(json.dumps(told)) < 10_000


async def test_a_plugin_that_raises_gives_its_traceback_with_file_and_line() -> None:
    told = await tried(Sending, event="Broken")
    assert (told["outcome"], told["reason"]) == ("dead", "plugin_error")
    assert 'RuntimeError("no such field")' in told["detail"]
    assert "test_answer.py" in told["detail"]
