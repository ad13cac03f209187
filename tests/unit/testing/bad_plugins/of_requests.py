"""Bad plugins: requests."""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any

from router.plugin import (
    Event,
    Item,
    Request,
    hookimpl,
    json_request,
)
from tests.unit.testing.bad_plugins.good import DELETE, Good


class DoesNotQuote(Good):
    caught_by = "request_builds"

    def build(self, items: list[Item], token: str) -> Request:
        request = super().build(items, token)
        if items[0].kind == DELETE:
            return request
        return json_request(f"{request.url}/{items[0].body.get('user')}", [item.body for item in items])


class HasNoScheme(Good):
    caught_by = "request_url"

    def build(self, items: list[Item], token: str) -> Request:
        return json_request(super().build(items, token).url.removeprefix("https://"), [item.body for item in items])


class NumbersRequests(Good):
    caught_by = "request_repeats"
    number = 0

    def build(self, items: list[Item], token: str) -> Request:
        self.number += 1
        return json_request(super().build(items, token).url, [self.number, *(item.body for item in items)])


class DatesRequests(Good):
    """To the second: two calls of a test are in the same one."""

    caught_by = "request_repeats"

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        now = time.strftime("%H:%M:%S")
        return json_request(built.url, [now, *(item.body for item in items)], headers=built.headers)


class HashesRequests(Good):
    """With a number that is another one after each start."""

    caught_by = "request_repeats"

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        return Request(f"{built.url}?part={hash(built.body) % 8}", headers=built.headers, body=built.body)


class LooksForATemplate(Good):
    caught_by = "request_pure"

    @hookimpl
    def request(self, items: list[Item]) -> Any:
        os.listdir(os.curdir)
        return super().request(items)


class MarksItems(Good):
    caught_by = "request_leaves_items"

    @hookimpl
    def request(self, items: list[Item]) -> Any:
        items[0].body["sent"] = True
        return super().request(items)


class KeysByTheFirstItem(Good):
    caught_by = "idempotency_keys"

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        key = hashlib.sha256(items[0].json).hexdigest()
        return Request(built.url, headers={**built.headers, "Idempotency-Key": key}, body=built.body)


class KeysByWhatWasDone(Good):
    """Somebody who does the same thing twice has done it once."""

    caught_by = "idempotency_keys"

    def body(self, event: Event) -> dict[str, Any]:
        return {name: value for name, value in super().body(event).items() if name != "id"}

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        key = hashlib.sha256(built.body).hexdigest()
        return Request(built.url, headers={**built.headers, "Idempotency-Key": key}, body=built.body)


class Pads(Good):
    caught_by = "request_size"

    def build(self, items: list[Item], token: str) -> Request:
        return json_request(super().build(items, token).url, [*(item.body for item in items), "x" * 500_000])


class SaysNoType(Good):
    caught_by = "content_type"

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        return Request(built.url, body=built.body)


class EncodesSlowly(Good):
    caught_by = "request_fast"

    @hookimpl
    def request(self, items: list[Item]) -> Any:
        if len(items) > 5 and any(len(item.json) > 30_000 for item in items):
            sum(range(25_000_000))
        return super().request(items)
