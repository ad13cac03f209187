"""What the daemon says while it works: one line per decision and change of state, from one table of names.

    log = make_log(config.log.level, config.log.format, config.log.decisions)
    with library_lines(log):
        log.emit("decision_made", message_id="m1", destination="braze", outcome="deliver")

Callers say what happened; level and form are decided here. Traits, properties, keys and tokens are never written.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple, TextIO

import msgspec
import structlog
from pydantic import SecretStr

from router.clock import Clock, SystemClock, to_iso


class LogEvent(NamedTuple):
    """A line the daemon may write: how grave it is, and what it means."""

    level: str  #: debug, info, warning or error
    meaning: str


EVENTS: Mapping[str, LogEvent] = {
    "daemon_started": LogEvent("info", "The process has begun; fields name version, configuration and store."),
    "daemon_ready": LogEvent("info", "Both listeners answer and every destination runs."),
    "daemon_stopping": LogEvent("info", "A stop was asked for; no new turns, what is in flight may end."),
    "requests_cut": LogEvent(
        "warning", "A stop's deadline, or a second signal; what has no answer is cut, and repeated after the start."
    ),
    "daemon_stopped": LogEvent("info", "The last commit is made and the store is closed."),
    "config_reloaded": LogEvent(
        "info", "config.toml was read again and is in force; names what was added, changed, removed."
    ),
    "config_reload_failed": LogEvent(
        "error", "config.toml cannot be put in force, so the former one stays; one line per problem."
    ),
    "config_warned": LogEvent("warning", "Something in config.toml stops nothing but is worth a look."),
    "secret_missing": LogEvent("warning", "A secret was not found, at a destination that does not send yet."),
    "event_accepted": LogEvent("info", "An event is on stable storage and was answered with 200."),
    "event_duplicate": LogEvent("info", "An event with a message id already accepted; nothing follows."),
    "event_discarded": LogEvent("info", "A call that cannot be used; the reason names the field."),
    "decision_made": LogEvent("info", "What becomes of an event at a destination: outcome and reason."),
    "delivery_attempted": LogEvent("debug", "One try to send: status or error, and how long it took."),
    "event_delivered": LogEvent("info", "The vendor has the event, or the dry run has recorded it."),
    "event_retrying": LogEvent("info", "An attempt failed and another one is due; the user's later events wait."),
    "events_waiting": LogEvent(
        "warning", "Once a day: events are held for longer than a day; how many, of how many users, and for what."
    ),
    "event_released": LogEvent("info", "A held event may go: its group is known, or an operator said so."),
    "lanes_given": LogEvent(
        "error", "Events were parked without a lane, which a fault of the router must have caused; they go out now."
    ),
    "event_dead": LogEvent("warning", "Given up or refused; kept as a dead letter (GET /api/destinations/NAME/dead)."),
    "event_replayed": LogEvent("info", "An event is sent once more because an operator asked for it."),
    "replay_started": LogEvent("info", "Dead letters, or a span of the log, are being sent again."),
    "replay_ended": LogEvent("info", "A replay has fed its last event, or was stopped; what it fed is on its way."),
    "letters_dropped": LogEvent(
        "warning", "Dead letters are gone: dropped by hand, or the oldest ones at dead.max_age or dead.max_bytes."
    ),
    "destination_removed": LogEvent(
        "warning", "The store has events of a destination that config.toml does not name any more; counted by state."
    ),
    "events_abandoned": LogEvent(
        "error", "Events were trimmed while their destination was removed; they are dead there, without a letter."
    ),
    "destination_added": LogEvent(
        "info", "A new destination starts at the head of the log; earlier events are not sent."
    ),
    "destination_paused": LogEvent("warning", "A destination sends nothing for now; the reason says who must act."),
    "destination_resumed": LogEvent("info", "A paused destination sends again."),
    "breaker_opened": LogEvent("warning", "Too many failures in a row; one probe at a time from now on."),
    "breaker_closed": LogEvent("info", "A probe succeeded; the destination is sent to as before."),
    "plugin_warned": LogEvent("warning", "A plugin met something odd that stops nothing; counted."),
    "store_full": LogEvent("error", "Too little free disk: events are answered with 503 until there is more."),
    "store_half_full": LogEvent(
        "warning", "The store takes half of the disk that it may take; `behind` are the destinations that keep the log."
    ),
    "store_failed": LogEvent(
        "error", "The disk refused a write or a sync: nothing more is accepted, and the process ends with 1."
    ),
    "store_recovered": LogEvent("info", "There is room again; events are accepted."),
    "clock_jumped": LogEvent(
        "warning", "The wall clock moved by `seconds`; router time takes it in, 1 s in 10 s, and nothing expires by it."
    ),
    "library_logged": LogEvent("warning", "A line of a library the daemon uses; it has its own level."),
    "internal_error": LogEvent("error", "A fault of the router itself, with its traceback; please report it."),
}

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_PRIORITIES = {"debug": "<7>", "info": "<6>", "warning": "<4>", "error": "<3>"}
_PRIVATE = frozenset(
    {"api_key", "authorization", "body", "key", "password", "payload", "properties", "secret", "token", "traits"}
    | {"write_key", "write_keys"}
)
_EXPECTED = {"event_accepted": "accepted", "decision_made": "deliver", "event_delivered": "delivered"}


class Log:
    """Writes lines of EVENTS. Ids are bound (`log.bind(destination="braze")`), not formatted into words."""

    __slots__ = ("_bound", "_level", "_levels", "_quiet")

    def __init__(self, bound: structlog.BoundLoggerBase, level: str, decisions: str) -> None:
        self._bound = bound
        self._level = level
        self._levels = {name: event.level if is_at_least(event.level, level) else "" for name, event in EVENTS.items()}
        self._quiet: Mapping[str, str] = _EXPECTED if decisions == "exceptions" else {}

    def emit(self, event: str, **fields: Any) -> None:
        """Write one line. `exc_info`: an exception whose traceback goes with it.

        Raises:
            KeyError: the name is not in EVENTS.
        """
        level = self._levels[event]
        if level and not (event in self._quiet and fields.get("outcome", self._quiet[event]) == self._quiet[event]):
            self._bound._proxy_to_logger(level, event, **fields)

    def library(self, level: str, logger: str, message: str, **fields: Any) -> None:
        """Write a line of a library, at the library's own level."""
        if is_at_least(level, self._level):
            self._bound._proxy_to_logger(level, "library_logged", logger=logger, message=message, **fields)

    def writes(self, event: str) -> bool:
        """Whether a line of this name could come out: to spare the work of gathering its fields."""
        return bool(self._levels[event])

    def bind(self, **fields: Any) -> Log:
        """A log that adds these fields to each line."""
        other = object.__new__(Log)
        other._bound, other._level = self._bound.bind(**fields), self._level
        other._levels, other._quiet = self._levels, self._quiet
        return other


