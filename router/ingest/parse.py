"""From the bytes of a request body to calls and discards. Pure: no clock, no store, no configuration.

Two steps, because the source is known only in between: `parse_single` and `parse_batch` read as much as authentication
needs and refuse bodies that cannot be read at all; `calls` of what they return then judges call by call. A call is never
decoded in full here: its JSON is skipped over, a few fields are looked at, and the bytes are kept as received.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from types import NoneType
from typing import Any, Protocol

import msgspec

from router.consent import UPDATED, fault_of
from router.errors import InvalidCall, TooLarge
from router.event import (
    HAS_PROPERTIES,
    HAS_TRAITS,
    LONGEST_INSTANT,
    TYPES,
    Call,
    Discard,
    Envelope,
    Notes,
    coerce_id,
    decode_json,
)
from router.ingest.json_checks import is_too_deep, read_json, too_deep
from router.ingest.json_items import LongList, count_items, items_of, may_be_long
from router.ingest.limits import (
    MAX_BATCH_ITEMS,
    MAX_ID,
    MAX_ITEM_BYTES,
    MAX_MESSAGE_ID,
    MAX_STORED_BATCH_BYTES,
)
from router.plugin import JSON, as_instant, excerpt
from router.privacy import SourcePrivacy

Raw = msgspec.Raw
Judged = tuple[list[Call], list[Discard]]
_NOTHING = Raw(b"")
_EMPTY_LIST = re.compile(rb"\[\s*\]")


def random_id() -> str:
    """A message id for a call that came without one."""
    return str(uuid.uuid4())


class Posted(Protocol):
    """A body that could be read, its source not yet known."""

    write_key: str  #: at the top level of the body, or ""
    size: int  #: how many calls it carries
    other_type: str  #: of a single call: the type in the body, where it is another one than the path's; else ""
    notes: Notes  #: what was mended or left aside; complete after `calls`

    def item_key(self) -> str:
        """The write key in the first item of a batch, or ""."""
        ...

    def calls(
        self,
        source: str,
        received_at: int,
        ip: str | None,
        new_id: Callable[[], str] = random_id,
        privacy: SourcePrivacy | None = None,
    ) -> Judged:
        """Judge each call.

        Args:
            received_at: milliseconds since 1970.
            ip: the client's, kept for the calls of browsers and mobile apps.
            new_id: makes a message id for a call that came without.
            privacy: what the source takes from each call; what is returned has nothing of it.

        Raises: TooLarge where the hashes of a batch take too much room.
        """
        ...


# ---------------------------------------------------------------- what is looked at


class _Object(msgspec.Struct, gc=False):
    """Says that a field is an object, and nothing of what is in it."""


class _Item(msgspec.Struct, rename="camel", gc=False):
    """A call in its usual form. Where one of these has another type, `_read_loosely` takes over."""

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


class _Envelope(msgspec.Struct, rename="camel", gc=False, kw_only=True):
    sent_at: Raw = _NOTHING
    context: Raw = _NOTHING
    integrations: Raw = _NOTHING
    write_key: Raw = _NOTHING


class _Batch(_Envelope, rename="camel", gc=False, kw_only=True):
    batch: list[Raw]


class _RawBatch(_Envelope, rename="camel", gc=False, kw_only=True):
    batch: Raw


class _LongBatch(_Envelope, rename="camel", gc=False, kw_only=True):
    batch: LongList  # type: ignore[valid-type]


_item = msgspec.json.Decoder(_Item)
_batch = msgspec.json.Decoder(_Batch)
_raw_batch = msgspec.json.Decoder(_RawBatch)
_long_batch = msgspec.json.Decoder(_LongBatch)
_fields = msgspec.json.Decoder(dict[str, Raw])


# ---------------------------------------------------------------- single calls


def parse_single(type: str, body: bytes) -> Single:
    """Read the body of a single-call path. The type of the path wins over one in the body. Raises InvalidCall."""
    notes: Notes = []
    body, item = read_json(body, _read_usual, notes)
    if is_too_deep(body):
        raise too_deep("invalid_json")
    return Single(type, body, item, notes)


def _read_usual(body: bytes) -> _Item | None:
    """The call in its usual form; None for a well-formed JSON object in any other."""
    try:
        return _item.decode(body)
    except msgspec.ValidationError:
        # It stopped reading at the odd field: what follows may be no JSON at all.
        _fields.decode(body)
        return None


class Single:
    """The body of a single call."""

    size = 1

    def __init__(self, type: str, body: bytes, item: _Item | None, notes: Notes) -> None:
        self.write_key, self.notes = "", notes
        if item is None or item.write_key:
            body, self.write_key = _without_key(body)
        #: the type in the body, where it is another one than the path's
        self.other_type = item.type if item and item.type and item.type != type else ""
        self._type = type
        self._body = body
        self._item = item

    def item_key(self) -> str:
        """None: a single call has no items."""
        return ""

    def calls(
        self,
        source: str,
        received_at: int,
        ip: str | None,
        new_id: Callable[[], str] = random_id,
        privacy: SourcePrivacy | None = None,
    ) -> Judged:
        """See `Posted.calls`; one call or one discard."""
        body, found = self._body, self._item
        if privacy is not None:
            body, ip = privacy.call(body, self.notes), privacy.ip(ip)
            found = _read_usual(body)
        try:
            item = found or _read_loosely(body, self.notes, self._type)
            user_key = _user_key(self._type, item)
            message_id = _message_id(item)
            if item.event == UPDATED:
                _check_preferences(self._type, self._body, None)
        except InvalidCall as refusal:
            return [], [_discard(source, received_at, refusal, self._body, privacy, self._type)]
        assigned = None if message_id else new_id()
        line = Envelope(type=self._type, message_id=assigned, ip=ip).line()
        return [Call(source, self._type, message_id or assigned or "", user_key, received_at, line + body)], []


# ---------------------------------------------------------------- batches


def parse_batch(body: bytes) -> Batch:
    """Read `{"batch": [...], "sentAt", "writeKey", "context", "integrations"}`. Raises InvalidCall."""
    notes: Notes = []
    _, (items, size, batch) = read_json(body, _decode_batch, notes)
    context, integrations = _object("context", batch.context, notes), _object("integrations", batch.integrations, notes)
    envelope = Envelope(_sent_at(batch.sent_at, notes), context, integrations)
    if len(body) + len(envelope.line()) * min(len(items), MAX_BATCH_ITEMS) > MAX_STORED_BATCH_BYTES:
        raise TooLarge("the batch's context and integrations are too large to be kept with every call")
    return Batch(items, size, envelope, _string(batch.write_key), notes)


def _decode_batch(body: bytes) -> tuple[list[Raw], int, _Envelope]:
    if may_be_long(body):
        long_batch = _long_batch.decode(body)
        items = items_of(long_batch.batch)
        return items, count_items(_raw_batch.decode(body).batch, items), long_batch
    batch = _batch.decode(body)
    return batch.batch, len(batch.batch), batch


class Batch:
    """The body of a batch. The first `MAX_BATCH_ITEMS` of its calls are taken; one discard counts those beyond."""

    other_type = ""

    def __init__(
        self,
        items: list[Raw],
        size: int,
        envelope: Envelope,
        write_key: str,
        notes: Notes,
        types: frozenset[str] = TYPES,
    ) -> None:
        self.write_key, self.notes = write_key, notes
        self.size = size
        self._items = items
        self._envelope = envelope
        self._types = types

    def item_key(self) -> str:
        """The write key that some libraries repeat in every item: the first one's."""
        try:
            return _without_key(bytes(self._items[0]))[1] if self._items else ""
        except RecursionError:
            return ""

    def calls(
        self,
        source: str,
        received_at: int,
        ip: str | None,
        new_id: Callable[[], str] = random_id,
        privacy: SourcePrivacy | None = None,
    ) -> Judged:
        """See `Posted.calls`."""
        calls: list[Call] = []
        discards: list[Discard] = []
        envelope = self._shared(ip, privacy)
        line = envelope.line()
        size = 0
        for raw in self._items[:MAX_BATCH_ITEMS]:
            if privacy is None and (call := self._usual(raw, line + raw, source, received_at)) is not None:
                calls.append(call)
                continue
            try:
                body, type, item = _read_item(bytes(raw), self._types, self.notes, privacy)
                user_key = _user_key(type, item)
                message_id = _message_id(item)
                if item.event == UPDATED:
                    _check_preferences(type, body, self._envelope.context)
            except InvalidCall as refusal:
                discards.append(_discard(source, received_at, refusal, bytes(raw), privacy))
                continue
            if message_id:
                stored = line + body
            else:
                message_id = new_id()
                stored = msgspec.structs.replace(envelope, message_id=message_id).line() + body
            calls.append(Call(source, type, message_id, user_key, received_at, stored))
            size += len(stored)
            if privacy is not None and size > 2 * MAX_STORED_BATCH_BYTES:
                raise TooLarge("the batch is too large to be kept with the hashes of its values")
        if self.size > MAX_BATCH_ITEMS:
            discards.append(self._excess(source, received_at))
        return calls, discards

    def _usual(self, raw: Raw, stored: bytes, source: str, received_at: int) -> Call | None:
        """The call of an item that is stored as it is. None: it has to be looked at more closely, or is refused."""
        if len(stored) > MAX_ITEM_BYTES or is_too_deep(stored):
            return None
        try:
            item = _item.decode(raw)
            type, message_id = item.type, _message_id(item)
            if not message_id or type not in self._types or item.write_key or item.event == UPDATED:
                return None
            return Call(source, type, message_id, _user_key(type, item), received_at, stored)
        except (msgspec.ValidationError, InvalidCall):
            return None

    def _shared(self, ip: str | None, privacy: SourcePrivacy | None) -> Envelope:
        """What all calls of the batch share."""
        if privacy is None:
            return msgspec.structs.replace(self._envelope, ip=ip)
        context = privacy.context(self._envelope.context, self.notes)
        return msgspec.structs.replace(self._envelope, ip=privacy.ip(ip), context=context)

    def _excess(self, source: str, received_at: int) -> Discard:
        n = self.size - MAX_BATCH_ITEMS
        message = f"more than {MAX_BATCH_ITEMS} calls in one batch: those beyond were not taken: {n}"
        return Discard(source, received_at, "batch_too_long", message, n=n)


