"""Violations in the log and the metrics. No value and no name of an event becomes a label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from router.event import Noted
from router.plans import Verdict

PAUSE_MS = 60_000
"""Between two lines about violations of one type in the calls of a source."""


class ViolationReport:
    """What one process tells of violations.

    Args:
        now_ms: router time.
        emit: writes a line of the log.
        count: of the metric, by source, type of violation and what became of the call.
    """

    def __init__(
        self, now_ms: Callable[[], int], emit: Callable[..., Any], count: Callable[[str, str, str], None]
    ) -> None:
        self._now_ms, self._emit, self._count = now_ms, emit, count
        self._counts: Counter[tuple[str, str]] = Counter()
        self._told_at: dict[tuple[str, str], int] = {}

    def add(self, source: str, noted: Noted) -> None:
        """A call was stored, and this is what its plan says of it."""
        result = result_of(noted.verdict)
        for violation in noted.verdict.violations:
            self._count(source, violation.type, result)
            kind = source, violation.type
            self._counts[kind] += 1
            now = self._now_ms()
            if now - self._told_at.get(kind, -PAUSE_MS) >= PAUSE_MS:
                self._told_at[kind] = now
                self._emit(
                    "plan_violation",
                    source=source,
                    type=violation.type,
                    name=noted.event,
                    field=violation.field,
                    result=result,
                    count=self._counts[kind],
                )


def result_of(verdict: Verdict) -> str:
    """What became of the call: blocked, omitted (something of it went because of a violation), or allowed."""
    if verdict.is_blocked:
        return "blocked"
    return "omitted" if verdict.taken else "allowed"
