"""What the contract promises to plugins, at a running worker: each hook may raise outcomes, what it makes is checked, and calls overlap
as their hook says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

from router.plugin import (
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Group,
    Item,
    Outcome,
    Pause,
    Reject,
    Request,
    RetryLater,
    Sender,
    Settings,
    Skip,
    Split,
    hookimpl,
    json_request,
)
from router.testing import Bench, Hang

URL = "https://vendor.test/events"


class Plain:
    """Sends the names of events."""

    settings_model = Settings

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return Item({"did": event.name})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        return json_request(URL, [item.body for item in items])


# ---------------------------------------------------------------- outcomes

FATES = {
    "Reject": ("dead", "no"),
    "RetryLater": ("retrying", "later"),
    "Pause": ("queued", "paused"),
    "Split": ("dead", "halve"),
}
OUTCOMES: list[Outcome] = [Reject("no"), RetryLater("later"), Pause("set_up"), Split("halve")]
told = pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)


def telling(hook: str, tell: Callable[[], Any]) -> type[Plain]:
    """A plugin of which one hook tells this."""

    class Telling(Plain):
        if hook == "deliver":

            @hookimpl
            async def deliver(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
                return tell()  # type: ignore[no-any-return]
        else:

            @hookimpl
            def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
                return tell()  # type: ignore[no-any-return]

    return Telling


@told
@pytest.mark.parametrize("hook", ["deliver", "verdict"])
@pytest.mark.parametrize("is_raised", [True, False], ids=["raised", "returned"])
async def test_a_sending_hook_may_raise_or_return_an_outcome(outcome: Outcome, hook: str, is_raised: bool) -> None:
    def tell() -> Outcome:
        if is_raised:
            assert isinstance(outcome, Exception)
            raise outcome
        return outcome

    async with Bench(telling(hook, tell)) as bench:
        event = await bench.track()
        assert await bench.fate(event) == FATES[type(outcome).__name__]
        assert bench.status.state == ("paused" if isinstance(outcome, Pause) else "running")


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (Skip("nothing"), ("skipped", "nothing")),
        (Reject("no"), ("dead", "no")),
        (RetryLater("later"), ("retrying", "later")),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_mapping_hook_may_raise_one(outcome: Exception, fate: tuple[str, str]) -> None:
    class Raising(Plain):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            raise outcome

    async with Bench(Raising) as bench:
        assert await bench.fate(await bench.track()) == fate


async def test_a_success_may_have_a_warning_which_is_counted_and_changes_nothing_else() -> None:
    async with Bench(telling("verdict", lambda: Delivered(warning="field_ignored"))) as bench:
        assert await bench.fate(await bench.track()) == ("delivered", "")
        assert bench.warnings == {"field_ignored": 1}


# ---------------------------------------------------------------- what is made is checked


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Request("https://vendor.test/a b"), "Request.url holds a space"),
        (lambda: Request(URL, headers={"X-A": "1\r\nX-B: 2"}), "header X-A: its value holds a line break"),
        (lambda: Request(URL, body="text"), "Request.body is str: want bytes"),  # type: ignore[arg-type]
        (lambda: {"url": URL}, "request"),
    ],
    ids=["url", "header", "body", "no request"],
)
async def test_a_request_that_cannot_be_sent_is_the_fault_of_its_event_alone(
    make: Callable[[], Any], words: str
) -> None:
    class Odd(Plain):
        @hookimpl
        def request(self, items: list[Item]) -> Request:
            return make() if items[0].body["did"] == "Odd" else super().request(items)

    async with Bench(Odd) as bench:
        odd, good = await bench.track(event="Odd"), await bench.track(event="Good")
        assert (await bench.fate(odd), await bench.fate(good)) == (("dead", "plugin_error"), ("delivered", ""))
        assert words in (await bench.why(odd))["detail"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"at": {"nan": float("nan")}}, "body.at.nan is nan"),
        ({"when": {7: "x"}}, "body.when has the key 7"),
        ({"who": object()}, "object"),
    ],
    ids=["no JSON number", "no text as key", "no JSON"],
)
async def test_an_item_that_is_no_json_value_is_the_fault_of_its_event_alone(body: Any, words: str) -> None:
    class Odd(Plain):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            return Item(body if event.name == "Odd" else {"did": event.name})

    async with Bench(Odd) as bench:
        odd, good = await bench.track(event="Odd"), await bench.track(event="Good")
        assert (await bench.fate(odd), await bench.fate(good)) == (("dead", "plugin_error"), ("delivered", ""))
        assert words in (await bench.why(odd))["detail"]


# ---------------------------------------------------------------- what a hook is told, and when it is called


async def test_any_trait_of_the_group_can_be_required_and_is_there_then() -> None:
    class Seats(Plain):
        requires: ClassVar[Any] = {"track": (Group("id", "plan", "seats"),)}

        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            return Item({"seats": context.required_group.traits["seats"]})

    async with Bench(Seats) as bench:
        event = await bench.track()
        fates = [await bench.fate(event)]
        for traits in ({}, {"plan": "pro"}, {"seats": 0}):
            await bench.group(traits=traits)
            fates.append(await bench.fate(event))
        waits = ["group_unknown", "group_plan_unknown", "group_seats_unknown"]
        assert fates == [*(("held", reason) for reason in waits), ("delivered", "")]
        assert bench.requests[0].json() == [{"seats": 0}]


async def test_a_hook_knows_what_an_operator_sends_again() -> None:
    class Knowing(Plain):
        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            return Item({"is_replay": event.is_replay})

    async with Bench(Knowing) as bench:
        await bench.track()
        await bench.crash()
        await bench.replay()
        assert [seen.json()[0]["is_replay"] for seen in bench.requests] == [False, True]


async def test_deliver_is_called_as_often_at_a_time_as_its_kind_says_and_never_twice_for_one_user() -> None:
    class Two(Plain):
        kinds: ClassVar[Any] = {"": Batch(concurrency=2)}

        @hookimpl
        async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
            await sender.send(self.request(items))
            return Delivered()

    async with Bench(Two) as bench:
        bench.vendor.default = Hang()
        users = ["u1", "u1", "u2", "u3"]
        await bench.post([{"type": "track", "userId": user, "event": f"{user} {n}"} for n, user in enumerate(users)])
        assert [seen.json()[0]["did"] for seen in bench.requests] == ["u1 0", "u2 2"]
        bench.vendor.release()
        await bench.rest()
        assert ((await bench.ledger())["delivered"], bench.vendor.max_in_flight) == (4, 2)


async def test_a_deliver_that_never_ends_is_cancelled_and_its_event_retried() -> None:
    class Endless(Plain):
        cancelled = 0

        @hookimpl
        async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
            try:
                await asyncio.Event().wait()
            finally:
                Endless.cancelled += 1
            return Delivered()

    async with Bench(Endless, delivery={"timeout": "100ms"}) as bench:
        event = await bench.track()
        assert (await bench.fate(event), Endless.cancelled) == (("retrying", "timeout"), 1)
