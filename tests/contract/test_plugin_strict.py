"""Whatever is called, nothing of what the plugins send is refused by vendors that read their contracts strictly.

The calls are JSON of any kind, and beside it what real senders get wrong: texts too long, names that are blank, values of another
type. A call may be skipped or become a dead letter before anything is sent; what is sent must be good.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plugins.braze import Braze
from plugins.clientsuccess import ClientSuccess
from plugins.freshsuccess import Freshsuccess
from router.plugin import Request
from router.testing import Came, Rehearsal
from tests.contract.plugin_case import ANY_JSON
from tests.vendors.braze import BrazeVendor
from tests.vendors.clientsuccess import ClientSuccessVendor
from tests.vendors.freshsuccess import FreshsuccessVendor
from tests.vendors.strict import Seen, StrictVendor

Call = dict[str, Any]

LONG = "long " * 60
"""A text of 300 characters, above every bound of the vendors."""

NAMED = [
    "firstName", "first_name", "lastName", "name", "email", "phone", "avatar", "image_url", "birthday", "dob", "gender", "address",
    "home_city", "country", "language", "time_zone", "email_subscribe", "push_subscribe", "current_location", "push_tokens",
    "subscription_groups", "email_open_tracking_disabled", "date_of_first_session", "push_token_import", "_merge_objects",
    "facebook", "bio", "external_id", "user_alias", "time", "event_name", "createdAt", "employees", "is_churned", "description",
    "lifecycle_stage", "billing", "tier", "module", "product", "value", "csValue", "category", "products", "currency", "plan",
]  # fmt: skip
"""Names that mean something to one of the vendors."""

GROWING = "\u0130" * 190 + "@x.co"
"""An e-mail address that has twice as many characters in lower case."""

TEXTS = st.sampled_from(
    ["", " ", "Ada", LONG, f"{LONG}\n", " " * 300 + "x", "2020-01-02", "2020-01-02T03:04:05Z", "2020-13-45", "true", "12.90", "x@y.co",
     "BE", "woman", "subscribed", "euro", "\u00df\u00df", "\u3000", "\x00", ".", "..", "a/b?c#d%"]
)  # fmt: skip
NUMBERS = st.sampled_from([0, -1, 1, 0.5, 100, 101, 250, 7_500, 10**6, 1e300])
NAMES = st.sampled_from(NAMED) | st.sampled_from(["", " ", ".", "$set", "a b", "n" * 256]) | st.text(max_size=4)
OBJECTS = st.sampled_from([{"longitude": 3.7, "latitude": 51.0}, {"city": LONG, "country": "BE"}, {"": 1}, {"inc": 1}])
VALUES = TEXTS | NUMBERS | OBJECTS | st.booleans() | st.none() | ANY_JSON
PRODUCTS = st.lists(
    ANY_JSON
    | st.fixed_dictionaries(
        {"price": NUMBERS | st.just("12.90")},
        optional=dict.fromkeys(("product_id", "id", "sku", "quantity", "currency", "name", "time", "$x", ""), VALUES),
    ),
    max_size=3,
)
TRAITS = st.dictionaries(NAMES, VALUES, max_size=6)
PROPERTIES = st.tuples(TRAITS, st.fixed_dictionaries({}, optional={"products": PRODUCTS})).map(
    lambda two: two[0] | two[1]
)
IDS = st.sampled_from(["u1", "u2", "7", "ada@example.com", GROWING, "i" * 200, LONG.strip()])
NAMES_SENT = (
    st.sampled_from(["Run", "Order Completed", "completed_order", LONG, " " * 300 + "x", "\x00", ".."]) | st.text()
)
CALLS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["identify", "group", "track", "page", "screen", "alias"]),
        "traits": TRAITS,
        "properties": PROPERTIES,
        "timestamp": st.integers(0, 7_199).map(lambda s: f"2024-03-01T{10 + s // 3600}:{s // 60 % 60:02}:{s % 60:02}Z"),
    },
    optional={
        **dict.fromkeys(("userId", "anonymousId", "previousId"), IDS),
        "groupId": st.just("acme") | IDS,
        **dict.fromkeys(("event", "name", "category"), NAMES_SENT),
    },
).map(lambda call: call if {"userId", "anonymousId"} & call.keys() else {**call, "userId": "u1"})
COMPANY = {"type": "group", "userId": "u1", "groupId": "acme", "traits": {"name": "Acme"}}
"""Without it ClientSuccess would get next to nothing."""
RUN = {"type": "track", "event": "Run"}


def refusals(vendor: StrictVendor, settings: Mapping[str, Any], request: Request) -> tuple[str, ...]:
    """What the vendor finds wrong with a request."""
    place = next(place for place in vendor.places if request.url.startswith(settings[place]))
    headers = {name.lower(): value for name, value in request.headers.items()}
    headers["content-length"] = str(len(request.body))
    url = request.url.removeprefix(settings[place])
    return vendor.read(Seen(request.method, place, url, headers, request.body, 0.0), settings).words


def refused(
    vendor: StrictVendor, plugin: type[Any], settings: Mapping[str, Any], calls: list[Call]
) -> list[tuple[str, ...]]:
    """What the vendor finds wrong with all that these calls become, sessions that time out included."""
    rehearsal, came = Rehearsal(plugin, settings), list[Came]()
    for call in calls:
        with suppress(ValueError):  # ingestion refuses it
            came.append(rehearsal.take(call))
    came += rehearsal.advance(days=1)
    assert [one.detail for one in came if one.outcome == "dead: plugin_error"] == []
    requests = [request for one in came for request in one.requests]
    return [words for request in requests if (words := refusals(vendor, settings, request))]


BRAZE = {"api_key": "KEY", "base_url": "http://braze.test"}
BRAZE_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("update_existing_only", "track_all_pages", "purchase_properties", "merge_on_alias"), st.booleans()
        ),
        "app_id": st.just("A1"),
        "anonymous_alias_label": st.just("browser"),
    },
)


@given(options=BRAZE_OPTIONS, calls=st.lists(CALLS, min_size=1, max_size=4))
def test_braze_refuses_nothing(options: dict[str, Any], calls: list[Call]) -> None:
    assert refused(BrazeVendor(), Braze, {**BRAZE, **options}, calls) == []


CLIENTSUCCESS = {"project_id": "P/1", "api_key": "K Y", "base_url": "http://clientsuccess.test"}


@given(calls=st.lists(CALLS, min_size=1, max_size=4), page_event=st.sampled_from(["", "Page"]))
@example(calls=[{**RUN, "userId": GROWING, "groupId": "acme"}], page_event="")
def test_clientsuccess_refuses_nothing(calls: list[Call], page_event: str) -> None:
    settings = {**CLIENTSUCCESS, "page_event": page_event}
    assert refused(ClientSuccessVendor(), ClientSuccess, settings, [COMPANY, *calls]) == []


FRESHSUCCESS = {
    "event_auth_key": "A/U",
    "event_api_key": "KEY",
    "events_base_url": "http://events.test",
    "api_base_url": "http://api.test",
}
DIMENSIONS = st.sampled_from(["auto", "off", ["plan", ""], ["billing"]])


@pytest.mark.parametrize("account_api_key", ["AKEY", ""], ids=["account mode", "event mode"])
@pytest.mark.parametrize("event_key_style", ["snake", "camel"])
@given(
    calls=st.lists(CALLS, min_size=1, max_size=4),
    dimensions=DIMENSIONS,
    of_users=st.sampled_from([[], ["plan", "", " "]]),
    send_pages=st.booleans(),
)
@example(calls=[{**COMPANY, "traits": {"": 1}}], dimensions="auto", of_users=[], send_pages=False)
def test_freshsuccess_refuses_nothing(
    account_api_key: str,
    event_key_style: str,
    calls: list[Call],
    dimensions: Any,
    of_users: list[str],
    send_pages: bool,
) -> None:
    settings = {**FRESHSUCCESS, "account_api_key": account_api_key, "event_key_style": event_key_style}
    options = {"group_dimensions": dimensions, "identify_dimensions": of_users, "send_pages": send_pages}
    assert refused(FreshsuccessVendor(), Freshsuccess, {**settings, **options}, [COMPANY, *calls]) == []
