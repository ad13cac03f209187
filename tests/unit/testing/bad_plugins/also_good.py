"""Good plugins that look odd: no check may refuse them."""

from __future__ import annotations

import hashlib
import random
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from router.plugin import (
    JSON,
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Item,
    Outcome,
    Reject,
    Request,
    RetryLater,
    Sender,
    Skip,
    hookimpl,
    json_request,
)
from router.testing import Received, Reply
from tests.unit.testing.bad_plugins.good import DELETE, Good, GoodSettings, ReadsResults, result_of_each

KEPT = "kept"


class KeepsAKindToItself(Good):
    """Its page views are no matter of the vendor."""

    kinds: Mapping[str, Batch] = {**Good.kinds, KEPT: Batch()}

    @hookimpl
    def page(self, event: Event, context: Context) -> Any:
        return Item({"id": event.message_id}, KEPT)

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        return Delivered() if items[0].kind == KEPT else await super().send(items, sender)


class CachesUsers(Good):
    """The last thousand of them."""

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        self.users: OrderedDict[str | None, dict[str, Any]] = OrderedDict()

    def body(self, event: Event) -> dict[str, Any]:
        self.users[event.user_id] = {"id": event.user_id, "at": [1, 2, 3]}
        if len(self.users) > 1000:
            self.users.popitem(last=False)
        return super().body(event)


@lru_cache(maxsize=2000)
def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class CachesHashes(Good):
    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "short": _short(event.message_id)}


class TakesASample(Good):
    """By a number that is drawn from the id of the event, so it is always the same."""

    def item(self, event: Event, context: Context) -> Any:
        if random.Random(event.message_id).random() < 0.1:
            raise Skip("not_in_sample")
        return super().item(event, context)


class MakesTwoOfOne(Good):
    """In a generator."""

    def item(self, event: Event, context: Context) -> Any:
        for at in range(2):
            yield Item({**self.body(event), "id": f"{event.message_id}-{at}"})


class KnowsTimeZones(Good):
    def body(self, event: Event) -> dict[str, Any]:
        ZoneInfo.clear_cache()
        return {**super().body(event), "at": event.timestamp.astimezone(ZoneInfo("Asia/Tokyo")).isoformat()}


class SignsItsRequests(Good):
    """With the time, in the query and in headers."""

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        now = time.time()
        signature = hashlib.sha256(f"{now}{token}".encode()).hexdigest()
        url = f"{built.url}?X-Amz-Date={now}&X-Amz-Signature={signature}"
        return Request(
            url, headers={**built.headers, "Date": formatdate(now), "X-Signature": signature}, body=built.body
        )


class ImportsInAHook(Good):
    def body(self, event: Event) -> dict[str, Any]:
        import colorsys
        import random

        return {**super().body(event), "color": colorsys.rgb_to_hls(1, 0, 0), "dice": random.__name__}


class HasAnIdempotencyKey(Good):
    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        key = hashlib.sha256(built.body).hexdigest()
        return Request(built.url, headers={**built.headers, "Idempotency-Key": key}, body=built.body)


# ---------------------------------------------------------------- mixed batches


def result_by_list(seen: Received) -> Reply:
    """Of a vendor that takes a list of people and one of events, and answers with a result for each of both."""
    told = seen.json() if seen.method == "POST" else None
    if isinstance(told, dict) and "people" in told:
        return Reply(207, json={name: [{"status": 201} for _ in sent] for name, sent in told.items()})
    return result_of_each(seen)


def is_event(item: Item) -> bool:
    return bool(item.body.get("name"))


class ReadsAMixedBatch(ReadsResults):
    """Sends people and events in one request, in a list each, and finds the result of an item in the list of its own."""

    options: ClassVar[dict[str, Any]] = {"vendor": result_by_list}

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        if items[0].kind == DELETE:
            return built
        people, events = ([item.body for item in items if is_event(item) is asked] for asked in (False, True))
        return json_request(built.url, {"people": people, "events": events}, headers=built.headers)

    def read(self, items: list[Item], answer: Answer) -> Any:
        if answer.status >= 300 or items[0].kind == DELETE:
            return super().read(items, answer)
        told = answer.json()
        lists = [told.get(name) if isinstance(told, dict) else None for name in ("people", "events")]
        people, events = (results if isinstance(results, list) else [] for results in lists)
        if (len(people), len(events)) != (sum(not is_event(item) for item in items), sum(map(is_event, items))):
            return RetryLater("unreadable_answer")
        return [self.outcome_of(result) for result in self.in_order(items, people, events)]

    def in_order(self, items: list[Item], people: list[JSON], events: list[JSON]) -> list[JSON]:
        left = {False: iter(people), True: iter(events)}
        return [next(left[is_event(item)]) for item in items]

    def outcome_of(self, result: JSON) -> Outcome:
        match result:
            case {"ok": True} | {"status": 201}:
                return Delivered()
            case {"status": 422}:
                return Reject("refused")
        return RetryLater("unreadable_answer")
