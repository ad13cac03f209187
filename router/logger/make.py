"""Makes the log of a process: for people on a terminal, else JSON, with priorities for the journal."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, MutableMapping
from types import SimpleNamespace
from typing import Any, TextIO

import structlog

from router.clock import Clock, SystemClock
from router.logger.events import LEVELS
from router.logger.json_log import JsonLog, Stamp
from router.logger.log import EXPECTED, Log, WithTime, to_json, with_traceback, without_private
from router.logger.printable import indented, printable
from router.logger.stream import LogStream

PRIORITIES = {"debug": b"<7>", "info": b"<6>", "warning": b"<4>", "error": b"<3>"}
"""What the journal wants a line to begin with. Source: sd-daemon(3)."""


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
    stream, clock = stream or sys.stdout, clock or SystemClock()
    out, quiet = LogStream(stream), EXPECTED if decisions == "exceptions" else {}
    if format == "console" or (format == "auto" and stream.isatty()):
        return Log(out, _chain(out, clock, *_for_people(stream)), level, quiet)
    priorities = PRIORITIES if _is_journal(stream, environ) else dict.fromkeys(PRIORITIES, b"")
    return JsonLog(out, _chain(out, clock, _for_machines(priorities)), level, quiet, Stamp(clock), priorities)


def _chain(out: LogStream, clock: Clock, *render: Any) -> structlog.BoundLoggerBase:
    """structlog's processors, from a line's fields to bytes."""
    end = SimpleNamespace(**dict.fromkeys(LEVELS, out.write))
    return structlog.BoundLoggerBase(end, [WithTime(clock), without_private, with_traceback, *render], {})


def _for_machines(priorities: Mapping[str, bytes]) -> Any:
    return lambda _, level, line: priorities[level] + to_json(line) + b"\n"


def _without_steering(_: Any, __: str, line: MutableMapping[str, Any]) -> dict[str, Any]:
    """Before the renderer, which adds colours of its own: what somebody sent is shown as text, whatever is in it."""
    if line["event"] == "internal_error" and "\n" in str(line.get("detail", "")):
        line = {**line, "exception": line["detail"]}
        del line["detail"]
    shown = {printable(key): _shown(value) for key, value in line.items() if key != "exception"}
    return shown if "exception" not in line else {**shown, "exception": indented(str(line["exception"]))}


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return printable(value if isinstance(value, str) else repr(value))


def _for_people(stream: TextIO) -> tuple[Any, ...]:
    plain = structlog.dev.plain_traceback
    render = structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False, exception_formatter=plain)
    encoding = stream.encoding or "utf-8"
    return _without_steering, render, lambda _, __, text: f"{text}\n".encode(encoding, "backslashreplace")


def _is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is the one systemd connected to the journal. Source: systemd.exec(5), $JOURNAL_STREAM."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
