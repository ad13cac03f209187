"""How outcomes are spread over items, and what a plugin's own deliver comes to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from router.config import Rate
from router.deliver.send.http_client import Reply
from router.deliver.send.rate_limit import RateLimit
from router.deliver.send.sender import DELIVERED, Attempt, call_deliver, per_item, read_result
from router.plugin import Answer, Delivered, Item, Outcome, Pause, Reject, Request, RetryLater, Skip, Split, hookimpl
from router.plugin_host import Destination, Redactor
from router.testing.clock import FakeClock
from tests.contract.clients import VendorClient
from tests.contract.rig import Plain, Vendor, destination

NO_CLIENT: Any = None


# ------------------------------------------------------------ outcomes of items


def dest(secret: str = "") -> Destination:
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
        None, "ok", b"..", 7, {}, [], [Delivered()], [Delivered()] * 3, iter([Delivered()] * 2),
    ],
)  # fmt: skip
def test_anything_else_is_a_fault_of_the_plugin_and_nothing_is_sent_again(result: Any) -> None:
    outcomes = per_item(dest(), result, 2)
    assert [type(o) for o in outcomes] == [Reject, Reject]
    assert all(isinstance(o, Reject) and o.reason == "plugin_error" for o in outcomes)


@pytest.mark.parametrize("bad", [None, Skip("x"), Reject(7), RetryLater("r", after_s=float("nan"))])  # type: ignore[arg-type]
def test_one_outcome_that_is_none_concerns_its_own_item_only(bad: Any) -> None:
    first, second, third = per_item(dest(), [Delivered(), bad, RetryLater("later")], 3)
    assert (first, third) == (Delivered(), RetryLater("later"))
    assert isinstance(second, Split)
    assert second.reason == "plugin_error"


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
    return await call_deliver(made, [Item({})] * n, Attempt(made, NO_CLIENT, FakeClock()))


@pytest.mark.parametrize("outcome", [Reject("r"), RetryLater("r"), Pause("credentials"), Split("r")])
async def test_a_raised_outcome_counts_for_every_item(outcome: Any) -> None:
    assert await call(outcome) == [outcome] * 2


async def test_a_raised_skip_is_a_fault_of_the_plugin() -> None:
    assert [o.reason for o in await call(Skip("x"), 1)] == ["plugin_error"]  # type: ignore[attr-defined]


async def test_a_time_out_inside_the_plugin_may_pass() -> None:
    assert [o.reason for o in await call(TimeoutError(), 1)] == ["timeout"]  # type: ignore[attr-defined]


async def test_a_plugin_whose_own_connection_fails_is_tried_again() -> None:
    assert [o.reason for o in await call(ConnectionResetError("by peer"), 1)] == ["connection"]  # type: ignore[attr-defined]


async def test_an_outcome_that_a_task_of_the_plugin_raised_is_an_outcome() -> None:
    group = BaseExceptionGroup("tasks", [BaseExceptionGroup("inner", [RetryLater("later")])])
    assert await call(group, 1) == [RetryLater("later")]


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), BaseException("own")]
)
async def test_what_ends_a_process_elsewhere_is_a_fault_of_the_plugin(error: BaseException) -> None:
    [outcome] = await call(error, 1)
    assert isinstance(outcome, Reject)
    assert "plugin test, hook deliver" in outcome.detail
    assert type(error).__name__ in outcome.detail


async def test_any_other_exception_is_told_with_its_traceback() -> None:
    [outcome] = await call(RuntimeError("spilled the beans"), 1)
    assert isinstance(outcome, Reject)
    assert "spilled the beans" in outcome.detail
    assert "Traceback" in outcome.detail


@pytest.mark.parametrize("error", [RuntimeError("spilled"), ConnectionResetError("by peer"), KeyboardInterrupt()])
async def test_what_the_vendor_has_taken_is_not_sent_again_when_deliver_fails_behind_it(error: BaseException) -> None:
    class Failing(Plain):
        @hookimpl
        async def deliver(self, items: list[Item], sender: Any) -> Any:
            sender.receive(Reply(200, {}, b""))
            raise error

    made = destination(Failing, Vendor())
    outcomes = await call_deliver(made, [Item({})] * 2, Attempt(made, NO_CLIENT, FakeClock()))
    assert [type(outcome) for outcome in outcomes] == [Reject, Reject]
    assert "nothing is sent again" in str(outcomes[0].detail)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("status", "kind"), [(200, Reject), (400, Split)])
def test_a_verdict_that_fails_on_a_2xx_sends_nothing_again(status: int, kind: type[Outcome]) -> None:
    def verdict(items: list[Item], answer: Any) -> Any:
        raise RuntimeError("spilled")

    made = replace(destination(Plain, Vendor()), hooks={"verdict": verdict})
    outcomes = read_result(made, [Item({})] * 2, Attempt(made, NO_CLIENT, FakeClock()), Reply(status, {}, b""))
    assert [type(outcome) for outcome in outcomes] == [kind, kind]


def test_the_answer_to_a_private_request_is_no_success_of_the_items() -> None:
    attempt = Attempt(dest(), NO_CLIENT, FakeClock(), request=Request("http://v.test/", private=True))
    attempt.receive(Reply(200, {}, b"a token"))
    assert not attempt.was_taken


def test_a_skip_from_a_sending_hook_is_named() -> None:
    [outcome] = per_item(dest(), Skip("nothing"), 1)
    assert isinstance(outcome, Reject)
    assert outcome.detail.startswith("plugin test, hook deliver: returned Skip(reason='nothing')")


def test_an_outcome_of_a_plugins_own_making_is_a_fault_of_the_plugin() -> None:
    class Odd(Outcome):
        """None of the contract's."""

    [outcome] = per_item(destination(Plain, Vendor()), Odd(), 1)
    assert isinstance(outcome, Reject)
    assert outcome.reason == "plugin_error"


