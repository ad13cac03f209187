"""One call of a body: what is looked at of it, what it lacks, and what is told of one that cannot be used. Pure.

Used by `parse`. A call is never decoded in full here, unless it has an unusual form: its JSON is skipped over, a few fields are looked at.
"""

from __future__ import annotations

from types import NoneType
from typing import Any

import msgspec

from router.consent import UPDATED, fault_of
from router.errors import InvalidCall
from router.event import HAS_PROPERTIES, HAS_TRAITS, TYPES, Discard, Notes, coerce_id, decode_json
from router.ingest.json_checks import is_too_deep, too_deep
from router.ingest.limits import MAX_ID, MAX_ITEM_BYTES, MAX_MESSAGE_ID
from router.plugin import JSON, excerpt
from router.privacy import SourcePrivacy

Raw = msgspec.Raw


class _Object(msgspec.Struct, gc=False):
    """Says that a field is an object, and nothing of what is in it."""


class Item(msgspec.Struct, rename="camel", gc=False):
    """A call in its usual form. Where one of these has another type, `read_loosely` takes over."""

    type: str | None = None
    message_id: str | None = None
    user_id: str | None = None
    anonymous_id: str | None = None
    group_id: str | None = None
    previous_id: str | None = None
    event: str | None = None
    properties: _Object | None = None
    traits: _Object | None = None
    write_key: str | None = None


item_decoder = msgspec.json.Decoder(Item)
"""Of a call in its usual form. It raises ValidationError for any other."""
_fields = msgspec.json.Decoder(dict[str, Raw])


def read_usual(body: bytes) -> Item | None:
    """The call in its usual form; None for a well-formed JSON object in any other."""
    try:
        return item_decoder.decode(body)
    except msgspec.ValidationError:
        # It stopped reading at the odd field: what follows may be no JSON at all.
        _fields.decode(body)
        return None


def usual_call(body: bytes) -> Item | None:
    """What is looked at of a call that a batch may have as it is, in one pass; None for one that has an unusual form or is discarded. The
    answer of `parse_batch` to what it lets through is the same."""
    try:
        if not body.isascii():
            body.decode()
        if len(body) > MAX_ITEM_BYTES or is_too_deep(body):
            return None
        item = item_decoder.decode(body)
        user_key_of(_known_type(item.type, TYPES), item)
        message_id_of(item)
    except (UnicodeDecodeError, RecursionError, msgspec.DecodeError, InvalidCall):
        return None
    return None if item.event == UPDATED else item


def read_item(
    body: bytes, types: frozenset[str], notes: Notes, privacy: SourcePrivacy | None
) -> tuple[bytes, str, Item]:
    """One item of a batch without its write key and without what is taken from it, and its type. Raises InvalidCall."""
    if len(body) > MAX_ITEM_BYTES:
        raise InvalidCall("item_too_large", f"the call has {len(body)} bytes, the limit is {MAX_ITEM_BYTES}")
    if is_too_deep(body):  # before anything that recurses over it
        raise too_deep("too_deep")
    if privacy is not None:
        try:
            body = privacy.call(body, notes)
        except msgspec.ValidationError:
            raise InvalidCall("not_an_object", "the call is not an object") from None
    try:
        item = item_decoder.decode(body)
    except msgspec.ValidationError:
        body, _ = without_key(body)
        item = read_loosely(body, notes, types=types)
    else:
        if item.write_key:
            body, _ = without_key(body)
    return body, _known_type(item.type, types), item


def _known_type(type: JSON, types: frozenset[str]) -> str:
    if isinstance(type, str) and type in types:
        return type
    if type is None or type == "":
        raise InvalidCall("type_required", "the call has no type")
    raise InvalidCall("unknown_type", f"there is no such type of call: {str(type)[:40]}")


def user_key_of(type: str, item: Item) -> str:
    """The user key of a call that has all its type needs. Raises InvalidCall with the code of what is missing."""
    _check_ids(item)
    group_id = item.group_id and item.group_id.strip()
    if type == "track":
        if not item.event:
            raise InvalidCall("event_not_defined", "a track call needs event")
    elif type == "group" and not group_id:
        raise InvalidCall("group_id_required", "a group call needs groupId")
    elif type == "alias" and not (item.previous_id and item.previous_id.strip()):
        raise InvalidCall("previous_id_required", "an alias call needs previousId")
    if item.user_id and (user_id := item.user_id.strip()):
        return "u:" + user_id
    if item.anonymous_id and (anonymous_id := item.anonymous_id.strip()):
        return "a:" + anonymous_id
    if type == "group":
        return f"g:{group_id}"
    raise InvalidCall("id_required", "the call needs userId or anonymousId")