def _sent_at(raw: Raw, notes: Notes) -> str | None:
    """The instant as text, also that of a number."""
    written = bytes(raw)
    if not written or written == b"null":
        return None
    text = _string(raw) if written.startswith(b'"') else _number_of_instant(raw)
    if text and len(text) <= LONGEST_INSTANT:
        return text
    notes.append(("sentAt", "unreadable"))
    return None


def _number_of_instant(raw: Raw) -> str:
    return bytes(raw).decode() if as_instant(decode_json(raw)) else ""


def _object(key: str, raw: Raw, notes: Notes) -> Raw | None:
    """The raw object; None for an empty one and for anything else."""
    text = bytes(raw)
    if not text.startswith(b"{") or text == b"{}":
        if text not in (b"", b"null", b"{}"):
            notes.append((key, "empty_list" if _EMPTY_LIST.fullmatch(text) else "not_an_object"))
        return None
    if is_too_deep(text):
        raise too_deep("invalid_json")
    return raw


def _string(raw: Raw) -> str:
    """The string this is; "" for anything else."""
    return str(decode_json(raw)) if bytes(raw).startswith(b'"') else ""


# ---------------------------------------------------------------- one call


def usual_call(body: bytes) -> _Item | None:
    """What is looked at of a call that a batch may have as it is, in one pass; None for one that has an unusual form or is discarded. The
    answer of `parse_batch` to what it lets through is the same."""
    try:
        if not body.isascii():
            body.decode()
        if len(body) > MAX_ITEM_BYTES or is_too_deep(body):
            return None
        item = _item.decode(body)
        _user_key(_known_type(item.type, TYPES), item)
        _message_id(item)
    except (UnicodeDecodeError, RecursionError, msgspec.DecodeError, InvalidCall):
        return None
    return None if item.event == UPDATED else item


