"""Group calls that the vendor refused: they are no membership there, and the user goes on with the first that was not refused."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from router.deliver.runner import ReplayOrder
from router.plugin import Delivered, Outcome, Reject, RetryLater
from router.store import DeadLetterFilter
from tests.contract.rig import Gated, Rig, both_ways, comes_true

pytest_generate_tests = both_ways
pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
async def rig(rig: Rig) -> Rig:
    rig.start(Gated)
    return rig


def refusing(*ids: str) -> Any:
    """A vendor that refuses these for good."""
    return lambda bodies: Reject("rejected", "no") if bodies[0]["m"] in ids else Delivered()


async def group(rig: Rig, message_id: str, group_id: str, user: str = "u1") -> None:
    """A group call with a name."""
    await rig.call("group", message_id, userId=user, groupId=group_id, traits={"name": group_id.upper()})
    await rig.quiet()


async def track(rig: Rig, message_id: str, user: str = "u1") -> None:
    """A track without a group of its own."""
    await rig.call("track", message_id, userId=user, event="E")
    await rig.quiet()


def groups(rig: Rig) -> dict[str, str]:
    """On behalf of which group each track was sent."""
    return {body["m"]: body["group"] for body in rig.vendor.received if body["type"] == "track"}


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_refused_first_group_call_does_not_silence_its_user(rig: Rig, restarts: bool) -> None:
    rig.vendor.answer = refusing("a")
    await track(rig, "before")
    await group(rig, "a", "acme")
    await track(rig, "between")
    assert groups(rig) == {}
    if restarts:
        await rig.crash()
        rig.start(Gated)
    await group(rig, "b", "beta")
    await track(rig, "after")
    ledger = await rig.quiet()
    assert groups(rig) == {"before": "beta", "between": "beta", "after": "beta"}
    assert rig.vendor.ids() == ["b", "before", "between", "after"]
    assert ledger["held"] == 0


async def test_what_was_held_goes_out_when_the_second_call_is_accepted_before_the_first_is_refused(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=100) if bodies[0]["m"] == "a" else Delivered()
    await rig.call("track", "t", userId="u1", anonymousId="x1", event="E")
    await rig.call("group", "a", anonymousId="x1", groupId="acme", traits={"name": "ACME"})
    await rig.quiet()
    await group(rig, "b", "beta")
    assert groups(rig) == {}  # the first one may still be accepted
    rig.vendor.answer = refusing("a")
    await rig.pass_time(110, 10)
    assert groups(rig) == {"t": "beta"}


async def test_an_event_takes_the_first_group_after_it_that_was_not_refused_whatever_it_was_before(rig: Rig) -> None:
    rig.vendor.answer = refusing("b", "c")
    await group(rig, "a", "acme")
    await track(rig, "in-a")
    await group(rig, "b", "beta")
    await group(rig, "c", "corp")
    await track(rig, "t")
    assert groups(rig) == {"in-a": "acme"}  # its user has left that group
    await group(rig, "d", "dyne")
    assert groups(rig) == {"in-a": "acme", "t": "dyne"}


async def test_a_later_call_that_says_the_same_makes_the_refused_membership_count(rig: Rig) -> None:
    rig.vendor.answer = refusing("a")
    await group(rig, "a", "acme")
    await track(rig, "t")
    await group(rig, "again", "acme")
    assert groups(rig) == {"t": "acme"}


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    ("order", "waits_for"), [("tab", "its name"), ("atb", "its name"), ("tab", "its call")], ids=lambda one: one
)
async def test_what_waits_for_a_later_group_goes_out_for_an_earlier_one_whose_refused_call_counts_again(
    rig: Rig, order: str, waits_for: str, restarts: bool
) -> None:
    later = RetryLater("status_503", after_s=100)
    answers: dict[str, Outcome] = {"a": later}
    rig.vendor.answer = lambda bodies: answers.get(bodies[0]["m"], Delivered())
    other = {"userId": "u1"}
    if waits_for == "its call":  # of another lane, that of the user goes on
        other, answers["b"] = {"anonymousId": "x1"}, RetryLater("status_503", after_s=7_200)
    both: dict[str, Any] = {"userId": "u1", "anonymousId": "x1"}
    calls = {
        "t": rig.make("track", "t", **both, event="E"),
        "a": rig.make("group", "a", userId="u1", groupId="acme", traits={"name": "ACME"}),
        "b": rig.make("group", "b", **other, groupId="beta"),
    }
    await rig.accept([calls[one] for one in order])
    await rig.quiet()
    answers["a"] = Reject("rejected", "no")
    await rig.pass_time(110, 10)
    assert await rig.fate("t") == ("held", "group_name_unknown" if waits_for == "its name" else "group_unknown")
    if restarts:
        await rig.crash()
        rig.start(Gated)
        await rig.quiet()
    await group(rig, "again", "acme")
    assert groups(rig) == {"t": "acme"}


@pytest.mark.parametrize("word", ["waits", "is refused"])
async def test_an_earlier_call_stands_in_for_one_that_says_the_same_and_was_read_before_it_was_settled(
    rig: Rig, word: str
) -> None:
    later, never = RetryLater("status_503", after_s=100), Reject("rejected", "no")
    answers: dict[str, Outcome] = {"a": later, "b": never}
    rig.vendor.answer = lambda bodies: answers.get(bodies[0]["m"], Delivered())
    await group(rig, "a", "acme")
    await group(rig, "b", "beta")
    await track(rig, "t")
    await group(rig, "again", "acme")
    await track(rig, "after")
    answers |= {"a": Delivered(), "again": later if word == "waits" else never}
    await rig.pass_time(110, 10)
    assert groups(rig) == ({"t": "acme"} if word == "waits" else {"t": "acme", "after": "acme"})


async def test_an_earlier_call_that_was_settled_before_a_refused_one_came_does_not_stand_in_for_it(rig: Rig) -> None:
    rig.vendor.answer = refusing("b", "again")
    await group(rig, "a", "acme")
    await group(rig, "b", "beta")
    await track(rig, "t")
    await group(rig, "again", "acme")
    assert groups(rig) == {}


async def test_a_refused_call_counts_again_once_its_replay_is_accepted(rig: Rig) -> None:
    rig.vendor.answer = refusing("a")
    await group(rig, "a", "acme")
    await track(rig, "t1")
    await group(rig, "b", "beta")
    assert groups(rig) == {"t1": "beta"}
    rig.vendor.answer = refusing()
    await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter(reason="rejected")))
    await rig.quiet()
    await rig.runner.replay(ReplayOrder())
    await rig.quiet()
    assert [body["group"] for body in rig.vendor.received if body["m"] == "t1"] == ["beta", "acme"]


async def test_the_name_of_a_group_that_another_users_call_told_does_not_make_a_refused_call_count(rig: Rig) -> None:
    rig.vendor.answer = refusing("a")
    await group(rig, "other", "acme", user="u2")
    await group(rig, "a", "acme")
    await track(rig, "t")
    assert groups(rig) == {}


async def test_a_name_that_is_told_only_by_calls_still_to_be_tried_is_not_known_after_a_start(rig: Rig) -> None:
    opened = asyncio.Event()

    async def wait() -> Outcome:
        await opened.wait()
        return RetryLater("status_503", after_s=7_200)

    answers: dict[str, Any] = {
        "first": wait,
        "joins": Delivered,
        "names": lambda: RetryLater("status_503", after_s=7_200),
    }
    rig.vendor.answer = lambda bodies: answers.get(bodies[0]["m"], Delivered)()
    named = {"groupId": "acme", "traits": {"name": "ACME"}}
    await rig.accept(
        [
            rig.make("group", "first", userId="u0", **named),
            rig.make("group", "joins", userId="u1", groupId="acme"),
            rig.make("group", "names", userId="u1", **named),
        ]
    )
    while await rig.fate("names") != ("retrying", "status_503"):
        await rig.vendor_moves()
    await rig.crash()
    rig.start(Gated)
    assert await comes_true(rig, lambda: sum(bodies[0]["m"] == "first" for bodies in rig.vendor.calls) == 2)
    opened.set()
    await rig.quiet()
    assert await rig.fate("first") == ("retrying", "status_503")
    await rig.call("track", "t", userId="u2", event="E", context={"groupId": "acme"})
    await rig.quiet()
    assert await rig.fate("t") == ("held", "group_name_unknown")


async def test_held_names_the_refused_call(rig: Rig) -> None:
    rig.vendor.answer = refusing("the-refused-one")
    await group(rig, "the-refused-one", "acme")
    await track(rig, "t")
    held = await rig.store.queries.held("d", "u:u1", "")
    assert "the-refused-one" in json.dumps(held["users"])


async def test_held_names_a_call_that_was_refused_after_the_events_came(rig: Rig) -> None:
    rig.vendor.answer = refusing("g")
    await track(rig, "t")
    await group(rig, "g", "acme")
    [row] = (await rig.store.queries.held("d", "u:u1", ""))["users"]
    assert (row["refused"]["message_id"], row["refused"]["state"], row["refused"]["detail"]) == ("g", "dead", "no")
    rig.vendor.answer = lambda bodies: RetryLater("status_503", after_s=7_200)
    await group(rig, "later", "beta")
    [row] = (await rig.store.queries.held("d", "u:u1", ""))["users"]
    assert "refused" not in row, "another call is on its way, and may open the gate"
    assert row["group_call"]["message_id"] == "later"


async def test_why_names_no_call_of_the_user_that_would_not_open_the_gate(rig: Rig) -> None:
    answers: dict[str, Outcome] = {"a": Reject("rejected", "no"), "d": RetryLater("status_503", after_s=7_200)}
    rig.vendor.answer = lambda bodies: answers.get(bodies[0]["m"], Delivered())
    await group(rig, "a", "acme")
    await track(rig, "t")
    await rig.call("group", "b", userId="u1", groupId="beta")
    await rig.quiet()
    await group(rig, "d", "dyne")
    told = await rig.store.queries.message("t", None, ["d"])
    assert told is not None
    assert "group_name_unknown" in json.dumps(told)
    assert "group_call" not in json.dumps(told)
