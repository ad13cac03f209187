"""Accept: the calls of one request are held against the plan of their source and go into the store together; who called is told
when they are durable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial

from router.directory import facts, facts_with_consent
from router.errors import StoreError, StoreFull
from router.event import Call, Discard, show_user_key
from router.judge import Judge
from router.logger import EventIds, Log, fields_of_events
from router.store import EventLog, Suppressions
from router.suppressing import without_suppressed

log = logging.getLogger("router.accept")

Note = Callable[[str, int, int, Sequence[Call]], None]
"""Told of a request that is stored: its source, how many of its calls were accepted and discarded, and its duplicates."""


def _note_nothing(source: str, accepted: int, discarded: int, repeated: Sequence[Call]) -> None:
    pass


class Acceptor:
    """Between ingestion and the store."""

    def __init__(
        self,
        event_log: EventLog,
        suppressions: Suppressions,
        log: Log,
        judge: Judge | None = None,
        *,
        follow: Callable[[], Collection[str]] | None = None,
        note: Note = _note_nothing,
    ) -> None:
        """`follow`: the preferences that calls carry are told to the directory; it returns the categories that destinations need. `note`: told
        of each request that is stored."""
        self._event_log, self._suppressions, self._log, self._judge = event_log, suppressions, log, judge
        self._facts = facts if follow is None else partial(facts_with_consent, needed=follow)
        self._note, self._full = note, False
        self._accepted: list[Call] = []  #: of this group of the store; their lines are written together
        event_log.watch(self._tell_accepted)

    def accept_soon(
        self, calls: list[Call], discards: list[Discard], on_done: Callable[[Exception | int], None]
    ) -> None:
        """Store all of these. `on_done` is called later in the event loop: with the number of duplicates once all are on stable
        storage, with a StoreError when none of them may be acknowledged.

        Raises: StoreError when nothing is taken now; `on_done` is not called then.
        """
        calls, discards = without_suppressed(calls, discards, self._suppressions)
        judged = calls if self._judge is None else self._judge.judged(calls)
        report = self._judge.stored if self._judge is not None and judged is not calls else None
        stored = partial(self._stored, judged, discards, on_done, report)
        try:
            self._event_log.append_soon(judged, [self._facts(call) for call in judged], discards, stored)
        except StoreError as error:
            self._note_failure(error)
            raise

    def _stored(
        self,
        calls: list[Call],
        discards: list[Discard],
        on_done: Callable[[Exception | int], None],
        report: Callable[[list[Call], list[int]], None] | None,
        result: list[int] | StoreError,
    ) -> None:
        if isinstance(result, StoreError):
            self._note_failure(result)
            on_done(result)
            return
        if self._full:
            self._full = False
            self._log.emit("store_recovered")
        duplicates = result.count(0)
        is_usual = not (duplicates or discards or report)
        if calls or discards:
            source = (calls or discards)[0].source  # one request has one
            repeated = _without_position(calls, result) if duplicates else []
            self._note(source, len(result) - duplicates, sum([discard.n for discard in discards]), repeated)
        try:
            if is_usual:
                self._accepted += calls
            else:
                self._tell_accepted()  # what was accepted before
                self._tell(calls, result, discards)
            if report is not None:
                report(calls, result)
        finally:
            on_done(duplicates)

    def _note_failure(self, error: StoreError) -> None:
        if isinstance(error, StoreFull) and not self._full:
            self._full = True
            self._log.emit("store_full", detail=str(error))

    def _tell(self, calls: list[Call], positions: list[int], discards: list[Discard]) -> None:
        has_duplicates = 0 in positions
        if self._log.writes("event_accepted", "accepted"):
            new = [call for call, pos in zip(calls, positions, strict=True) if pos] if has_duplicates else calls
            self._tell_of("event_accepted", new)
        if has_duplicates and self._log.writes("event_duplicate"):
            self._tell_of("event_duplicate", _without_position(calls, positions))
        for discard in discards:
            self._log.emit(
                "event_discarded",
                message_id=discard.message_id,
                source=discard.source,
                type=discard.type,
                reason=discard.code,
                detail=discard.message,
            )

    def _tell_accepted(self) -> None:
        """The store has answered a group. Lines of many calls take a quarter of the time that one by one takes."""
        calls, self._accepted = self._accepted, []
        if not calls or not self._log.writes("event_accepted", "accepted"):
            return
        try:
            self._tell_of("event_accepted", calls)
        except Exception:  # the store waits for this call to return, and so do all destinations
            log.exception("lines about accepted events were not written")

    def _tell_of(self, line: str, calls: list[Call]) -> None:
        ids = [EventIds(c.message_id, c.source, show_user_key(c.user_key), c.type) for c in calls]
        fields = fields_of_events(ids)
        for call, one in zip(calls, fields, strict=True):
            call.fields = one  # for what destinations write about it
        self._log.event_lines(line, fields)


def _without_position(calls: Sequence[Call], positions: Sequence[int]) -> list[Call]:
    """The duplicates among these."""
    return [call for call, pos in zip(calls, positions, strict=True) if not pos]
