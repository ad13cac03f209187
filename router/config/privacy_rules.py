"""The paths of `[source.privacy]`: where in a call each of them leads, and the faults of a table. Pure.

A path is `context`, `properties` or `traits` and the keys below it, with dots between; or the name of an id.
"""

from __future__ import annotations

from collections.abc import Iterator

from router.config.mapping_paths import KeyPath, overlap, within
from router.config.model import SourcePrivacyConfig

ROOTS = ("context", "properties", "traits")
"""What a path may begin with."""

IDS: dict[str, tuple[KeyPath, ...]] = {
    "userId": (("userId",), ("previousId",), ("traits", "userId"), ("context", "traits", "userId")),
    "anonymousId": (("anonymousId",), ("previousId",), ("traits", "anonymousId"), ("context", "traits", "anonymousId")),
    "groupId": (("groupId",), ("context", "groupId")),
    "messageId": (("messageId",),),
}
"""The ids that may be hashed, and where each is found. The previousId of an alias is a userId or an anonymousId; mobile libraries
repeat both ids among the traits."""

OBJECTS = frozenset(
    {"traits.address", "traits.company", "properties.products"}
    | {f"context.{key}" for key in ("app", "campaign", "device", "externalIds", "library", "location", "network")}
    | {f"context.{key}" for key in ("os", "page", "referrer", "screen", "traits")}
)
"""Paths that lead to objects by Segment's specification."""

_CONSENT = ("consent", "consentManagement")


def places_of(text: str) -> tuple[KeyPath, ...]:
    """Where in a call a faultless path leads. A user's traits may be in the context too."""
    if text in IDS:
        return IDS[text]
    keys = tuple(text.split("."))
    return (keys, ("context", *keys)) if keys[0] == "traits" else (keys,)


def privacy_problems(privacy: SourcePrivacyConfig) -> list[str]:
    """Every fault of a table, each with the key below `privacy`, reason and remedy."""
    faults = [*_single(privacy)]
    if not faults:  # paths can be held against each other only where each is one
        faults = [*_taken_twice(privacy)]
    return [f"{key}[{getattr(privacy, key).index(text)}] ({text}): {words}" for key, text, words in faults]


def _single(privacy: SourcePrivacyConfig) -> Iterator[tuple[str, str, str]]:
    for key in ("drop", "hash"):
        for text in getattr(privacy, key):
            if words := _no_path(text) or (_not_dropped(text) if key == "drop" else _not_hashed(text)):
                yield key, text, words


def _no_path(text: str) -> str:
    """Why a text is no path; "" if it is one."""
    root, _, rest = text.partition(".")
    if text in IDS:
        return ""
    if root in IDS:
        return f'an id has nothing inside; write "{root}"'
    if text == "previousId":
        return "it is hashed together with userId and anonymousId; name one of these instead"
    if root in ("user", "group"):
        return f'at a source, traits of users and groups begin with "traits."; write "traits.{rest or "email"}"'
    if root not in ROOTS:
        return 'not a path; begin it with "context.", "properties." or "traits.", or name an id, e.g. "userId"'
    if not rest:
        return f'names no key; write the whole path, e.g. "{root}.email"'
    if "" in rest.split("."):
        return "a key between two dots is empty; keys with dots in them cannot be named"
    if text == "context.groupId":
        return 'it is an id, and hashed together with groupId; write hash = ["groupId"]'
    if rest.split(".")[0] in _CONSENT and root == "context":
        return "it says what the user agreed to, which destinations ask for; leave it out"
    return ""


def _not_dropped(text: str) -> str:
    if text in IDS:
        return f'order, duplicates and groups depend on ids, so none is dropped; write hash = ["{text}"]'
    return ""


def _not_hashed(text: str) -> str:
    if text in OBJECTS:
        return (
            f'it is an object, and only single values are hashed; name what is inside, e.g. "{text}.name", or drop it'
        )
    return ""


def _taken_twice(privacy: SourcePrivacyConfig) -> Iterator[tuple[str, str, str]]:
    """Hashes of what is dropped or hashed already."""
    dropped = [(place, text) for text in privacy.drop for place in places_of(text)]
    for at, text in enumerate(privacy.hash):
        covers = [next((other for gone, other in dropped if within(place, gone)), "") for place in places_of(text)]
        if all(covers):
            yield "hash", text, f'"{covers[0]}" is dropped, so there is nothing left to hash; leave one of them out'
        for gone, other in dropped:
            if any(within(gone, place) for place in places_of(text)) and gone not in places_of(text):
                yield "hash", text, f'"{other}" is inside it, and an object is not hashed; name what is inside'
        for other in privacy.hash[:at]:
            if text not in IDS and any(overlap(*pair) for pair in zip(places_of(text), places_of(other), strict=False)):
                yield "hash", text, f'overlaps with "{other}", which is hashed too; leave one of them out'
