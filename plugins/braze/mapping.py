"""Segment's traits and products in Braze's words. All pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from router.plugin import JSON, Event, Skip, as_number

RENAMED = {"firstName": "first_name", "lastName": "last_name", "avatar": "image_url"}
IDENTITY = frozenset({"external_id", "braze_id", "user_alias", "_update_existing_only"})
"""Traits of these names would make an object somebody else's."""

RESERVED_PROPERTIES = frozenset({"time", "event_name"})
OPERATORS = frozenset({"inc", "add", "remove", "$add", "$update", "$remove"})
PRODUCT_IDS = ("product_id", "id", "sku")

GENDERS = {
    **dict.fromkeys(("m", "male", "man"), "M"),
    **dict.fromkeys(("f", "female", "woman"), "F"),
    **dict.fromkeys(("o", "other"), "O"),
    **dict.fromkeys(("n", "not applicable"), "N"),
    **dict.fromkeys(("p", "prefer not to say"), "P"),
}
ISO_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII | re.IGNORECASE
)


def identifier(event: Event, alias_label: str = "") -> dict[str, JSON]:
    """Whose object it is: the userId, else the `braze_id` given in the call's `integrations`, else an alias.

    Args:
        alias_label: what an anonymousId is an alias of; empty: a call with no more than that is skipped.
    """
    if event.user_id:
        return {"external_id": event.user_id}
    braze_id = text(event.options.get("braze_id"))
    if braze_id is not None:
        return {"braze_id": braze_id}
    if alias_label and event.anonymous_id:
        return {"user_alias": alias(event.anonymous_id, alias_label)}
    raise Skip("no_user_id")


def alias(name: str, label: str) -> dict[str, JSON]:
    """A `user_alias`, as Braze spells it."""
    return {"alias_name": name, "alias_label": label}


def attributes(traits: Mapping[str, JSON]) -> dict[str, JSON]:
    """Traits in Braze's spelling; a trait without a field of its own is a custom attribute of the same name."""
    address = traits.get("address")
    unpacked = {"birthday", "gender", *RENAMED, *(("address",) if isinstance(address, dict) else ())}
    fields = {key: value for key, value in traits.items() if key not in unpacked | IDENTITY}
    fields.update({field: traits[trait] for trait, field in RENAMED.items() if trait in traits})
    address = address if isinstance(address, dict) else {}
    for field, given, key, read in (
        ("dob", traits, "birthday", birth_date),
        ("gender", traits, "gender", gender),
        ("home_city", address, "city", text),
        ("country", address, "country", text),
    ):
        if key in given:
            found = read(given[key])
            if found is not None or given[key] is None:
                fields[field] = found
    return fields


def may_repeat(fields: Mapping[str, JSON]) -> bool:
    """Whether sending these attributes twice is more than sending them once: some value is an operator such as `inc`."""
    return any(isinstance(value, dict) and not OPERATORS.isdisjoint(value) for value in fields.values())


def purchase(product: JSON, order: Mapping[str, JSON], with_properties: bool = False) -> dict[str, JSON] | None:
    """One product of an order; None when it has no id, its price is no number, or none of it was bought."""
    if not isinstance(product, dict):
        return None
    named = next(((key, found) for key in PRODUCT_IDS if (found := text(product.get(key)))), None)
    price, quantity = as_number(product.get("price")), as_number(product.get("quantity"))
    if named is None or price is None or (quantity is not None and quantity < 1):
        return None
    currency = text(product.get("currency")) or text(order.get("currency")) or "USD"
    bought: dict[str, JSON] = {
        "product_id": named[1],
        "price": price,
        "quantity": 1 if quantity is None else int(quantity),
        "currency": currency.upper(),
    }
    if with_properties:
        known = {named[0], "price", "quantity", "currency"} | RESERVED_PROPERTIES
        if rest := {key: value for key, value in product.items() if key not in known}:
            bought["properties"] = rest
    return bought


def digest(value: JSON) -> str | None:
    """A short stand-in for a value, by which it is known again; None for what is nested too deep to be written."""
    try:
        written = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return None
    return hashlib.blake2b(written.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


# ---------------------------------------------------------------- values


def birth_date(given: JSON) -> str | None:
    """The UTC date of an ISO date or date-time; None for everything else."""
    if not isinstance(given, str) or not ISO_DATE.fullmatch(given.strip()):
        return None
    try:
        at = datetime.fromisoformat(given.strip().upper())
        return (at.astimezone(UTC) if at.tzinfo else at).date().isoformat()
    except (ValueError, OverflowError):
        return None


def gender(given: JSON) -> str | None:
    """One of Braze's letters, from the words people send; None for everything else."""
    return GENDERS.get(given.strip().lower()) if isinstance(given, str) else None


def text(given: JSON) -> str | None:
    """Trimmed text, also from a number; None for everything else and for blank text."""
    if not isinstance(given, str):
        found = as_number(given)
        given = "" if found is None else str(int(found) if found == int(found) else found)
    return given.strip() or None


def instant(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
