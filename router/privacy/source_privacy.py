"""`[source.privacy]` at work: what is taken from a call before anything of it is stored. Pure.

Only the objects that lead to a path are opened, and each of them is written again: a key that a sender wrote twice is written
once, so no first value is left behind. All other values stay byte for byte as received.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

import msgspec

from router.config import Config, SourcePrivacyConfig
from router.config.mapping_paths import ABSENT, KeyPath
from router.config.privacy_rules import IDS, places_of
from router.event import Notes, coerce_id, decode_json
from router.plugin import JSON
from router.privacy.hashing import Hasher, hasher_of

Raw = msgspec.Raw
Take = Callable[[Raw, Notes], Raw | None]
"""(value as received, notes) -> value to be stored; None: there is none."""
Tree = dict[str, "Take | Tree"]

_CONTAINERS = frozenset({("context",), ("properties",), ("traits",), ("context", "traits")})
"""Paths that hold objects in every call that is right."""
_EMPTIED = {b'"': Raw(b'""'), b"[": Raw(b"[null]")}
"""What a text or a list is replaced by that stands there all the same. Both are judged as what they replace."""

_fields = msgspec.json.Decoder(dict[str, Raw])
_items = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.Encoder().encode


class SourcePrivacy:
    """What one source drops and hashes."""

    def __init__(self, rules: SourcePrivacyConfig, hasher: Hasher | None) -> None:
        """`rules`: a faultless table. `hasher`: None only where it hashes nothing."""
        tree: Tree = {}
        for text in rules.drop:
            for place in places_of(text):
                _enter(tree, place, _drop)
        for text in rules.hash:
            assert hasher is not None, "a source that hashes has a key"
            take: Take = partial(_hash_id, hasher) if text in IDS else partial(_hash, hasher, text)
            for place in places_of(text):
                _enter(tree, place, take)
        self._call = _compiled(tree)
        context = tree.get("context")
        self._context = _compiled(context, ("context",)) if isinstance(context, dict) else {}
        self._of_ip = self._context.get("ip")

    def call(self, body: bytes, notes: Notes) -> bytes:
        """A call without what is taken from it.

        Args:
            body: well-formed JSON, not nested too deep.
            notes: gets the objects that were dropped because they cannot be hashed.

        Raises: msgspec.ValidationError for what is not an object.
        """
        return _without(body, self._call, notes)

    def context(self, raw: Raw | None, notes: Notes) -> Raw | None:
        """The same of the context that the calls of a batch share."""
        return raw if raw is None or not self._context else Raw(_without(raw, self._context, notes))

    def ip(self, ip: str | None) -> str | None:
        """The address that a connection came from: it would become `context.ip`."""
        if ip is None or self._of_ip is None:
            return ip
        made = self._of_ip(Raw(_encode(ip)), [])
        return None if made is None else cast(str, msgspec.json.decode(made))


def privacy_of_sources(config: Config) -> dict[str, SourcePrivacy]:
    """Of each source that takes anything, by its name."""
    hasher = hasher_of(config.privacy)
    return {
        source.name: SourcePrivacy(source.privacy, hasher)
        for source in config.sources
        if source.privacy.drop or source.privacy.hash
    }


# ---------------------------------------------------------------- the tree of paths


def _enter(tree: Tree, path: KeyPath, take: Take) -> None:
    """Add a path. What is dropped already has nothing inside that could be taken."""
    for key in path[:-1]:
        inside = tree.setdefault(key, {})
        if not isinstance(inside, dict):
            return
        tree = inside
    if take is _drop or not callable(tree.get(path[-1])):
        tree[path[-1]] = take


def _compiled(tree: Tree, path: KeyPath = ()) -> dict[str, Take]:
    takes: dict[str, Take] = {}
    for key, what in tree.items():
        if isinstance(what, dict):
            inner = (*path, key)
            takes[key] = partial(_container if inner in _CONTAINERS else _inside, _compiled(what, inner))
        else:
            takes[key] = what
    return takes


def _without(raw: bytes | Raw, takes: dict[str, Take], notes: Notes) -> bytes:
    """An object without what is taken from it. Raises msgspec.ValidationError for anything else."""
    fields = _fields.decode(raw)
    for key, take in takes.items():
        value = fields.get(key)
        if value is None:
            continue
        made = take(value, notes)
        if made is None:
            del fields[key]
        else:
            fields[key] = made
    return _encode(fields)


# ---------------------------------------------------------------- what becomes of a value


def _container(takes: dict[str, Take], value: Raw, notes: Notes) -> Raw:
    """An object that has to be one. In anything else no path can be found, for example in JSON as text, so nothing of it stays."""
    first = bytes(memoryview(value)[:1])
    if first == b"{":
        return Raw(_without(value, takes, notes))
    if first in b"ntf" or bytes(value).translate(None, b" \t\r\n") == b"[]":
        return value
    return _EMPTIED.get(first, Raw(b"0"))


def _inside(takes: dict[str, Take], value: Raw, notes: Notes) -> Raw:
    """An object on the way to a path, or each object of a list."""
    first = bytes(memoryview(value)[:1])
    if first == b"{":
        return Raw(_without(value, takes, notes))
    if first == b"[":
        return Raw(_encode([_inside(takes, item, notes) for item in _items.decode(value)]))
    return value


def _drop(value: Raw, notes: Notes) -> None:
    return None


def _hash(hasher: Hasher, text: str, value: Raw, notes: Notes) -> Raw | None:
    """The hash of a value; `text` is its path. An object has none, so it is dropped, also out of a list."""
    decoded = decode_json(value)
    if _has_object(decoded):
        notes.append((text, "object_dropped"))
    made = hasher(decoded)
    return None if made is ABSENT else Raw(_encode(made))


def _has_object(value: JSON) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(map(_has_object, value)))


def _hash_id(hasher: Hasher, value: Raw, notes: Notes) -> Raw:
    """The hash of an id as the router reads it: 7 and " 7 " are one id, and two that differ in anything else stay two.

    What is no id is judged later, so its kind stays and nothing of what is in it.
    """
    decoded = decode_json(value)
    if isinstance(decoded, list | dict):
        return Raw(_encode(type(decoded)()))
    text = decoded.strip() if isinstance(decoded, str) else coerce_id(decoded)
    if not text:
        return Raw(b"null") if decoded is None else value
    return Raw(_encode(hasher.text(text)))
