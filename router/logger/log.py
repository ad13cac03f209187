"""A log over structlog's chain of processors, and what all lines have in common whatever their form."""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import msgspec
import structlog
from pydantic import SecretStr

from router.clock import Clock, to_iso
from router.logger.events import EVENTS, is_at_least
from router.logger.printable import DEL, printable_json
from router.logger.stream import LogStream
from router.vocabulary import MASK

PRIVATE = frozenset(
    {"api_key", "authorization", "body", "key", "password", "payload", "properties", "secret", "token", "traits"}
    | {"write_key", "write_keys"}
)
"""Fields that are never written, whoever hands them in."""

EXPECTED = {"event_accepted": "accepted", "decision_made": "deliver", "event_delivered": "delivered"}
"""Lines that `decisions = "exceptions"` leaves out where they have this outcome, or none."""

MAX_ID = 200
"""Characters of an id in a line. What is longer ends in an ellipsis."""


class EventIds(msgspec.Struct, gc=False):
    """What identifies an event in a line."""

    message_id: str
    source: str
    user_key: str  #: as people see it, `user:7`
    type: str


def event_fields(message_id: str, source: str, user_key: str, type: str) -> bytes:
    """The fields that identify an event, as a piece of JSON: made once, for all lines about it.

    Args:
        user_key: as people see it, `user:7`.
    """
    fields = to_json({"message_id": message_id, "source": source, "user_key": user_key, "type": type})
    if len(fields) > MAX_ID:  # else none of them is longer
        fields = to_json(
            {"message_id": cut(message_id), "source": cut(source), "user_key": cut(user_key), "type": cut(type)}
        )
    return fields[1:-1]


def fields_of_events(events: Sequence[EventIds]) -> list[bytes]:
    """The `event_fields` of each, encoded together: a third of the cost."""
    try:
        lines = _encode_lines(events)
    except UnicodeEncodeError:  # a lone surrogate, from somebody's words
        return [_fields_of(one) for one in events]
    fields = [line[1:-1] for line in lines.splitlines()]
    is_plain = lines.isascii() and DEL not in lines and max(map(len, fields), default=0) <= MAX_ID
    return fields if is_plain else [_fields_of(one) for one in events]


def _fields_of(ids: EventIds) -> bytes:
    return event_fields(ids.message_id, ids.source, ids.user_key, ids.type)


def cut(id: str) -> str:
    """An id as a line shows it."""
    return id if len(id) <= MAX_ID else f"{id[: MAX_ID - 1]}…"


class Log:
    """Writes lines of EVENTS. Ids are bound (`log.bind(destination="braze")`), not formatted into words."""

    __slots__ = ("_chain", "_levels", "_quiet", "_stream", "level")

    def __init__(
        self, stream: LogStream, chain: structlog.BoundLoggerBase, level: str, quiet: Mapping[str, str]
    ) -> None:
        self._stream, self._chain, self.level, self._quiet = stream, chain, level, quiet
        self._levels = {name: event.level if is_at_least(event.level, level) else "" for name, event in EVENTS.items()}

    def emit(self, event: str, **fields: Any) -> None:
        """Write one line. `exc_info`: an exception whose traceback goes with it.

        Raises:
            KeyError: the name is not in EVENTS.
        """
        level = self._levels[event]
        if level and not (self._quiet and self._is_quiet(event, fields)):
            self._put(level, event, fields)
            if level == "error":
                self.flush()  # the process may be about to end

    def event(
        self, name: str, event: bytes, *, outcome: str | None = None, reason: str | None = None, **more: Any
    ) -> None:
        """Write one line about an event, given by its `event_fields`."""
        self.emit(name, **msgspec.json.decode(b"{%b}" % event), **ending(outcome, reason), **more)

    def event_lines(
        self, name: str, events: Sequence[bytes], *, outcome: str | None = None, reason: str | None = None
    ) -> None:
        """Write a line about each of these events, all with the same outcome and reason."""
        for event in events:
            self.event(name, event, outcome=outcome, reason=reason)

    def library(self, level: str, logger: str, message: str, **fields: Any) -> None:
        """Write a line of a library, at the library's own level."""
        if is_at_least(level, self.level):
            self._chain._proxy_to_logger(level, "library_logged", logger=logger, message=message, **fields)
            if level == "error":
                self.flush()

    def writes(self, event: str, outcome: str | None = None) -> bool:
        """Whether a line of this name may be written, with this outcome if one is given. Spares making its fields."""
        return bool(self._levels[event]) and (outcome is None or self._quiet.get(event) != outcome)

    def bind(self, **fields: Any) -> Log:
        """A log that adds these fields to each line."""
        return Log(self._stream, self._chain.bind(**fields), self.level, self._quiet)

    def flush(self) -> None:
        """Write what waits for its time: before somebody else writes to the same place."""
        self._stream.flush()

    def _is_quiet(self, event: str, fields: Mapping[str, Any]) -> bool:
        expected = self._quiet.get(event)
        return expected is not None and fields.get("outcome", expected) == expected

    def _put(self, level: str, event: str, fields: Mapping[str, Any]) -> None:
        self._chain._proxy_to_logger(level, event, **fields)


def ending(outcome: str | None, reason: str | None) -> dict[str, str]:
    """The last fields of a line about an event; None is left out."""
    return {name: value for name, value in (("outcome", outcome), ("reason", reason)) if value is not None}


class WithTime:
    """First step of the chain: instant and level lead each line."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, _: Any, level: str, line: MutableMapping[str, Any]) -> dict[str, Any]:
        event = line.pop("event")
        return {"timestamp": to_iso(self._clock.now_ms()), "level": level, "event": event, **line}


def without_private(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Second step: what must never be written is left out, whoever handed it in."""
    if not PRIVATE.isdisjoint(line):
        return {key: value for key, value in line.items() if key not in PRIVATE}
    return line


def with_traceback(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Third step: an exception handed in becomes words."""
    error = line.pop("exc_info", None)
    if isinstance(error, BaseException):
        line["error"] = f"{type(error).__name__}: {error}"
        line["exception"] = "".join(traceback.format_exception(error))
    return line


def _plain(value: Any) -> Any:
    return MASK if isinstance(value, SecretStr) else str(value)


_encode = msgspec.json.Encoder(enc_hook=_plain).encode
_encode_lines = msgspec.json.Encoder().encode_lines


def to_json(line: Mapping[str, Any]) -> bytes:
    """A JSON object. What JSON cannot hold is written as text, a secret as `***`."""
    try:
        encoded = _encode(line)
    except (UnicodeEncodeError, ValueError, TypeError, OverflowError, RecursionError):
        # a lone surrogate or a number beyond 64 bits, from somebody's words
        words = {key: str(value).encode("utf-8", "replace").decode() for key, value in line.items()}
        encoded = _encode(words)
    # Of bytes, a number is found in a tenth of the time that it takes to find a text of one byte.
    return encoded if encoded.isascii() and DEL not in encoded else printable_json(encoded)


def to_paste(words: str) -> str:
    """For a line's field `paste`: these words of ours, for a terminal, run the way the daemon itself was started."""
    command, options = (os.environ.get(f"SEGMENT_ROUTER_{name}", "") for name in ("COMMAND", "OPTIONS"))
    return f"{command or 'segment-router'} {words}{options}"
