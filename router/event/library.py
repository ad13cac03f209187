"""Which library sent a call, as the call or its batch says: senders choose these words."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from router.event.envelope import read_envelope

MAX_NAME = 80
"""Characters of a library's name or version."""


class Library(NamedTuple):
    """What sent a call; empty words where it does not say."""

    name: str
    version: str
    tells_when: bool  #: it says when it sent the call, so that the clock of its device can be corrected

    @property
    def title(self) -> str:
        """`analytics.js 5.2.0`."""
        return f"{self.name} {self.version}".strip()


class _Library(msgspec.Struct):
    name: Any = None
    version: Any = None


class _Context(msgspec.Struct):
    library: _Library | None = None


class _Head(msgspec.Struct, rename="camel"):
    context: msgspec.Raw = msgspec.Raw()
    sent_at: msgspec.Raw = msgspec.Raw()


_heads = msgspec.json.Decoder(_Head)
_contexts = msgspec.json.Decoder(_Context)


def library_of(body: bytes) -> Library:
    """The library of a stored body. That of the batch counts for calls without one."""
    line, _, call = body.partition(b"\n")
    envelope, head = read_envelope(line), _heads.decode(call)
    tells_when = bool(envelope.sent_at) or bytes(head.sent_at) not in (b"", b"null")
    try:
        own = _contexts.decode(head.context).library if bytes(head.context) else None
    except msgspec.DecodeError:  # it has another form: a library that is text, for example
        own = None
    if own is not None:
        return Library(_text(own.name), _text(own.version), tells_when)
    of_batch = envelope.context.get("library") if isinstance(envelope.context, dict) else None
    told = of_batch if isinstance(of_batch, dict) else {}
    return Library(_text(told.get("name")), _text(told.get("version")), tells_when)


def _text(value: Any) -> str:
    return value[:MAX_NAME] if isinstance(value, str) else ""
