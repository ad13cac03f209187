"""Single checks: what looks like a fault and is none passes, and what hides behind something harmless is found."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest

from router.plugin import (
    JSON,
    Answer,
    Batch,
    Context,
    Event,
    Item,
    Outcome,
    Reject,
    Request,
    Sender,
    Skip,
    by_status,
    raise_for_status,
)
from router.testing import Received, Reply
from router.testing.checking.answered_deliveries import named
from router.testing.checking.growth import SENT, growth_of
from router.testing.checking.item_results import ItemResults, made_bad, without
from router.testing.checking.loops import KitLoop, run
from tests.unit.testing.bad_plugins import of_living
from tests.unit.testing.bad_plugins.good import DELETE, Good
from tests.unit.testing.single_check import findings

# ---------------------------------------------------------------- state


class CountsInPlace(Good):
    outcome: ClassVar[Callable[[], Reject | Skip]]

    def remember(self, event: Event, context: Context) -> None:
        if context.state is None:
            context.state = {"events": 1}
            return
        context.state["events"] += 1
        raise type(self).outcome()


class CountsAndRejects(CountsInPlace):
    outcome = staticmethod(lambda: Reject("too_many"))


class CountsAndSkips(CountsInPlace):
    outcome = staticmethod(lambda: Skip("too_many"))


@pytest.mark.long
def test_a_state_that_was_changed_in_place_is_missed_only_where_it_would_have_been_kept() -> None:
    assert findings(CountsAndRejects, "state_assigned") == []
    assert findings(CountsAndSkips, "state_assigned") != []


# ---------------------------------------------------------------- results of items


def results_in(told: JSON, sent: bytes = b'[{"id": "a1", "user": "x"}, {"id": "b2", "user": "y"}]') -> ItemResults:
    return ItemResults(Received("POST", "https://a.example.com", {}, sent), Reply(json=told), 2)


def test_an_answer_with_as_many_fields_as_items_has_no_results() -> None:
    assert results_in({"id": 7, "user": "router"}).changed(0, without) is None


def test_results_in_the_lists_of_the_request_are_in_its_order_and_changed_in_their_own_list() -> None:
    seen = Received("POST", "https://a.example.com", {}, b'{"people": [{"id": "a1"}], "groups": [], "events": [1, 2]}')
    told = {"events": [{"status": 200}, {"status": 200}], "people": [{"status": 201}]}
    other = ItemResults(seen, Reply(json=told), 3).changed(2, made_bad)
    assert other is not None
    assert other.json == {"events": [{"status": 200}, {"status": 422}], "people": [{"status": 201}]}


@pytest.mark.parametrize("sent", [b'{"id": "a1"}\n{"id": "b2"}', b"ids=a1&ids=b2"])
def test_results_by_the_ids_of_the_request_are_found_whatever_its_form(sent: bytes) -> None:
    other = results_in({"a1": {"ok": True}, "b2": {"ok": True}}, sent).changed(0, made_bad)
    assert other is not None
    assert other.json == {"a1": {"ok": False}, "b2": {"ok": True}}


@pytest.mark.parametrize(
    ("told", "bad"),
    [
        ([{"errors": []}, {"errors": []}], [{"errors": ["failed"]}, {"errors": []}]),
        ([{"error": {}}, {"error": {}}], [{"error": {"message": "failed"}}, {"error": {}}]),
        (["ok", "ok"], ["failed", "ok"]),
        ({"a1": "ok", "b2": "ok"}, {"a1": "failed", "b2": "ok"}),
        ({"a1": {"error_code": 0}, "b2": {"error_code": 0}}, {"a1": {"error_code": -1}, "b2": {"error_code": 0}}),
    ],
)
def test_results_say_in_many_ways_that_an_item_has_failed(told: JSON, bad: JSON) -> None:
    results = results_in(told)
    other = results.changed(0, made_bad)
    assert results.is_told()
    assert other is not None
    assert other.json == bad


def test_ids_that_are_echoed_tell_nothing() -> None:
    assert not results_in(["a1", "b2"]).is_told()


def echoes(seen: Received) -> Reply:
    if seen.url.endswith("/token"):
        return Reply(json={"access_token": "token-of-a-vendor", "expires_in": 60})
    return Reply(json={"taken": [{"name": one.get("id")} for one in seen.json()]})


class TakesA200ForAll(Good):
    options: ClassVar[dict[str, Any]] = {"vendor": echoes}


@pytest.mark.long
def test_where_an_answer_only_echoes_the_items_its_status_may_decide() -> None:
    assert findings(TakesA200ForAll, "results_by_item") == []


def by_id(seen: Received) -> Reply:
    if seen.url.endswith("/token"):
        return Reply(json={"access_token": "token-of-a-vendor", "expires_in": 60})
    return Reply(json={str(one.get("id")): {"errors": []} for one in seen.json()})


class LooksAtNoErrors(Good):
    options: ClassVar[dict[str, Any]] = {"vendor": by_id}


@pytest.mark.long
def test_errors_of_single_items_that_nobody_reads_are_found() -> None:
    assert findings(LooksAtNoErrors, "results_by_item") != []


# ---------------------------------------------------------------- memory


def growth_with(kept: Any) -> bool:
    async def call(first: int, end: int) -> None:
        for at in range(first, end):
            kept.append(str(10**9 + at))

    async def main(loop: KitLoop) -> bool:
        return (await growth_of(call, *SENT)).is_endless

    return run(main)


@pytest.mark.long
@pytest.mark.parametrize("bound", [100, 2_500, SENT[1] - 1])
def test_a_cache_that_is_full_before_the_last_calls_is_bounded(bound: int) -> None:
    assert not growth_with(deque(maxlen=bound))


@pytest.mark.long
def test_a_cache_without_a_bound_is_endless() -> None:
    assert growth_with([])


def test_what_somebody_has_frozen_stays_so() -> None:
    """As this process has: to look for garbage among all tests takes a second each time."""

    async def call(first: int, end: int) -> None:
        pass

    async def main(loop: KitLoop) -> None:
        await growth_of(call, 1, 2)

    gc.freeze()
    run(main)
    assert gc.get_freeze_count() > 0


# ---------------------------------------------------------------- accounts


@pytest.mark.long
def test_a_token_at_the_class_is_found_also_where_an_earlier_test_has_asked_for_it() -> None:
    modules = dict(sys.modules)
    assert findings(of_living.SharesItsToken, "success") == []
    assert findings(of_living.SharesItsToken, "instances_apart") != []
    assert {name: sys.modules[name] for name in modules} == modules
    parent, _, child = of_living.__package__.rpartition(".")
    assert getattr(sys.modules[parent], child) is sys.modules[of_living.__package__]


# ---------------------------------------------------------------- requests


class TellsTwoHosts(Good):
    """The same at once, and a failure of one is a failure."""

    kinds: Mapping[str, Batch] = {"": Batch(), DELETE: Batch()}

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        built = self.build(items, await self.token.get(sender))
        spare = Request("https://second.example.com/events", headers=built.headers, body=built.body)
        for answer in await asyncio.gather(sender.send(built), sender.send(spare)):
            raise_for_status(answer)
        return by_status(Answer(200), 1)


@pytest.mark.long
def test_a_request_that_was_under_way_when_another_one_failed_is_no_retry() -> None:
    assert findings(TellsTwoHosts, "own_retries") == []


class HasALockOfEachUser(Good):
    """By a number that goes nowhere."""

    locks: ClassVar[Sequence[asyncio.Lock]] = [asyncio.Lock() for _ in range(7)]

    def build(self, items: list[Item], token: str) -> Request:
        assert not self.locks[hash(items[0].json) % 7].locked()
        return super().build(items, token)


class SendsToAPart(Good):
    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        return Request(f"{built.url}/{hash(items[0].json) % 3}", headers=built.headers, body=built.body)


@pytest.mark.long
@pytest.mark.parametrize("name", ["attempts_repeat", "request_repeats"])
def test_a_hash_is_chance_only_where_what_is_sent_depends_on_it(name: str) -> None:
    assert findings(HasALockOfEachUser, name) == []
    assert findings(SendsToAPart, name) != []


class LosesSomeAndSigns(Good):
    """No two of its URLs are alike."""

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items[:2], token)
        signature = hashlib.sha256(f"{time.time_ns()}{token}".encode()).hexdigest()
        return Request(f"{built.url}?X-Amz-Signature={signature}", headers=built.headers, body=built.body)


class LosesTheLast(Good):
    def build(self, items: list[Item], token: str) -> Request:
        return super().build(items[:-1] or items, token)


@pytest.mark.long
def test_the_last_item_of_a_batch_is_missed() -> None:
    assert findings(LosesTheLast, "batch_is_whole") != []


@pytest.mark.long
def test_an_item_that_is_lost_is_missed_behind_a_signature_too() -> None:
    assert findings(LosesSomeAndSigns, "batch_is_whole") != []


class ShieldsTheLastOfMany(Good):
    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        for at in range(5):
            raise_for_status(await sender.send(Request(f"{self.settings.base_url}/{at}", "GET")), len(items))
        return await asyncio.shield(asyncio.ensure_future(super().send(items, sender)))


@pytest.mark.long
def test_a_delivery_is_cancelled_at_its_last_request_however_many_come_before() -> None:
    assert [words for words in findings(ShieldsTheLastOfMany, "cancellable") if "request 7" in words] != []


# ---------------------------------------------------------------- reasons


class LeavesTestUsersOut(Good):
    def item(self, event: Event, context: Context) -> Any:
        if event.user_id == "test_user":
            raise Skip("test_user")
        return super().item(event, context)


class NamesWhoItLeavesOut(Good):
    def item(self, event: Event, context: Context) -> Any:
        if event.user_id and event.user_id.startswith("test"):
            raise Skip(f"not_{event.user_id}")
        return super().item(event, context)


@pytest.mark.long
def test_a_constant_reason_may_be_the_id_of_an_event_by_accident() -> None:
    calls = [{"type": "track", "userId": "test_user", "event": "Signed Up"}]
    assert findings(LeavesTestUsersOut, "reasons_are_words", calls=calls) == []
    assert findings(NamesWhoItLeavesOut, "reasons_are_words", calls=calls) != []


# ---------------------------------------------------------------- words


def test_a_finding_names_the_request_that_met_the_answer() -> None:
    first, *_ = findings(of_living.TakesALoginForAnEvent, "login_refused")
    assert first.startswith("hook deliver, 1 item, answer '400' to POST /token: Reject(")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://a.example.com", "POST /"),
        ("https://a.example.com/v1/events", "POST /v1/events"),
        ("https://a.example.com/graphql (body 1)", "POST /graphql (body 1)"),
    ],
)
def test_a_request_is_named_by_its_method_and_path(url: str, words: str) -> None:
    assert named(("POST", url)) == words