def test_the_common_outcome_is_one_object_that_can_be_told_by_identity() -> None:
    assert all(outcome is DELIVERED for outcome in per_item(dest(), [Delivered(), Delivered()], 2))
    assert all(outcome is DELIVERED for outcome in per_item(dest(), Delivered(), 2))


# ------------------------------------------------------------ what an attempt notes


async def test_every_request_of_a_deliver_but_the_first_pays_for_itself() -> None:
    clock = FakeClock()
    rate = RateLimit(Rate(2, 3600), clock)
    assert rate.try_take()  # what the batcher paid before it began
    attempt = Attempt(dest(), VendorClient(ok), clock, rate, is_paid=True)
    await attempt.send(Request("http://vendor.test/"))
    await attempt.send(Request("http://vendor.test/"))
    assert not rate.try_take()


async def test_the_longest_wait_that_was_asked_for_is_kept() -> None:
    waits = iter([5.0, 30.0, None, 10.0])

    async def asks(request: Request) -> Answer:
        return Answer(200, retry_after_s=next(waits))

    attempt = Attempt(dest(), VendorClient(asks), FakeClock())
    for _ in range(4):
        await attempt.send(Request("http://vendor.test/"))
    assert attempt.retry_after_s == 30.0


async def test_a_plugin_reads_what_the_vendor_sent_a_configured_secret_too() -> None:
    async def gives(request: Request) -> Answer:
        return Answer(200, {"x-refresh": "the-refresh-token"}, body=b'{"refresh_token": "the-refresh-token"}')

    answer = await Attempt(dest("the-refresh-token"), VendorClient(gives), FakeClock()).send(Request("http://v.test/"))
    assert answer.json() == {"refresh_token": "the-refresh-token"}
    assert answer.headers["x-refresh"] == "the-refresh-token"


async def test_a_token_that_a_plugin_got_is_masked_in_what_is_told_of_it() -> None:
    class Tokens(Plain):
        @hookimpl
        async def deliver(self, items: list[Item], sender: Any) -> Any:
            sender.secret("run-time-token")
            raise RuntimeError("refused run-time-token")

    made = replace(destination(Tokens, Vendor()), redactor=Redactor(()))
    [outcome] = await call_deliver(made, [Item({})], Attempt(made, NO_CLIENT, FakeClock()))
    assert isinstance(outcome, Reject)
    assert "RuntimeError: refused ***" in outcome.detail
    assert "run-time" not in outcome.detail
    assert made.redact("x run-time-token") == "x ***"


async def test_trouble_of_the_network_inside_deliver_is_tried_again_and_its_words_are_kept() -> None:
    async def breaks(request: Request) -> Answer:
        raise ConnectionResetError("by peer")

    attempt = Attempt(dest(), VendorClient(breaks), FakeClock())
    with pytest.raises(RetryLater) as raised:
        await attempt.send(Request("http://vendor.test/"))
    assert (raised.value.reason, attempt.status, attempt.error) == ("connection", None, "closed: by peer")


async def ok(request: Request) -> Answer:
    return Answer(200)
