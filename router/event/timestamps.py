"""The instants of a call, with the sender's clock skew taken out."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from router.clock import to_datetime
from router.event.notes import Notes
from router.plugin import as_instant

LONGEST_INSTANT = 80
"""In characters: a longer text is not read as an instant. JavaScript's own, with the zone's name, take up to 70."""

BELIEVED_SKEW = timedelta(days=1)
"""A sentAt further from the receipt is believed only where that brings the event nearer to the receipt."""

_Instant = tuple[datetime, str]
"""An instant and its text. Remembered are the two that the calls of a batch share; most others are seen once."""


def correct_timestamps(
    call: dict[str, Any], batch_sent_at: str | None, received_at_ms: int, notes: Notes
) -> tuple[datetime, datetime, datetime]:
    """Original, corrected and received instant; the same, and sentAt, as text in the payload.

    The sender's clock is wrong by (receivedAt - sentAt), transport included; a call that carries both `timestamp` and
    `originalTimestamp` has been corrected already. One without any instant of its own happened when it was received.

    Args:
        notes: gets what cannot be read or believed.
    """
    received, call["receivedAt"] = at = _received(received_at_ms)
    stamp = _read(call, "timestamp", notes)
    original = _read(call, "originalTimestamp", notes) if "originalTimestamp" in call else None
    sent = _read(call, "sentAt", notes) if "sentAt" in call else None
    if sent is None and batch_sent_at is not None:
        sent = _read_shared(batch_sent_at, notes)
    if sent is not None:
        call["sentAt"] = sent[1]
    else:
        call.pop("sentAt", None)
    if original is None:
        original, corrected = (at, at) if stamp is None else (stamp, _corrected(stamp, sent, received, notes))
    else:
        corrected = stamp or _corrected(original, sent, received, notes)
    call["originalTimestamp"] = original[1]
    call["timestamp"] = corrected[1]
    return original[0], corrected[0], received


def _corrected(original: _Instant, sent: _Instant | None, received: datetime, notes: Notes) -> _Instant:
    if sent is None:
        return original
    try:
        instant = received - (sent[0] - original[0])
    except OverflowError:
        instant = None
    # A clock that is off by years is off for both, and the correction brings the event near to its receipt.
    if instant is None or (
        abs(received - sent[0]) > BELIEVED_SKEW and abs(received - instant) > abs(received - original[0])
    ):
        notes.append(("sentAt", "out_of_range"))
        return original
    return instant, show_instant(instant)


@lru_cache(maxsize=16)
def _received(ms: int) -> _Instant:
    instant = to_datetime(ms)
    return instant, show_instant(instant)


def _read(call: dict[str, Any], key: str, notes: Notes) -> _Instant | None:
    value = call.get(key)
    if value is None:
        return None
    instant = None if isinstance(value, str) and len(value) > LONGEST_INSTANT else as_instant(value)
    if instant is None:
        notes.append((key, "unreadable"))
        return None
    return instant, show_instant(instant)


def _read_shared(value: str, notes: Notes) -> _Instant | None:
    found = _remembered(value)
    if found is None:
        notes.append(("sentAt", "unreadable"))
    return found


@lru_cache(maxsize=16)
def _remembered(value: str) -> _Instant | None:
    instant = as_instant(value)
    return None if instant is None else (instant, show_instant(instant))


def show_instant(instant: datetime) -> str:
    """A UTC instant as `2026-01-02T03:04:05.678Z`."""
    text = _encode(instant).decode()  # in quotes, and with microseconds unless there are none
    return f"{text[1:24]}Z" if len(text) > 22 else f"{text[1:20]}.000Z"


_encode = msgspec.json.Encoder().encode
"""Writes an instant in a tenth of the time that `isoformat` takes."""