def _check_ids(item: Item) -> None:
    for id in (item.user_id, item.anonymous_id, item.group_id, item.previous_id):
        if not id:
            continue
        if len(id) > MAX_ID:
            raise InvalidCall("id_too_long", f"an id of a user or a group is longer than {MAX_ID} characters")
        if "\x00" in id:  # the JSON functions of SQLite end a text there: it would be somebody else's id
            raise InvalidCall("invalid_id", "an id of a user or a group holds a NUL character")


def check_preferences(type: str, body: bytes, shared: Raw | None) -> None:
    """The event that tells of changed preferences must carry them. `shared`: the context of its batch. Raises InvalidCall."""
    if type != "track":
        return
    call = decode_json(body)
    own = call.get("context") if isinstance(call, dict) else None
    context = {**(decode_json(shared) if shared is not None else {}), **(own if isinstance(own, dict) else {})}
    if fault := fault_of(context):
        raise InvalidCall("consent_invalid", f'{fault}; "{UPDATED}" must carry the preferences of its user')


def message_id_of(item: Item) -> str | None:
    """The trimmed message id; nothing where there is none. Raises InvalidCall."""
    message_id = item.message_id and item.message_id.strip()
    if message_id and len(message_id) > MAX_MESSAGE_ID:
        raise InvalidCall("message_id_too_long", f"messageId is longer than {MAX_MESSAGE_ID} characters")
    return message_id


def read_loosely(body: bytes, notes: Notes, path_type: str | None = None, types: frozenset[str] = TYPES) -> Item:
    """Read a call in which a field is not of its usual type: ids may be numbers, an empty list of PHP is an empty object, what
    does not matter may be anything. Raises InvalidCall for what cannot be let pass."""
    call = decode_json(body)
    if not isinstance(call, dict):
        raise InvalidCall("not_an_object", "the call is not an object")
    type = path_type or _known_type(call.get("type"), types)
    item = Item(
        type=type,
        message_id=coerce_id(call.get("messageId")),
        user_id=coerce_id(call.get("userId")),
        anonymous_id=coerce_id(call.get("anonymousId")),
        group_id=coerce_id(call.get("groupId")),
        previous_id=coerce_id(call.get("previousId")),
    )
    _refuse_odd_ids(call, type, item)
    notes += [(key, "not_an_id") for key in _IDS if isinstance(call.get(key), (bool, list, dict))]
    if type == "track":
        if not isinstance(call.get("event"), (str, NoneType)):
            raise InvalidCall("event_not_string", "event must be a string")
        item.event = call.get("event")
    for key, having in (("traits", HAS_TRAITS), ("properties", HAS_PROPERTIES)):
        if type not in having or isinstance(call.get(key), (dict, NoneType)):
            continue
        if call[key] != []:
            raise InvalidCall(f"{key}_not_object", f"{key} must be an object")
        notes.append((key, "empty_list"))
    return item


_IDS = ("messageId", "userId", "anonymousId", "groupId", "previousId")


def _refuse_odd_ids(call: dict[str, Any], type: str, item: Item) -> None:
    """An id that is a list, an object or a boolean is fatal only where no other id can stand in for it."""
    wanted = [key for key, of in (("groupId", "group"), ("previousId", "alias")) if of == type]
    if not (item.user_id or item.anonymous_id or (type == "group" and item.group_id)):
        wanted += ["userId", "anonymousId"]
    for key in wanted:
        if isinstance(call.get(key), (bool, list, dict)):
            raise InvalidCall("id_not_string", f"{key} must be a string")


def without_key(body: bytes) -> tuple[bytes, str]:
    """The call without its writeKey, and that key. All other values stay byte for byte as received."""
    try:
        fields = _fields.decode(body)
    except msgspec.ValidationError:  # not an object
        return body, ""
    key = fields.pop("writeKey", None)
    return (body, "") if key is None else (msgspec.json.encode(fields), text_of(key))


def discard_of(
    source: str, at: int, refusal: InvalidCall, body: bytes, privacy: SourcePrivacy | None, path_type: str | None = None
) -> Discard:
    """What is told of a call that cannot be used.

    Args:
        body: as it was received.
        privacy: what its source takes from each call. Where it takes anything there is no excerpt of what is not an object.
        path_type: of a single call, the type of its path.
    """
    discard = Discard(source, at, refusal.code, str(refusal), type=path_type or "")
    try:
        if privacy is not None:
            body = privacy.call(body, [])
        body, _ = without_key(body)
        call = decode_json(body)
    except (RecursionError, msgspec.ValidationError):  # nested too deep to find out more, or not an object
        return discard
    if isinstance(call, dict):
        discard.message_id = (coerce_id(call.get("messageId")) or "")[:MAX_MESSAGE_ID]
        if not path_type and isinstance(call.get("type"), str):
            discard.type = call["type"][:40]
    discard.excerpt = excerpt(body)
    return discard


def text_of(raw: Raw) -> str:
    """The string this is; "" for anything else."""
    return str(decode_json(raw)) if bytes(raw).startswith(b'"') else ""
