"""What the appends of each source came to, counted once for each append that is durable."""

from __future__ import annotations

from collections.abc import Sequence

from router.counts import Counts
from router.event import Call, Discard


class AppendCounts:
    """Counts up from the start of the process. Sources are those of config.toml, so their number is bounded."""

    def __init__(self) -> None:
        self.of: dict[str, Counts] = {}  #: by source

    def add(self, calls: Sequence[Call], positions: Sequence[int], discards: Sequence[Discard]) -> None:
        """One append was stored. `positions`: of its calls, 0 for a duplicate."""
        if calls:
            if len(calls) == 1 or calls[0].source == calls[-1].source:
                self._count(calls[0].source, positions)
            else:  # behind those of a request stands what is forwarded because of them, in the name of other sources
                for call, pos in zip(calls, positions, strict=True):
                    self._count(call.source, (pos,))
        for discard in discards:
            self._of(discard.source).count("discarded", discard.n, discard.code)

    def _count(self, source: str, positions: Sequence[int]) -> None:
        counts, duplicates = self._of(source), positions.count(0)
        if duplicates:
            counts.count("duplicates", duplicates)
        if accepted := len(positions) - duplicates:
            counts.count("accepted", accepted)

    def _of(self, source: str) -> Counts:
        counts = self.of.get(source)
        if counts is None:
            counts = self.of[source] = Counts()
        return counts
