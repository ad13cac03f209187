"""The forms in which Braze takes values: it refuses a whole object for one that has another. All pure.

Source: https://www.braze.com/docs/api/objects_filters/user_attributes_object/ and .../event_object/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from router.plugin import JSON, as_number, as_text

MAX_TEXT = 255
"""Characters of a text, of the name of an event, an attribute or a property, and of a product's id."""

GENDERS = {
    **dict.fromkeys(("m", "male", "man"), "M"),
    **dict.fromkeys(("f", "female", "woman"), "F"),
    **dict.fromkeys(("o", "other"), "O"),
    **dict.fromkeys(("n", "not applicable"), "N"),
    **dict.fromkeys(("p", "prefer not to say"), "P"),
}
SUBSCRIPTIONS = ("opted_in", "subscribed", "unsubscribed")
ISO_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII | re.IGNORECASE
)

Read = Callable[[JSON], JSON]
"""What Braze takes in place of a value; None where there is nothing."""


def cut(given: str) -> str:
    """Text as it is, or as much of it as Braze takes."""
    return given if len(given) <= MAX_TEXT else given.strip()[:MAX_TEXT]


def words(given: JSON) -> str | None:
    """Text as it is, cut; also from a number."""
    found = given if isinstance(given, str) else as_text(given)
    return None if found is None else cut(found)


def whole(given: JSON) -> str | None:
    """Text as it is, also from a number; None for one that is too long: half an address leads elsewhere."""
    found = given if isinstance(given, str) else as_text(given)
    return None if found is None or len(found) > MAX_TEXT else found


def birth_date(given: JSON) -> str | None:
    """The UTC date of an ISO date or date-time; None for everything else."""
    at = moment(given)
    try:
        return (at.astimezone(UTC) if at.tzinfo else at).date().isoformat() if at else None
    except OverflowError:
        return None


def dated(given: JSON) -> str | None:
    """An ISO date or date-time as an instant, in UTC where no zone is said; None for everything else."""
    at = moment(given)
    return None if at is None else (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()


def moment(given: JSON) -> datetime | None:
    """An ISO date or date-time, read."""
    if not isinstance(given, str) or not ISO_DATE.fullmatch(given.strip()):
        return None
    try:
        return datetime.fromisoformat(given.strip().upper())
    except ValueError:
        return None


def gender(given: JSON) -> str | None:
    """One of Braze's letters, from the words people send; None for everything else."""
    return GENDERS.get(given.strip().lower()) if isinstance(given, str) else None


def subscription(given: JSON) -> str | None:
    """One of the three states of a subscription."""
    return given if isinstance(given, str) and given in SUBSCRIPTIONS else None


def flag(given: JSON) -> bool | None:
    """A real boolean."""
    return given if isinstance(given, bool) else None


def place(given: JSON) -> JSON:
    """An object with a longitude and a latitude that are numbers."""
    known = isinstance(given, dict) and all(
        not isinstance(given.get(axis), str) and as_number(given.get(axis)) is not None
        for axis in ("longitude", "latitude")
    )
    return given if known else None


def objects(*keys: str) -> Read:
    """A list of objects that have a text under each of these keys."""

    def read(given: JSON) -> JSON:
        known = isinstance(given, list) and all(
            isinstance(each, dict) and all(isinstance(each.get(key), str) and each[key].strip() for key in keys)
            for each in given
        )
        return given if known else None

    return read


def dictionary(given: JSON) -> JSON:
    """An object."""
    return given if isinstance(given, dict) else None


PROFILE: Mapping[str, Read] = {
    **dict.fromkeys(("first_name", "last_name", "home_city"), words),
    **dict.fromkeys(("email", "phone", "country", "language", "time_zone", "image_url"), whole),
    "dob": birth_date,
    "gender": gender,
    **dict.fromkeys(("email_subscribe", "push_subscribe"), subscription),
    **dict.fromkeys(("email_open_tracking_disabled", "email_click_tracking_disabled"), flag),
    **dict.fromkeys(("push_token_import", "_merge_objects"), flag),
    **dict.fromkeys(("date_of_first_session", "date_of_last_session", "marked_email_as_spam_at"), dated),
    "current_location": place,
    "subscription_groups": objects("subscription_group_id", "subscription_state"),
    "push_tokens": objects("app_id", "token"),
    **dict.fromkeys(("facebook", "twitter"), dictionary),
}
"""Fields of a profile (and the keys that steer an object) that have one form only. Null removes each."""