def _read_item(
    body: bytes, types: frozenset[str], notes: Notes, privacy: SourcePrivacy | None
) -> tuple[bytes, str, _Item]:
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
        item = _item.decode(body)
    except msgspec.ValidationError:
        body, _ = _without_key(body)
        item = _read_loosely(body, notes, types=types)
    else:
        if item.write_key:
            body, _ = _without_key(body)
    return body, _known_type(item.type, types), item


def _known_type(type: JSON, types: frozenset[str]) -> str:
    if isinstance(type, str) and type in types:
        return type
    if type is None or type == "":
        raise InvalidCall("type_required", "the call has no type")
    raise InvalidCall("unknown_type", f"there is no such type of call: {str(type)[:40]}")


def _user_key(type: str, item: _Item) -> str:
    """The user key of a call that has all its type needs. Raises InvalidCall with the code of what is missing."""
    group_id = item.group_id and item.group_id.strip()
    for id in (item.user_id, item.anonymous_id, item.group_id, item.previous_id):
        if not id:
            continue
        if len(id) > MAX_ID:
            raise InvalidCall("id_too_long", f"an id of a user or a group is longer than {MAX_ID} characters")
        if "\x00" in id:  # the JSON functions of SQLite end a text there: it would be somebody else's id
            raise InvalidCall("invalid_id", "an id of a user or a group holds a NUL character")
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


