"""Segment's traits, properties and products in Braze's words. All pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping

from plugins.braze.forms import MAX_TEXT, PROFILE, birth_date, cut, gender
from router.plugin import JSON, Event, Skip, as_number, as_text

RENAMED = {"firstName": "first_name", "lastName": "last_name", "avatar": "image_url"}
IDENTITY = frozenset({"external_id", "braze_id", "user_alias", "_update_existing_only"})
"""Traits of these names would make an object somebody else's."""

NOT_AS_THEY_ARE = IDENTITY | {"birthday", "gender", *RENAMED}

RESERVED_PROPERTIES = frozenset({"time", "event_name"})
OPERATORS = frozenset({"inc", "add", "remove", "$add", "$update", "$remove"})
PRODUCT_IDS = ("product_id", "id", "sku")
CURRENCY = re.compile("[A-Z]{3}")
MAX_QUANTITY = 100
MAX_PARTS = 75
"""Purchases that one product may become: a full request."""


def identifier(event: Event, alias_label: str = "") -> dict[str, JSON]:
    """Whose object it is: the userId, else the `braze_id` given in the call's `integrations`, else an alias.

    Args:
        alias_label: what an anonymousId is an alias of; empty: a call with no more than that is skipped.
    """
    if event.user_id:
        return {"external_id": event.user_id}
    braze_id = as_text(event.options.get("braze_id"))
    if braze_id is not None:
        return {"braze_id": braze_id}
    if alias_label and event.anonymous_id:
        return {"user_alias": alias(event.anonymous_id, alias_label)}
    raise Skip("no_user_id")


def alias(name: str, label: str) -> dict[str, JSON]:
    """A `user_alias`, as Braze spells it."""
    return {"alias_name": name, "alias_label": label}


def attributes(traits: Mapping[str, JSON], left_out: list[str]) -> dict[str, JSON]:
    """Traits in Braze's spelling; a trait without a field of its own is a custom attribute of the same name.

    Args:
        left_out: gets the names of traits that Braze would refuse the whole object for.
    """
    address = traits.get("address")
    fields: dict[str, JSON] = {}
    for name, value in traits.items():
        if name not in NOT_AS_THEY_ARE and not (name == "address" and isinstance(value, dict)):
            _set(fields, name, value, left_out)
    for trait, field in RENAMED.items():
        if trait in traits:
            _set(fields, field, traits[trait], left_out)
    for trait, field, read in (("birthday", "dob", birth_date), ("gender", "gender", gender)):
        if trait in traits:
            found = read(traits[trait])
            if found is not None or traits[trait] is None:
                fields[field] = found
    address = address if isinstance(address, dict) else {}
    for key, field in (("city", "home_city"), ("country", "country")):
        given = address.get(key, "")
        given = given.strip() if isinstance(given, str) else given
        if given != "":
            _set(fields, field, given, left_out)
    return fields


def _set(fields: dict[str, JSON], field: str, value: JSON, left_out: list[str]) -> None:
    """One attribute, in the form that Braze takes."""
    read = PROFILE.get(field)
    taken = value if read is None or value is None else read(value)
    if (taken is None and value is not None) or not 0 < len(field) <= MAX_TEXT:
        left_out.append(field)
    else:
        fields[field] = cut(taken) if isinstance(taken, str) and len(taken) > MAX_TEXT else taken


def properties(given: Mapping[str, JSON], left_out: list[str]) -> dict[str, JSON]:
    """The properties of an event or a purchase, without those that Braze reserves.

    Args:
        left_out: gets the names that Braze would refuse the whole object for.
    """
    kept: dict[str, JSON] = {}
    for name, value in given.items():
        if name in RESERVED_PROPERTIES:
            continue
        if not 0 < len(name) <= MAX_TEXT or name[0] == "$":
            left_out.append(name)
        else:
            kept[name] = cut(value) if isinstance(value, str) and len(value) > MAX_TEXT else value
    return kept


def may_repeat(fields: Mapping[str, JSON]) -> bool:
    """Whether sending these attributes twice is more than sending them once: some value is an operator such as `inc`."""
    return any(isinstance(value, dict) and not OPERATORS.isdisjoint(value) for value in fields.values())


def purchases(
    product: JSON, order: Mapping[str, JSON], left_out: list[str], with_properties: bool = False
) -> list[dict[str, JSON]]:
    """The purchases for one product of an order. A quantity above the limit of one purchase becomes several.

    Empty when it has no id, its price is no number or its currency none, when none of it was bought or unbelievably many.

    Args:
        left_out: gets the names of properties that Braze would refuse the whole object for.
    """
    if not isinstance(product, dict):
        return []
    ids = ((key, as_text(product.get(key))) for key in PRODUCT_IDS)
    named = next(((key, found) for key, found in ids if found and len(found) <= MAX_TEXT), None)
    price, quantity = as_number(product.get("price")), as_number(product.get("quantity"))
    currency = (as_text(product.get("currency")) or as_text(order.get("currency")) or "USD").upper()
    bought = 1 if quantity is None else int(quantity)
    if named is None or price is None or not CURRENCY.fullmatch(currency):
        return []
    if not 0 < bought <= MAX_QUANTITY * MAX_PARTS:
        return []
    known: dict[str, JSON] = {"product_id": named[1], "price": price, "currency": currency}
    if with_properties:
        taken = {named[0], "price", "quantity", "currency"}
        if rest := properties({key: value for key, value in product.items() if key not in taken}, left_out):
            known["properties"] = rest
    parts = [MAX_QUANTITY] * (bought // MAX_QUANTITY) + [bought % MAX_QUANTITY]
    return [{**known, "quantity": part} for part in parts if part]


def digest(value: JSON) -> str | None:
    """A short stand-in for a value, by which it is known again; None for what is nested too deep to be written."""
    try:
        written = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return None
    return hashlib.blake2b(written.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
