"""What is stored of a call: one self-contained blob.

The blob is a line of JSON, the envelope, which holds what the call itself does not say; then the call exactly as received.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from router.plans import Verdict
from router.plugin import JSON, Event

TYPES = frozenset({"identify", "group", "track", "page", "screen", "alias"})
"""The call types there are."""

HAS_TRAITS = frozenset({"identify", "group"})
HAS_PROPERTIES = frozenset({"track", "page", "screen"})


class Noted(msgspec.Struct, frozen=True):
    """What a tracking plan says of a call, under which name."""

    event: str  #: of a track call its event, of a page or screen its name, else the type of call
    verdict: Verdict


class Call(msgspec.Struct, gc=False):
    """One accepted call on its way into the store."""

    source: str
    type: str
    message_id: str
    user_key: str  #: kind and id: `u:7`, `a:7`, or `g:7` for a group call without any other id
    received_at: int  #: milliseconds since 1970
    body: bytes  #: the envelope's line, then the call as received
    noted: Noted | None = None  #: what its tracking plan says of it, to be counted with its acceptance
    opened: Event | None = None  #: the call as an event, where it was opened to be checked; nobody changes it
    fields: bytes | None = None  #: its ids as a part of a line of the log, once one was written


class Discard(msgspec.Struct, gc=False):
    """A call that was answered 200 and is nowhere: which one, and why."""

    source: str
    at: int  #: milliseconds since 1970
    code: str
    message: str
    message_id: str = ""
    type: str = ""
    excerpt: str = ""  #: the first words of the call, without its write key
    n: int = 1  #: how many calls, or refused requests, this one tells of


class Envelope(msgspec.Struct, omit_defaults=True):
    """What a stored call does not say itself. `context` and `integrations` are those of its batch, raw when written.

    The last four are written by `router/event/judged.py` and `router/event/trace.py`.
    """

    sent_at: str | None = msgspec.field(default=None, name="s")
    context: Any = msgspec.field(default=None, name="c")
    integrations: Any = msgspec.field(default=None, name="i")
    type: str | None = msgspec.field(default=None, name="t")  #: from the path of a single call
    message_id: str | None = msgspec.field(default=None, name="m")  #: assigned, where the sender gave none
    ip: str | None = msgspec.field(default=None, name="p")  #: the sender's, for context.ip of calls from devices
    is_blocked: bool = msgspec.field(default=False, name="b")
    is_forwarded: bool = msgspec.field(default=False, name="f")
    verdict: Verdict | None = msgspec.field(default=None, name="v")
    trace: str | None = msgspec.field(default=None, name="x")  #: see `router/event/trace.py`

    def line(self) -> bytes:
        """The envelope as the first line of a stored body."""
        # A line break in valid JSON is white space between tokens, never part of a string, so this changes nothing else.
        return msgspec.json.encode(self).replace(b"\n", b" ") + b"\n"


_EMPTY = Envelope()
_envelope = msgspec.json.Decoder(Envelope)
_anything = msgspec.json.Decoder()


def read_envelope(line: bytes) -> Envelope:
    """The envelope that `Envelope.line` wrote. Not to be changed: calls may share it."""
    if line == b"{}":
        return _EMPTY
    try:
        return _envelope.decode(line)
    except msgspec.ValidationError:  # a number out of range in the batch's context
        return msgspec.convert(_decode_leniently(line), Envelope)


def decode_json(raw: bytes | msgspec.Raw) -> JSON:
    """Decode JSON that is known to be well-formed. A number that no float or int can hold becomes null."""
    try:
        return _anything.decode(raw)
    except msgspec.ValidationError:
        return _decode_leniently(bytes(raw))


def _decode_leniently(raw: bytes) -> JSON:
    return json.loads(raw, parse_float=_float_or_none, parse_int=_int_or_none)


def _float_or_none(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _int_or_none(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # more digits than Python is willing to convert
        return None
