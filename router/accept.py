"""Accept: the calls of one request go into the store together; who called is answered when they are durable."""

from __future__ import annotations

from router.directory import facts
from router.errors import StoreFull
from router.event import Call, Discard, show_user_key
from router.store import Store
from router.telemetry import Log


class Acceptor:
    """Between ingestion and the store."""

    def __init__(self, store: Store, log: Log) -> None:
        self._store, self._log = store, log
        self._full = False

    async def accept(self, calls: list[Call], discards: list[Discard]) -> None:
        """Return once all of these are on stable storage. Raises StoreError when none of them may be acknowledged."""
        try:
            positions = await self._store.append(calls, [facts(call) for call in calls], discards)
        except StoreFull as error:
            if not self._full:
                self._full = True
                self._log.emit("store_full", detail=str(error))
            raise
        if self._full:
            self._full = False
            self._log.emit("store_recovered")
        self._tell(calls, positions, discards)

    def _tell(self, calls: list[Call], positions: list[int], discards: list[Discard]) -> None:
        if self._log.writes("event_accepted"):
            for call, pos in zip(calls, positions, strict=True):
                name = "event_accepted" if pos else "event_duplicate"
                user_key = show_user_key(call.user_key)
                self._log.emit(name, message_id=call.message_id, source=call.source, type=call.type, user_key=user_key)
        for discard in discards:
            self._log.emit(
                "event_discarded",
                message_id=discard.message_id,
                source=discard.source,
                type=discard.type,
                reason=discard.code,
                detail=discard.message,
            )
