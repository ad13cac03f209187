"""Tracing: what the stages say of a request that comes in, and of one that goes out. None where nothing is traced.

    span = None if tracing is None else tracing.request(traceparent)
    ...
    if span is not None:
        span.end(status=200)

This file is what the stages know; it loads nothing of OpenTelemetry. `otel` makes spans with its SDK, `exporting` sends them to the
collector and tells when that fails, by `bounded_http`, `opening` is their lifetime.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Span(Protocol):
    """One request, until it has its answer."""

    traceparent: str
    """What names it, as W3C Trace Context writes it."""

    def note(self, **attributes: str | int) -> None:
        """Say more of it. Names of config.toml, words from short lists and numbers; nothing of an event or a person."""
        ...

    def end(self, fault: str = "", **attributes: str | int) -> None:
        """It has its answer now. `fault`: what went wrong, a word from a short list."""
        ...


class Tracing(Protocol):
    """Begins spans. May be called from any thread."""

    def request(self, traceparent: str) -> Span | None:
        """A request with events has come, with this header, or "". None: it is not traced."""
        ...

    def delivery(self, destination: str, traceparents: Iterable[str], *, is_drawn: bool = False) -> Span | None:
        """A request to a vendor goes out, with events of these requests; "" for one that was not traced. `is_drawn`: no request brought
        any of them, so there is none to follow."""
        ...


__all__ = ["Span", "Tracing"]
