"""What a snapshot of the store does not show yet: parked rows that stand in steps on their way."""

from __future__ import annotations

from collections.abc import Sequence

from router.store import CommitBatch, ParkedRow


class PendingView:
    """Lays the rows of unstored steps (oldest first) over rows that were read."""

    def __init__(self, steps: Sequence[CommitBatch]) -> None:
        self._newest: dict[int, ParkedRow | None] = {}
        for step in steps:
            self._newest.update(step.park)
            self._newest.update(step.repark)
            self._newest.update(dict.fromkeys(step.unpark))
        self._by_queue: dict[tuple[str, str], list[ParkedRow]] = {}
        for row in self._newest.values():
            if row is not None:
                self._by_queue.setdefault((row.user_key, row.queue), []).append(row)

    def over(self, asked: tuple[str, str, int], rows: Sequence[ParkedRow], more: bool) -> list[ParkedRow]:
        """The rows of a queue (user key, queue, behind which place) as they are now, in order.

        Args:
            more: there are rows behind the last of `rows`; so nothing that stands behind it may come yet.
        """
        key, queue, after = asked
        merged = [row for row in rows if row.pos not in self._newest]
        last = rows[-1].place if more and rows else None
        merged += [
            row
            for row in self._by_queue.get((key, queue), ())
            if row.place > after and (last is None or row.place <= last)
        ]
        return sorted(merged, key=lambda row: row.place)
