"""The newest request of a destination that went well and the newest that did not, each with what came back.

They are kept in memory, two at a time, without what is not shown of a long body. They are masked when somebody asks for them.
"""

from __future__ import annotations

from typing import Any

from router.clock import to_iso
from router.deliver.send.sender import Attempt
from router.plugin_host import shortened_answer, shown_answer, shown_request


class LastExchanges:
    """Of one worker."""

    __slots__ = ("_delivered", "_failed")

    def __init__(self) -> None:
        self._delivered: Attempt | None = None
        self._failed: Attempt | None = None

    def note(self, attempt: Attempt, *, is_good: bool) -> None:
        """A request is done. `is_good`: the vendor took all of it."""
        if attempt.answer is not None:
            attempt.answer = shortened_answer(attempt.answer)
        if is_good:
            self._delivered = attempt
        else:
            self._failed = attempt

    def clear(self) -> None:
        """Keep neither."""
        self._delivered = self._failed = None

    def describe(self) -> dict[str, Any]:
        """For the admin API: `{"delivered": {...}, "failed": {...}}`, null where there was none yet."""
        return {"delivered": _shown(self._delivered), "failed": _shown(self._failed)}


def _shown(attempt: Attempt | None) -> dict[str, Any] | None:
    if attempt is None:
        return None
    request, answer, destination = attempt.request, attempt.answer, attempt.destination
    is_private = request is not None and request.private
    return {
        "at": to_iso(attempt.ended_at),
        "duration_ms": attempt.duration_ms,
        "status": attempt.status,
        "error": attempt.error,
        "request": shown_request(request, destination, attempt.body_bytes) if request is not None else None,
        "answer": shown_answer(answer, destination, attempt.answer_bytes)
        if answer is not None and not is_private
        else None,
    }
