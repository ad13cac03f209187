"""Segment's traits and properties in Freshsuccess' words: user fields, account fields, custom dimensions. All pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

from router.plugin import JSON, Reject, as_instant, as_number, as_text

MAX_TEXT = 255
MAX_DESCRIPTION = 512

USER_FIELDS = {
    **{
        name: name
        for name in (
            "first_name",
            "last_name",
            "email",
            "phone",
            "mobile_phone",
            "salutation",
            "title",
            "role",
            "department",
            "mailing_street",
            "mailing_city",
            "mailing_state",
            "mailing_country",
        )
    },
    "mailing_postal": "mailing_postal_code",
}
"""Trait to field of a product user."""

ACCOUNT_FIELDS = {
    **{
        name: name
        for name in (
            "name",
            "description",
            "phone",
            "website",
            "industry",
            "tier",
            "billing_street",
            "billing_city",
            "billing_state",
            "billing_country",
        )
    },
    "biling_city": "billing_city",  # the vendor's own spelling in its Segment guide
    "billing_postal": "billing_postal_code",
    "lifecycle_stage": "current_stage",
}
"""Group trait to text field of an account."""

ADDRESS = {"street": "street", "city": "city", "state": "state", "country": "country", "postalCode": "postal"}
"""Part of Segment's `address` to the end of the trait it stands in for."""

