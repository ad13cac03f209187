"""Good plugins that look odd: no check may refuse them."""

from __future__ import annotations

import hashlib
import random
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from router.plugin import Batch, Context, Delivered, Event, Item, Outcome, Request, Sender, Skip, hookimpl
from tests.unit.testing.bad_plugins.good import Good, GoodSettings

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
