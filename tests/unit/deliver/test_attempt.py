"""What a vendor's wait amounts to in seconds, and how outcomes are spread over items."""

from __future__ import annotations

from typing import Any

import pytest

from router.deliver.attempt import Attempt, deliver, per_item, retry_after_s
from router.destinations import Destination, Redactor
from router.plugin import Delivered, Item, Outcome, Pause, Reject, RetryLater, Skip, Split, hookimpl
from tests.contract.rig import FakeClock, Plain, Vendor, destination

NOW_MS = 1_767_225_600_000  # Thu, 01 Jan 2026 00:00:00 GMT
NO_SESSION: Any = None


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {}, None),
        (429, {"retry-after": "30"}, 30.0),
        (503, {"retry-after": "30"}, 30.0),
        (200, {"retry-after": "30"}, 30.0),
        (429, {"retry-after": " 1.5 "}, 1.5),
        (429, {"retry-after": "0"}, 0.0),
        (429, {"retry-after": "-3"}, 0.0),
        (429, {"retry-after": "Thu, 01 Jan 2026 00:02:00 GMT"}, 120.0),
        (429, {"retry-after": "Thu, 01 Jan 2026 01:02:00 +0100"}, 120.0),
        (429, {"retry-after": "Thu, 01 Jan 2026 00:02:00 -0000"}, 120.0),
        (429, {"retry-after": "Wed, 31 Dec 2025 23:00:00 GMT"}, 0.0),
        (429, {"retry-after": "Thursday, 01-Jan-26 00:02:00 GMT"}, 120.0),
        (429, {"retry-after": "soon"}, None),
        (429, {"retry-after": "2026-01-01"}, None),
        (429, {"retry-after": ""}, None),
        (429, {"x-ratelimit-reset": "45"}, 45.0),
        (429, {"x-ratelimit-reset": "1767225660"}, 60.0),
        (429, {"x-ratelimit-reset": "1767225000"}, 0.0),
        (429, {"x-ratelimit-reset": "later"}, None),
        (200, {"x-ratelimit-reset": "45"}, None),
        (503, {"x-ratelimit-reset": "45"}, None),
        (429, {"retry-after": "5", "x-ratelimit-reset": "45"}, 5.0),
    ],
)
def test_a_vendors_wait_is_read_in_every_form(status: int, headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(status, headers, NOW_MS) == expected


@pytest.mark.parametrize(
    "asked", [{"retry-after": "Fri, 02 Jan 2026 00:01:00 GMT"}, {"x-ratelimit-reset": str(1_767_225_660 + 86_400)}]
)
def test_an_instant_is_told_by_the_vendors_own_clock_though_ours_is_a_day_behind(asked: dict[str, str]) -> None:
    assert retry_after_s(429, {"date": "Fri, 02 Jan 2026 00:00:00 GMT", **asked}, NOW_MS) == 60.0


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2026 00:00:00 GMT"])
def test_a_date_that_is_none_is_not_looked_at(date: str) -> None:
    assert retry_after_s(429, {"date": date, "retry-after": "Thu, 01 Jan 2026 00:01:00 GMT"}, NOW_MS) == 60.0


@pytest.mark.parametrize("asked", ["inf", "-inf", "nan", "1e999", "99999999999999999999999"])
@pytest.mark.parametrize("header", ["retry-after", "x-ratelimit-reset"])
def test_an_absurd_wait_is_no_fault_of_ours(header: str, asked: str) -> None:
    wait = retry_after_s(429, {header: asked}, NOW_MS)
    assert wait is None or wait >= 0


# ------------------------------------------------------------ outcomes of items


def dest(secret: str = "") -> Destination:
    from dataclasses import replace

    return replace(destination(Plain, Vendor()), redactor=Redactor((secret,)))


def test_one_outcome_counts_for_all_items() -> None:
    assert per_item(dest(), Delivered(), 3) == [Delivered()] * 3


@pytest.mark.parametrize("kind", [list, tuple])
def test_one_outcome_an_item_keeps_its_order(kind: type[Any]) -> None:
    told = kind([Delivered(), Reject("no"), RetryLater("later")])
    assert per_item(dest(), told, 3) == list(told)


@pytest.mark.parametrize(
    "result",
    [
        None, "ok", b"..", 7, {}, [], [Delivered()], [Delivered()] * 3, [Delivered(), None], [Delivered(), Skip("x")],
        Skip("x"), iter([Delivered()] * 2),
    ],
)  # fmt: skip
def test_anything_else_is_a_fault_of_the_plugin(result: Any) -> None:
    outcomes = per_item(dest(), result, 2)
    assert [type(o) for o in outcomes] == [Split, Split]
    assert all(isinstance(o, Split) and o.reason == "plugin_error" for o in outcomes)


def test_a_fault_with_a_single_item_is_a_refusal() -> None:
    [outcome] = per_item(dest(), None, 1)
    assert isinstance(outcome, Reject)
    assert outcome.reason == "plugin_error"


def test_a_single_item_cannot_be_split_further() -> None:
    assert per_item(dest(), Split("rejected", "words"), 1) == [Reject("rejected", "words")]


@pytest.mark.parametrize("make", [Reject, RetryLater, Pause, Split])
def test_details_are_redacted(make: Any) -> None:
    for outcome in per_item(dest("pa55word"), make("r", "the key pa55word is wrong"), 2):
        assert outcome.detail == "the key *** is wrong"  # type: ignore[attr-defined]


# ------------------------------------------------------------ a call of deliver


async def call(result: Any, n: int = 2) -> list[Outcome]:
    """What becomes of `n` items when deliver returns or raises this."""

    class Told(Plain):
        @hookimpl
        async def deliver(self, items: list[Item], sender: Any) -> Any:
            if isinstance(result, BaseException):
                raise result
            return result

    made = destination(Told, Vendor())
    return await deliver(made, [Item({})] * n, Attempt(made, NO_SESSION, FakeClock()))


@pytest.mark.parametrize("outcome", [Reject("r"), RetryLater("r"), Pause("credentials"), Split("r")])
async def test_a_raised_outcome_counts_for_every_item(outcome: Any) -> None:
    assert await call(outcome) == [outcome] * 2


async def test_a_raised_skip_is_a_fault_of_the_plugin() -> None:
    assert [o.reason for o in await call(Skip("x"), 1)] == ["plugin_error"]  # type: ignore[attr-defined]


async def test_a_time_out_inside_the_plugin_may_pass() -> None:
    assert [o.reason for o in await call(TimeoutError(), 1)] == ["timeout"]  # type: ignore[attr-defined]


async def test_any_other_exception_is_told_with_its_traceback() -> None:
    [outcome] = await call(RuntimeError("spilled the beans"), 1)
    assert isinstance(outcome, Reject)
    assert "spilled the beans" in outcome.detail
    assert "Traceback" in outcome.detail


def test_an_outcome_of_a_plugins_own_making_is_a_fault_of_the_plugin() -> None:
    class Odd(Outcome):
        """None of the contract's."""

    [outcome] = per_item(destination(Plain, Vendor()), Odd(), 1)
    assert isinstance(outcome, Reject)
    assert outcome.reason == "plugin_error"


def test_a_long_secret_is_taken_out_of_an_answer_before_a_plugin_can_cut_it_in_two() -> None:
    redactor = Redactor(("sesame-open-12", "us"))
    assert redactor.answer(b'{"region": "us", "key": "sesame-open-12"}') == b'{"region": "us", "key": "***"}'
