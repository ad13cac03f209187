"""The trace of a stored call: the `traceparent` of the span of its request, in the envelope. Only calls of traced requests have it.

It stands first in the envelope, so that it is found without decoding, unless a tracking plan has put a mark before it.
"""

from __future__ import annotations

import re

from router.event.envelope import read_envelope
from router.event.judged import is_marked

_FIRST = re.compile(rb'\{"x":"([^"]*)"')


def with_trace(body: bytes, traceparent: str) -> bytes:
    """The stored call with the trace of its request. The call itself stays as it was received."""
    rest = body[1:] if body.startswith(b"{}") else b"," + body[1:]
    return b'{"x":"%b"%b' % (traceparent.encode(), rest)


def trace_of(body: bytes) -> str:
    """The `traceparent` in a stored call; "" where its request was not traced."""
    if found := _FIRST.match(body):
        return found[1].decode()
    return read_envelope(body.partition(b"\n")[0]).trace or "" if is_marked(body) else ""