ISO_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII | re.IGNORECASE
)
BOOLEANS = {**dict.fromkeys(("true", "yes", "y", "1"), True), **dict.fromkeys(("false", "no", "n", "0"), False)}
THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[, \u00a0\u202f']\d{3})+(?:\.\d+)?", re.ASCII)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Dimensions = Literal["auto", "off"] | Sequence[str]


def camel(name: str) -> str:
    """`first_name` as `firstName`."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


OWN_FIELDS = frozenset(
    spelled for name in (*ACCOUNT_FIELDS, "created_at", "employees", "is_churned") for spelled in (name, camel(name))
)
"""Group traits that have a field of their own, in both spellings."""


# ---------------------------------------------------------------- records


def user_fields(traits: Mapping[str, JSON]) -> dict[str, JSON]:
    """The fields of a product user; traits that have none are dropped, the vendor takes no others."""
    fields = text_fields(traits, USER_FIELDS, "mailing")
    if "first_name" not in fields and "last_name" not in fields:
        first, _, last = (as_text(traits.get("name")) or "").partition(" ")
        fields.update({field: part for field, part in (("first_name", first), ("last_name", last.strip())) if part})
    return {field: found[:MAX_TEXT] for field, found in fields.items()}


def account_fields(traits: Mapping[str, JSON], dimensions: Dimensions, unreadable: list[str]) -> dict[str, JSON]:
    """The fields of an account, with all other traits as custom dimensions.

    Args:
        unreadable: gets the traits with a value that the field cannot take.
    """
    texts = text_fields(traits, ACCOUNT_FIELDS, "billing")
    fields: dict[str, JSON] = {
        field: found[: MAX_DESCRIPTION if field == "description" else MAX_TEXT] for field, found in texts.items()
    }
    for field, trait, read in TYPED_FIELDS:
        given = [value for name in dict.fromkeys((trait, camel(trait))) if (value := traits.get(name)) is not None]
        found = next((found for value in given if (found := read(value)) is not None), None)
        if found is not None:
            fields[field] = found
        elif any(not isinstance(value, str) or value.strip() for value in given):
            unreadable.append(trait)
    if dimensions == "auto":
        taken = OWN_FIELDS | {"address"} if isinstance(traits.get("address"), dict) else OWN_FIELDS
        rest = {name: value for name, value in traits.items() if name not in taken}
        return {**fields, **custom_dimensions(flatten(rest))}
    return {**fields, **listed_dimensions(traits, dimensions)}


def text_fields(traits: Mapping[str, JSON], names: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Text for each field: the snake_case trait wins, then its camelCase form, then what `address` says."""
    address = traits.get("address")
    address = address if isinstance(address, dict) else {}
    stand_in = {f"{prefix}_{end}": part for part, end in ADDRESS.items()}
    fields: dict[str, str] = {}
    for name, field in names.items():
        found = as_text(traits.get(name)) or as_text(traits.get(camel(name)))
        if found and field not in fields:
            fields[field] = found
    for name, part in stand_in.items():
        found = as_text(address.get(part)) or (as_text(address.get("postal_code")) if part == "postalCode" else None)
        if found:
            fields.setdefault(names[name], found)
    return fields


# ---------------------------------------------------------------- dimensions


def listed_dimensions(traits: Mapping[str, JSON], paths: Dimensions) -> dict[str, JSON]:
    """The custom dimensions among these trait paths, such as `plan` or `billing.currency`; a path takes all below it."""
    if isinstance(paths, str):
        return {}
    inside = tuple(f"{path}." for path in paths)
    return custom_dimensions(
        (path, value) for path, value in flatten(traits) if path in paths or path.startswith(inside)
    )


def custom_dimensions(values: Iterator[tuple[str, JSON]]) -> dict[str, JSON]:
    """Text as labels, numbers as values, dates as events; lists, null and blank text have no dimension, nor has what has
    no name."""
    found: dict[str, list[JSON]] = {
        "custom_label_dimensions": [],
        "custom_value_dimensions": [],
        "custom_event_dimensions": [],
    }
    for key, value in values:
        if not key.strip():
            continue
        if isinstance(value, bool):
            found["custom_label_dimensions"].append({"key": key, "value": "true" if value else "false"})
        elif isinstance(value, int | float):
            if as_number(value) is not None:
                found["custom_value_dimensions"].append({"key": key, "value": value})
        elif (at := epoch_ms(value)) is not None:
            found["custom_event_dimensions"].append({"key": key, "value": at})
        elif (label := as_text(value)) is not None:
            found["custom_label_dimensions"].append({"key": key, "value": label[:MAX_TEXT]})
    return {name: dimensions for name, dimensions in found.items() if dimensions}


def flatten(traits: Mapping[str, JSON]) -> Iterator[tuple[str, JSON]]:
    """Every value that is no object, under its dotted path, in order. A loop: traits may be nested very deep."""
    pending = list(traits.items())[::-1]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            pending.extend((f"{path}.{name}", inner) for name, inner in list(value.items())[::-1])
        else:
            yield path, value


# ---------------------------------------------------------------- values


def feature_name(name: str | None) -> str:
    """The name as the vendor gets it."""
    clean = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", name or "").strip()[:MAX_TEXT]
    if not clean:
        raise Reject("invalid_event_name", "the name is blank")
    return clean


def words(given: JSON) -> str | None:
    """Text that is not blank, cut; None for everything else."""
    return given.strip()[:MAX_TEXT] or None if isinstance(given, str) else None


def boolean(given: JSON) -> bool | None:
    """A real boolean, also from words such as yes, and from 1 and 0; the vendor would misread anything else."""
    if isinstance(given, bool):
        return given
    return BOOLEANS.get(given.strip().lower() if isinstance(given, str) else as_text(given) or "")


def amount(given: JSON) -> int | float | None:
    """A number, also from text with commas or blanks between thousands: `1,200`."""
    if isinstance(given, str) and THOUSANDS.fullmatch(given.strip()):
        given = re.sub(r"[^0-9.+-]", "", given)
    return as_number(given)


def instant_ms(given: JSON) -> int | None:
    """Milliseconds since 1970 of an instant in any form; None for what is none."""
    at = as_instant(given)
    return None if at is None else to_ms(at)


def epoch_ms(given: JSON) -> int | None:
    """Milliseconds since 1970 of an ISO date (midnight UTC) or date-time (UTC without a zone); None for everything else."""
    if not isinstance(given, str) or not ISO_DATE.fullmatch(given.strip()):
        return None
    try:
        at = datetime.fromisoformat(given.strip().upper())
        return to_ms(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def to_ms(at: datetime) -> int:
    """An instant in milliseconds since 1970, the only form the vendor reads."""
    return (at - EPOCH) // timedelta(milliseconds=1)


TYPED_FIELDS: tuple[tuple[str, str, Callable[[JSON], JSON]], ...] = (
    ("join_date", "created_at", instant_ms),
    ("employees", "employees", amount),
    ("is_churned", "is_churned", boolean),
)
"""Field of an account that is no text, its trait, and how that is read."""
