"""The order of items in a request: every shape of a body in which each user's items are in order passes, and no other one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from router.plugin import Batch, Context, Event, Item, UserId, hookimpl
from router.testing.checking.built_requests import Sent
from router.testing.checking.order_in_requests import UserItem, fault_of_order, items_of_one_user
from router.testing.checking.subject import Subject
from tests.unit.testing.bad_plugins.good import Good

Bodies = list[dict[str, Any]]
Shape = Callable[[Bodies], Any]
NAMES = {"track": "Signed Up", "identify": None, "page": "Home"}
OWN = [
    UserItem(Item({"type": type, "id": f"{'zc'[again]}-{type}", "user": "u-1", "name": name}), (at, 0))
    for at, (type, name) in enumerate(NAMES.items())
    for again in range(2)
]
"""Two of each type. Neither their ids nor their types are sorted."""
UNLIKE = [
    UserItem(Item({"type": "track", "id": "c-1", "user": "u-1"}), (0, 0)),
    UserItem(Item({"type": "track", "id": "c-2", "user": "u-1"}), (0, 0)),
    UserItem(Item({"type": "identify", "user": "u-1", "traits": {"email": "ada@acme.example"}}), (1, 0)),
]
"""Of two types that have no field of their own in common."""


def gathered(bodies: Bodies, field: str) -> dict[str, Bodies]:
    found: dict[str, Bodies] = {}
    for body in bodies:
        found.setdefault(str(body[field]), []).append(body)
    return found


def lines(bodies: Bodies) -> bytes:
    return b"\n".join(json.dumps(body).encode() for body in bodies)


def table(bodies: Bodies) -> bytes:
    return "".join(["id;user\n", *(f"{body['id']};{body['user']}\n" for body in bodies)]).encode()


def form(bodies: Bodies) -> bytes:
    return urlencode({"events": json.dumps(bodies)}).encode()


def encoded(bodies: Bodies) -> dict[str, str]:
    return {"data": base64.b64encode(lines(bodies)).decode()}


def by_type(bodies: Bodies) -> Bodies:
    return sorted(bodies, key=lambda body: str(body["type"]))


def by_id(bodies: Bodies) -> Bodies:
    return sorted(bodies, key=lambda body: str(body["id"]))


def rows(bodies: Bodies) -> dict[str, Any]:
    return {
        "columns": sorted({str(body["name"]) for body in bodies}),
        "rows": [[body["name"], body["id"]] for body in bodies],
    }


def rows_below_objects(bodies: Bodies) -> dict[str, Any]:
    table = rows(bodies)
    return {**table, "columns": [{"name": name} for name in table["columns"]]}


def of_each_user(bodies: Bodies) -> Bodies:
    return [{"user": user, "events": own} for user, own in gathered(bodies, "user").items()]


def first_and_last(bodies: Bodies) -> dict[str, str]:
    ids = [str(body["id"]) for body in bodies]
    return {"first": min(ids), "last": max(ids)}


IN_ORDER: dict[str, Shape] = {
    "one list": lambda bodies: {"batch": bodies},
    "a list for each type": lambda bodies: gathered(by_type(bodies), "type"),
    "a list of lists for each type": lambda bodies: list(gathered(by_type(bodies), "type").values()),
    "a list for each user": of_each_user,
    "rows below sorted columns": rows,
    "an object by id": lambda bodies: {str(body["id"]): body for body in by_id(bodies)},
    "the first and the last id": first_and_last,
    "lines": lines,
    "a table": table,
    "a form": form,
    "encoded": encoded,
}
OUT_OF_ORDER: dict[str, Shape] = {
    "the newest first": lambda bodies: {"batch": bodies[::-1]},
    "sorted by id": by_id,
    "sorted by type into one list": by_type,
    "gathered by type into one list": lambda bodies: list(chain.from_iterable(gathered(bodies, "type").values())),
    "the newest first of each type": lambda bodies: gathered(bodies[::-1], "type"),
    "the newest first of each user": lambda bodies: of_each_user(bodies[::-1]),
    "reversed rows below sorted columns": lambda bodies: rows(bodies[::-1]),
    "lines sorted by type": lambda bodies: lines(by_type(bodies)),
    "a table sorted by id": lambda bodies: table(by_id(bodies)),
    "a form with the newest first": lambda bodies: form(bodies[::-1]),
    "encoded and sorted": lambda bodies: encoded(by_id(bodies)),
}


def fault_of(shape: Shape, own: list[UserItem] = OWN) -> str:
    def sent(items: list[Item]) -> Sent:
        body = shape([msgspec.json.decode(item.json, type=dict[str, Any]) for item in items])
        return [("POST", "https://a.example.com", body if isinstance(body, bytes) else msgspec.json.encode(body))]

    return fault_of_order(own, lambda given: [sent(items) for items in given])


@pytest.mark.parametrize("shape", IN_ORDER.values(), ids=IN_ORDER)
def test_a_shape_with_the_items_of_each_user_in_order_is_no_fault(shape: Shape) -> None:
    assert fault_of(shape) == ""


@pytest.mark.parametrize("shape", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_a_shape_that_swaps_two_items_of_a_user_is_found(shape: Shape) -> None:
    assert fault_of(shape) != ""


def test_items_without_a_field_in_common_are_compared_within_a_list() -> None:
    assert fault_of(lambda bodies: {"batch": bodies}, UNLIKE) == ""
    assert fault_of(lambda bodies: gathered(by_type(bodies), "type"), UNLIKE) == ""
    assert fault_of(lambda bodies: {"columns": sorted(str(body.get("id")) for body in bodies)}, UNLIKE[1:]) == ""
    assert fault_of(lambda bodies: {"batch": by_type(bodies)}, UNLIKE) != ""


def test_columns_that_are_objects_are_in_any_order_and_rows_are_not() -> None:
    assert fault_of(rows_below_objects, OWN[::2]) == ""
    assert fault_of(lambda bodies: rows_below_objects(bodies[::-1]), OWN[::2]) != ""


def test_a_finding_says_which_item_came_first() -> None:
    told = fault_of(lambda bodies: {"batch": bodies[::-1]}, UNLIKE[:2])
    first, second = (item.json.decode() for item, _ in UNLIKE[:2])
    assert told == f"{second} is sent before {first}, which came first in the batch"


class ThreeAtOnce(Good):
    """Makes the item of a track call twice, also for anonymous users."""

    requires: Mapping[str, tuple[UserId, ...]] = {}
    kinds: Mapping[str, Batch] = {**Good.kinds, "": Batch(max_items=3)}

    @hookimpl
    def track(self, event: Event, context: Context) -> Any:
        return [self.item(event, context)] * 2


def test_items_of_one_user_are_of_one_request_and_all_are_different() -> None:
    parts = [items for _, items in items_of_one_user(Subject(ThreeAtOnce, {"token": "a-secret-of-the-test"}))]
    assert {len(items) for items in parts} == {3}
    all_items = [item.json for items in parts for item, _ in items]
    assert len(set(all_items)) == len(all_items)
    assert {at for items in parts for _, (_, at) in items} == {0}


def test_anonymous_users_are_users_of_their_own() -> None:
    calls = [{"type": "track", "event": "Hello", "anonymousId": id} for id in ("b", "a")]
    subject = Subject(ThreeAtOnce, {"token": "a-secret-of-the-test"}, calls=calls)
    added = len(list(items_of_one_user(subject))) - len(list(items_of_one_user(Subject(subject.plugin, subject.given))))
    assert added == 2


def test_requests_for_each_type_are_in_any_order_and_those_for_each_item_are_not() -> None:
    def one_each(items: list[Item]) -> Sent:
        return [("PUT", f"https://a.example.com/{item.body['id']}", b"{}") for item in items]

    def of_types(items: list[Item]) -> Sent:
        bodies = gathered([item.body for item in items], "type")
        return [("POST", f"https://a.example.com/{type}", lines(bodies[type])) for type in sorted(bodies)]

    assert fault_of_order(OWN, lambda given: [of_types(items) for items in given]) == ""
    assert fault_of_order(OWN, lambda given: [one_each(items) for items in given]) == ""
    assert fault_of_order(OWN, lambda given: [one_each(items[::-1]) for items in given]) != ""
