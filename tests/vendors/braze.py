"""Braze's user endpoints, read strictly: the key in a header, so many objects and no more, and a word for each it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from router.testing.vendor import Reply
from tests.vendors.strict import (
    Judged,
    Refused,
    Seen,
    Settings,
    StrictVendor,
    is_instant,
    is_number,
    is_text,
    is_whole,
)

ARRAYS = ("attributes", "events", "purchases")
MERGES = {"/users/identify": ("aliases_to_identify", 201), "/users/merge": ("merge_updates", 202)}
"""Endpoint: its array, and the status of its answer."""

DELETE, DELETED = "/users/delete", ("external_ids", "user_aliases")
"""The endpoint that deletes profiles, and its arrays."""

IDENTIFIERS = ("external_id", "braze_id", "user_alias", "email", "phone")
NO_IDENTIFIER = "'external_id', 'braze_id', 'user_alias', 'email' or 'phone' is required"
NOTHING_VALID = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
MAX_OBJECTS = 75
MAX_MERGES = 50
MAX_TEXT = 255
MAX_QUANTITY = 100

SUBSCRIBED = ("opted_in", "subscribed", "unsubscribed")


def is_plain(value: object) -> bool:
    """Text, blank or not."""
    return isinstance(value, str)


def is_flag(value: object) -> bool:
    """A real boolean."""
    return isinstance(value, bool)


def is_place(value: object) -> bool:
    """A longitude and a latitude."""
    return isinstance(value, dict) and all(map(is_number, (value.get("longitude"), value.get("latitude"))))


def is_objects(*keys: str) -> Callable[[object], bool]:
    """A list of objects that have a text under each of these keys."""

    def look(value: object) -> bool:
        return isinstance(value, list) and all(
            isinstance(each, dict) and all(is_text(each.get(key)) for key in keys) for each in value
        )

    return look


PROFILE: Mapping[str, Callable[[Any], bool]] = {
    "gender": lambda value: value in ("M", "F", "O", "N", "P"),
    "dob": lambda value: isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) is not None,
    **dict.fromkeys(
        ("first_name", "last_name", "email", "phone", "home_city", "country", "language", "time_zone", "image_url"),
        is_plain,
    ),
    **dict.fromkeys(
        ("email_subscribe", "push_subscribe"), lambda value: isinstance(value, str) and value in SUBSCRIBED
    ),
    **dict.fromkeys(
        ("email_open_tracking_disabled", "email_click_tracking_disabled", "push_token_import", "_merge_objects"),
        is_flag,
    ),
    **dict.fromkeys(("date_of_first_session", "date_of_last_session", "marked_email_as_spam_at"), is_instant),
    "current_location": is_place,
    "subscription_groups": is_objects("subscription_group_id", "subscription_state"),
    "push_tokens": is_objects("app_id", "token"),
    **dict.fromkeys(("facebook", "twitter"), lambda value: isinstance(value, dict)),
}
"""Profile fields that must be of a certain form; null removes each."""


class BrazeVendor(StrictVendor):
    """Takes what is valid of a request and names the rest."""

    def judge(self, seen: Seen, settings: Settings) -> Judged:
        """Path, key and size, then object by object."""
        if seen.url not in ("/users/track", DELETE, *MERGES) or seen.method != "POST":
            raise refused(404, "not found")
        if seen.headers.get("authorization") != f"Bearer {settings['api_key']}":
            raise refused(401, "Invalid API Key")
        if seen.headers.get("content-type") != "application/json":
            raise refused(400, "the body is not said to be JSON")
        if seen.url in MERGES:
            return merged(seen)
        if seen.url == DELETE:
            return deleted(seen)
        objects = objects_of(seen, ARRAYS)
        if sum(map(len, objects.values())) > MAX_OBJECTS:
            raise refused(400, "Max Input Length Exceeded")
        errors = [
            {"type": fault, "input_array": array, "index": index}
            for array, found in objects.items()
            for index, each in enumerate(found)
            if (fault := next(object_faults(array, each), None))
        ]
        words = tuple(f"{error['input_array']}[{error['index']}]: {error['type']}" for error in errors)
        if len(errors) == sum(map(len, objects.values())):
            return Judged(Reply(400, json={"message": NOTHING_VALID, "errors": errors}), words or (NOTHING_VALID,))
        counts = {f"{array}_processed": len(found) for array, found in objects.items() if found}
        return Judged(
            Reply(201, json={"message": "success", **counts, **({"errors": errors} if errors else {})}), words
        )


def refused(status: int, words: str) -> Refused:
    """A refusal of the whole request."""
    return Refused(words, Reply(status, json={"message": words}))


def merged(seen: Seen) -> Judged:
    """The answer of an endpoint that makes one user of two."""
    array, status = MERGES[seen.url]
    pairs = objects_of(seen, (array,))[array]
    if not 0 < len(pairs) <= MAX_MERGES:
        raise refused(400, f"{array}: 1 to {MAX_MERGES} are taken")
    for pair in pairs:
        found = pair if isinstance(pair, dict) else {}
        ends = [found.get("identifier_to_merge"), found.get("identifier_to_keep")] if status == 202 else [found]
        if not all(isinstance(end, dict) and is_text(end.get("external_id")) for end in ends):
            raise refused(400, f"{array}: no external_id")
        if status == 201 and not is_identifier("user_alias", found.get("user_alias")):
            raise refused(400, f"{array}: no user_alias")
    return Judged(Reply(status, json={"message": "success"}))


def deleted(seen: Seen) -> Judged:
    """The answer of the endpoint that deletes profiles."""
    found = objects_of(seen, DELETED)
    ids, aliases = found["external_ids"], found["user_aliases"]
    if not 0 < len(ids) + len(aliases) <= MAX_MERGES:
        raise refused(400, f"1 to {MAX_MERGES} profiles are taken")
    if not all(map(is_text, ids)) or not all(is_identifier("user_alias", alias) for alias in aliases):
        raise refused(400, "no external_id or user_alias")
    return Judged(Reply(200, json={"deleted": len(ids) + len(aliases), "message": "success"}))


def objects_of(seen: Seen, arrays: tuple[str, ...]) -> dict[str, list[Any]]:
    """The arrays of a body."""
    try:
        body = seen.json()
    except msgspec.DecodeError:
        raise refused(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise refused(400, "the body is not an object")
    unknown = sorted(body.keys() - {*arrays, "partner"})
    if unknown:
        raise refused(400, f"{unknown[0]} is not known here")
    if not all(isinstance(body.get(array, []), list) for array in arrays):
        raise refused(400, f"{', '.join(arrays)}: not an array")
    return {array: body.get(array, []) for array in arrays}


def object_faults(array: str, found: Any) -> Iterator[str]:
    """What is wrong with one object."""
    if not isinstance(found, dict):
        yield "not an object"
        return
    if not any(is_identifier(name, found[name]) for name in IDENTIFIERS if name in found):
        yield NO_IDENTIFIER
    if not isinstance(found.get("_update_existing_only", False), bool):
        yield "'_update_existing_only' is not valid"
    yield from {"attributes": attribute_faults, "events": event_faults, "purchases": purchase_faults}[array](found)


def is_identifier(name: str, value: Any) -> bool:
    """Whether it names a user."""
    if name == "user_alias":
        return isinstance(value, dict) and is_text(value.get("alias_name")) and is_text(value.get("alias_label"))
    return is_text(value)


def attribute_faults(found: Mapping[str, Any]) -> Iterator[str]:
    """An attributes object changes something, and profile fields have their form."""
    changed = found.keys() - {"external_id", "braze_id", "user_alias", "_update_existing_only"}
    if not changed:
        yield "no attribute is given"
    for name in changed:
        value = found[name]
        if not name:
            yield "an attribute has no name"
        if len(name) > MAX_TEXT or (isinstance(value, str) and len(value) > MAX_TEXT):
            yield f"'{name[:20]}' is too long"
        if name in PROFILE and value is not None and not PROFILE[name](value):
            yield f"'{name}' is not valid"


def event_faults(found: Mapping[str, Any]) -> Iterator[str]:
    """An event has a name and a time."""
    if not is_text(found.get("name"), MAX_TEXT):
        yield "'name' is required"
    yield from shared_faults(found)


def purchase_faults(found: Mapping[str, Any]) -> Iterator[str]:
    """A purchase has a product, a currency, a price and a time."""
    if not is_text(found.get("product_id"), MAX_TEXT):
        yield "'product_id' is required"
    if re.fullmatch("[A-Z]{3}", str(found.get("currency"))) is None:
        yield "'currency' is not valid"
    if not is_number(found.get("price")):
        yield "'price' is not valid"
    quantity = found.get("quantity", 1)
    if not is_whole(quantity) or not 1 <= quantity <= MAX_QUANTITY:
        yield "'quantity' is not valid"
    yield from shared_faults(found)


def shared_faults(found: Mapping[str, Any]) -> Iterator[str]:
    """What events and purchases have in common."""
    if not is_instant(found.get("time")):
        yield "'time' is required"
    if "app_id" in found and not is_text(found["app_id"]):
        yield "'app_id' is not valid"
    properties = found.get("properties", {})
    if not isinstance(properties, dict):
        yield "'properties' is not valid"
        return
    for name, value in properties.items():
        if name in ("time", "event_name"):
            yield f"'{name}' is reserved"
        if not name or len(name) > MAX_TEXT or name.startswith("$"):
            yield "a property's name is not valid"
        if isinstance(value, str) and len(value) > MAX_TEXT:
            yield f"the property '{name[:20]}' is too long"
