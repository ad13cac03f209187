"""Segment's traits and products in Braze's words. All pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from router.plugin import JSON, Event, Skip, as_number

RENAMED = {"firstName": "first_name", "lastName": "last_name", "avatar": "image_url"}
IDENTITY = frozenset({"external_id", "braze_id", "user_alias", "_update_existing_only"})
"""Traits of these names would make an object somebody else's."""

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


def identifier(event: Event) -> dict[str, JSON]:
    """Whose object it is: the userId, else the `braze_id` given in the call's `integrations`."""
    if event.user_id:
        return {"external_id": event.user_id}
    braze_id = text(event.options.get("braze_id"))
    if braze_id is None:
        raise Skip("no_user_id")
    return {"braze_id": braze_id}


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


def purchase(product: JSON, order: Mapping[str, JSON]) -> dict[str, JSON] | None:
    """One product of an order; None when it has no id or its price is no number."""
    if not isinstance(product, dict):
        return None
    product_id = next((found for key in ("product_id", "id", "sku") if (found := text(product.get(key)))), None)
    price = as_number(product.get("price"))
    if product_id is None or price is None:
        return None
    quantity = as_number(product.get("quantity"))
    currency = text(product.get("currency")) or text(order.get("currency")) or "USD"
    return {
        "product_id": product_id,
        "price": price,
        "quantity": int(quantity) if quantity is not None and quantity >= 1 else 1,
        "currency": currency.upper(),
    }


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
