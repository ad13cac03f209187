"""What is refused for good leaves a discard and counts, so that events which never came can be explained.

A request that may be sent again later (429, 503) is none of these, unless nobody will. Where the source is known each refusal is a discard;
strangers get one a second for each code, with their number, so that nobody without a key can fill the store.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from router.clock import Clock
from router.errors import InvalidCall, StoreError
from router.event import Discard
from router.ingest.call_sink import CallSink
from router.metrics import Metrics

EVERY_S = 1.0
"""Between two discards about many refusals."""

LATER = frozenset({408, 429, 503})
"""The status of what client libraries send again."""

NOT_LOST = frozenset({"disconnected", "unknown_project"})
"""Nobody was told of a refusal, or nothing was posted."""


class Refusals:
    """The account of one listener."""

    def __init__(self, sink: CallSink, clock: Clock, metrics: Metrics) -> None:
        self._sink, self._clock, self._metrics = sink, clock, metrics
        #: by source and code: refusals since the last discard, and the words of the newest
        self._unsaid: dict[tuple[str, str], tuple[int, str]] = {}

    def count(self, status: int, code: str, words: str) -> None:
        """A request was refused before any handler."""
        self._metrics.request("", status)
        self._gather("", code, words)

    def note(self, source: str, refusal: InvalidCall, *, is_final: bool = False) -> None:
        """A request was refused.

        Args:
            source: empty where none is known.
            is_final: nobody sends it again, whatever its status says.
        """
        comes_again = refusal.status in LATER
        if refusal.code in NOT_LOST or (comes_again and not is_final):
            return
        if source and not comes_again:
            self._say(source, refusal.code, str(refusal), 1)
        else:  # a rate is there to keep a flood out of the store, too
            self._gather(source, refusal.code, str(refusal))

    def _gather(self, source: str, code: str, words: str) -> None:
        """Say the first one now, and those of the next second together."""
        key = source, code
        if key not in self._unsaid:
            self._say_many(key, 1, words)
        else:
            self._unsaid[key] = self._unsaid[key][0] + 1, words

    def _say_many(self, key: tuple[str, str], n: int, words: str) -> None:
        self._say(*key, f"{words} (requests refused: {n})", n)
        self._unsaid[key] = 0, ""
        asyncio.get_running_loop().call_later(EVERY_S, self._say_rest, key)

    def _say_rest(self, key: tuple[str, str]) -> None:
        n, words = self._unsaid.pop(key)
        if n:
            self._say_many(key, n, words)

    def _say(self, source: str, code: str, words: str, n: int) -> None:
        with suppress(StoreError):  # the refusal stands without its trace
            self._sink.accept_soon([], [Discard(source, self._clock.now_ms(), code, words, n=n)], _ignore)


def _ignore(result: Exception | int) -> None:
    """Nobody waits for a discard."""