def is_at_least(level: str, limit: str) -> bool:
    """Whether a level is as grave as another."""
    return _LEVELS[level] >= _LEVELS[limit]


def make_log(
    level: str = "info",
    format: str = "auto",
    decisions: str = "all",
    *,
    clock: Clock | None = None,
    stream: TextIO | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Log:
    """The log of a process.

    Args:
        format: json (a line each), console (for people), or auto: console on a terminal, else json.
        decisions: `exceptions` leaves out events that are simply delivered.
        stream: standard output unless told; where it is the journal's, each line says its priority.
    """
    stream = stream or sys.stdout
    console = format == "console" or (format == "auto" and stream.isatty())
    render = _for_people(stream) if console else _to_json
    bound = structlog.BoundLoggerBase(
        _Output(stream, with_priority=not console and _is_journal(stream, environ)),
        [_Stamp(clock or SystemClock()), _without_private, _with_traceback, render],
        {},
    )
    return Log(bound, level, decisions)


@contextlib.contextmanager
def library_lines(log: Log) -> Iterator[None]:
    """For as long as it lasts, what libraries log (aiohttp, asyncio) becomes lines of this log."""
    root, handler = logging.getLogger(), _LibraryHandler(log)
    before = root.level
    root.addHandler(handler)
    root.setLevel(_LEVELS[log._level])
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)


class _LibraryHandler(logging.Handler):
    """Passes records of the standard library's logging on to a Log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        level = next((name for name, number in reversed(_LEVELS.items()) if record.levelno >= number), "debug")
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        error = record.exc_info[1] if record.exc_info else None
        self._log.library(level, record.name, message, **({"exc_info": error} if error else {}))


class _Output:
    """The stream at the end of the pipeline. A line that cannot be written is lost: logging never stops the work."""

    def __init__(self, stream: TextIO, with_priority: bool) -> None:
        self._stream = stream
        self._priorities = _PRIORITIES if with_priority else dict.fromkeys(_PRIORITIES, "")

    def _write(self, level: str, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{self._priorities[level]}{line}\n")
            self._stream.flush()

    def debug(self, line: str) -> None:
        self._write("debug", line)

    def info(self, line: str) -> None:
        self._write("info", line)

    def warning(self, line: str) -> None:
        self._write("warning", line)

    def error(self, line: str) -> None:
        self._write("error", line)


class _Stamp:
    """First step: instant and level lead each line."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, _: Any, level: str, line: MutableMapping[str, Any]) -> dict[str, Any]:
        event = line.pop("event")
        return {"timestamp": to_iso(self._clock.now_ms()), "level": level, "event": event, **line}


def _without_private(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Second step: what must never be written is left out, whoever handed it in."""
    if not _PRIVATE.isdisjoint(line):
        return {key: value for key, value in line.items() if key not in _PRIVATE}
    return line


def _with_traceback(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Third step: an exception handed in becomes words."""
    error = line.pop("exc_info", None)
    if isinstance(error, BaseException):
        line["error"] = f"{type(error).__name__}: {error}"
        line["exception"] = "".join(traceback.format_exception(error))
    return line


def _to_json(_: Any, __: str, line: MutableMapping[str, Any]) -> str:
    try:
        return msgspec.json.encode(line, enc_hook=_plain).decode()
    except (UnicodeEncodeError, ValueError, TypeError, OverflowError, RecursionError):
        # a lone surrogate or a number beyond 64 bits, from somebody's words
        safe = {key: str(value).encode("utf-8", "replace").decode() for key, value in line.items()}
        return msgspec.json.encode(safe).decode()


def _for_people(stream: TextIO) -> structlog.dev.ConsoleRenderer:
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False, exception_formatter=plain)


def _plain(value: Any) -> Any:
    return "***" if isinstance(value, SecretStr) else str(value)


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is the one systemd connected to the journal. Source: systemd.exec(5), $JOURNAL_STREAM."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def to_paste(words: str) -> str:
    """A line for a terminal that runs these words of ours the way the daemon itself was started."""
    return f"{os.environ.get('SEGMENT_ROUTER_COMMAND', 'segment-router')} {words}"