def _check_preferences(type: str, body: bytes, shared: Raw | None) -> None:
    """The event that tells of changed preferences must carry them. `shared`: the context of its batch. Raises InvalidCall."""
    if type != "track":
        return
    call = decode_json(body)
    own = call.get("context") if isinstance(call, dict) else None
    context = {**(decode_json(shared) if shared is not None else {}), **(own if isinstance(own, dict) else {})}
    if fault := fault_of(context):
        raise InvalidCall("consent_invalid", f'{fault}; "{UPDATED}" must carry the preferences of its user')


def _message_id(item: _Item) -> str | None:
    message_id = item.message_id and item.message_id.strip()
    if message_id and len(message_id) > MAX_MESSAGE_ID:
        raise InvalidCall("message_id_too_long", f"messageId is longer than {MAX_MESSAGE_ID} characters")
    return message_id


def _read_loosely(body: bytes, notes: Notes, path_type: str | None = None, types: frozenset[str] = TYPES) -> _Item:
    """Read a call in which a field is not of its usual type: ids may be numbers, an empty list of PHP is an empty object, what
    does not matter may be anything. Raises InvalidCall for what cannot be let pass."""
    call = decode_json(body)
    if not isinstance(call, dict):
        raise InvalidCall("not_an_object", "the call is not an object")
    type = path_type or _known_type(call.get("type"), types)
    item = _Item(
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
    for key, types in (("traits", HAS_TRAITS), ("properties", HAS_PROPERTIES)):
        if type not in types or isinstance(call.get(key), (dict, NoneType)):
            continue
        if call[key] != []:
            raise InvalidCall(f"{key}_not_object", f"{key} must be an object")
        notes.append((key, "empty_list"))
    return item


_IDS = ("messageId", "userId", "anonymousId", "groupId", "previousId")


def _refuse_odd_ids(call: dict[str, Any], type: str, item: _Item) -> None:
    """An id that is a list, an object or a boolean is fatal only where no other id can stand in for it."""
    wanted = [key for key, of in (("groupId", "group"), ("previousId", "alias")) if of == type]
    if not (item.user_id or item.anonymous_id or (type == "group" and item.group_id)):
        wanted += ["userId", "anonymousId"]
    for key in wanted:
        if isinstance(call.get(key), (bool, list, dict)):
            raise InvalidCall("id_not_string", f"{key} must be a string")


def _without_key(body: bytes) -> tuple[bytes, str]:
    """The call without its writeKey, and that key. All other values stay byte for byte as received."""
    try:
        fields = _fields.decode(body)
    except msgspec.ValidationError:  # not an object
        return body, ""
    key = fields.pop("writeKey", None)
    return (body, "") if key is None else (msgspec.json.encode(fields), _string(key))


def _discard(
    source: str, at: int, refusal: InvalidCall, body: bytes, privacy: SourcePrivacy | None, path_type: str | None = None
) -> Discard:
    """`body`: as it was received. At a source that takes anything there is no excerpt of what is not an object."""
    discard = Discard(source, at, refusal.code, str(refusal), type=path_type or "")
    try:
        if privacy is not None:
            body = privacy.call(body, [])
        body, _ = _without_key(body)
        call = decode_json(body)
    except (RecursionError, msgspec.ValidationError):  # nested too deep to find out more, or not an object
        return discard
    if isinstance(call, dict):
        discard.message_id = (coerce_id(call.get("messageId")) or "")[:MAX_MESSAGE_ID]
        if not path_type and isinstance(call.get("type"), str):
            discard.type = call["type"][:40]
    discard.excerpt = excerpt(body)
    return discard
