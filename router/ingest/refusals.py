"""What is refused for good leaves a discard and counts, so that events which never came can be explained.

A request that may be sent again later (429, 503) is none of these. Where the source is known each refusal is a discard; strangers
get one a second for each code, with their number, so that nobody without a key can fill the store.
"""

from __future__ import annotations

from contextlib import suppress

from router.clock import Clock
from router.errors import InvalidCall, StoreError
from router.event import Discard
from router.ingest.call_sink import CallSink
from router.metrics import Metrics

EVERY_MS = 1_000
LATER = frozenset({408, 429, 503})
"""The status of what client libraries send again."""

NOT_LOST = frozenset({"disconnected", "unknown_project"})
"""Nobody was told of a refusal, or nothing was posted."""


class Refusals:
    """The account of one listener."""

    def __init__(self, sink: CallSink, clock: Clock, metrics: Metrics) -> None:
        self._sink, self._clock, self._metrics = sink, clock, metrics
        self._unsaid: dict[str, int] = {}  #: refusals of strangers since the last discard, by code
        self._said_at: dict[str, int] = {}

    def count(self, status: int, code: str, words: str) -> None:
        """A request was refused before any handler."""
        self._metrics.request("", status)
        self._discard("", code, words)

    def note(self, source: str, refusal: InvalidCall) -> None:
        """A request was refused. `source` is empty where none is known."""
        if refusal.status not in LATER and refusal.code not in NOT_LOST:
            self._discard(source, refusal.code, str(refusal))

    def _discard(self, source: str, code: str, words: str) -> None:
        now, n = self._clock.now_ms(), 1
        if not source:
            self._unsaid[code] = self._unsaid.get(code, 0) + 1
            if now - self._said_at.get(code, now - EVERY_MS) < EVERY_MS:
                return
            self._said_at[code], n = now, self._unsaid.pop(code)
            words = f"{words} (requests refused: {n})"
        with suppress(StoreError):  # the refusal stands without its trace
            self._sink.accept_soon([], [Discard(source, now, code, words, n=n)], _ignore)


def _ignore(result: Exception | int) -> None:
    """Nobody waits for a discard."""
