"""From the bytes of a request body to calls and discards. Pure: no clock, no store, no configuration.

Two steps, because the source is known only in between: `parse_single` and `parse_batch` read as much as authentication
needs and refuse bodies that cannot be read at all; `calls` of what they return then judges call by call (`one_call`). The
bytes of a call are kept as received.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Protocol

import msgspec

from router.consent import UPDATED
from router.errors import InvalidCall, TooLarge
from router.event import (
    LONGEST_INSTANT,
    TYPES,
    Call,
    Discard,
    Envelope,
    Notes,
    decode_json,
)
from router.ingest.json_checks import is_too_deep, read_json, too_deep
from router.ingest.json_items import LongList, count_items, items_of, may_be_long
from router.ingest.limits import (
    MAX_BATCH_ITEMS,
    MAX_ITEM_BYTES,
    MAX_STORED_BATCH_BYTES,
)
from router.ingest.one_call import (
    Item,
    check_preferences,
    discard_of,
    item_decoder,
    message_id_of,
    read_item,
    read_loosely,
    read_usual,
    text_of,
    user_key_of,
    without_key,
)
from router.plugin import as_instant
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


_batch = msgspec.json.Decoder(_Batch)
_raw_batch = msgspec.json.Decoder(_RawBatch)
_long_batch = msgspec.json.Decoder(_LongBatch)


# ---------------------------------------------------------------- single calls


def parse_single(type: str, body: bytes) -> Single:
    """Read the body of a single-call path. The type of the path wins over one in the body. Raises InvalidCall."""
    notes: Notes = []
    body, item = read_json(body, read_usual, notes)
    if is_too_deep(body):
        raise too_deep("invalid_json")
    return Single(type, body, item, notes)


class Single:
    """The body of a single call."""

    size = 1

    def __init__(self, type: str, body: bytes, item: Item | None, notes: Notes) -> None:
        self.write_key, self.notes = "", notes
        if item is None or item.write_key:
            body, self.write_key = without_key(body)
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
            found = read_usual(body)
        try:
            item = found or read_loosely(body, self.notes, self._type)
            user_key = user_key_of(self._type, item)
            message_id = message_id_of(item)
            if item.event == UPDATED:
                check_preferences(self._type, self._body, None)
        except InvalidCall as refusal:
            return [], [discard_of(source, received_at, refusal, self._body, privacy, self._type)]
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
    return Batch(items, size, envelope, text_of(batch.write_key), notes)


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
            return without_key(bytes(self._items[0]))[1] if self._items else ""
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
                body, type, item = read_item(bytes(raw), self._types, self.notes, privacy)
                user_key = user_key_of(type, item)
                message_id = message_id_of(item)
                if item.event == UPDATED:
                    check_preferences(type, body, self._envelope.context)
            except InvalidCall as refusal:
                discards.append(discard_of(source, received_at, refusal, bytes(raw), privacy))
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
            item = item_decoder.decode(raw)
            type, message_id = item.type, message_id_of(item)
            if not message_id or type not in self._types or item.write_key or item.event == UPDATED:
                return None
            return Call(source, type, message_id, user_key_of(type, item), received_at, stored)
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
    text = text_of(raw) if written.startswith(b'"') else _number_of_instant(raw)
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
