"""Takes a destination's place in the log: at once, or when there is room on the disk and whoever else has it has given it back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from router.clock import Clock
from router.errors import StoreFull
from router.logger import Log, to_paste
from router.plugin_host import Destination
from router.store import PART, Claim, Claims, Opening, Status, Unit


class Claiming:
    """Of one destination, or of one shard of it, for one worker after the other."""

    def __init__(self, destination: Destination, claims: Claims, clock: Clock, log: Log) -> None:
        self._destination, self._claims, self._clock, self._log = destination, claims, clock, log
        self._unit, self._share = Unit(PART, destination.name, destination.share.shard), destination.share
        self._claim: Claim | None = None  #: of the next worker
        self.is_elsewhere = False  #: another node has the destination

    async def open_now(self) -> None:
        """Take the destination's place for the next worker, where nobody else has it and the disk has room."""
        if self._claim is not None:
            return
        try:
            self._claim = await self._claims.open_now(self._unit, self._opening())
        except StoreFull:
            return
        if self._claim is not None:
            self._tell_opened(self._claim)

    def take(self) -> Claim | None:
        """The claim that was opened before, unless it is lost by now."""
        claim, self._claim = self._claim, None
        return claim if claim is not None and not claim.lost.is_set() else None

    async def open_or_end(self, ends: Sequence[asyncio.Event]) -> Claim | None:
        """The claim, when this process may have the destination. None: one of `ends` came before. Raises StoreFull."""
        self.is_elsewhere = True
        granted = asyncio.ensure_future(self._claims.open(self._unit, self._opening()))
        waiting = [asyncio.ensure_future(event.wait()) for event in ends]
        try:
            await asyncio.wait({granted, *waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not granted.done():
                return None
            self._tell_opened(granted.result())
            return granted.result()
        finally:
            self.is_elsewhere = False
            for one in (granted, *waiting):
                one.cancel()

    async def let_go(self, *, to_others: bool) -> None:
        """Nobody serves what was claimed for the next worker: others may."""
        claim, self._claim = self._claim, None
        if claim is not None:
            await claim.give_back(to_others=to_others)

    def drop(self) -> None:
        """What was claimed for the next worker is as of before: the cursor is read anew."""
        self._claim = None

    async def holder(self) -> str:
        """Which other node has it; empty where none has."""
        return await self._claims.holder(self._unit) if self.is_elsewhere else ""

    def status_elsewhere(self) -> Status | None:
        """How it is at the node that has it; None where that is this one, or not known."""
        return self._claims.status(self._unit) if self.is_elsewhere else None

    def _opening(self) -> Opening:
        config = self._destination.config
        now_ms, timeout_s = self._clock.now_ms(), config.delivery.timeout_s
        return Opening(now_ms, config.mode, config.enabled, self._destination.gate, timeout_s, self._share.shards)

    def _tell_opened(self, claim: Claim) -> None:
        cursor = claim.cursor
        if cursor.added and cursor.start:
            words = "starts at the head of the log; earlier events are not sent, unless you replay them"
            paste = to_paste(f"replay {self._destination.name} --since 7d")
            self._log.emit("destination_added", cursor=cursor.start, detail=words, paste=paste)
        if cursor.beyond:
            self._log.emit("cursor_repaired", events=cursor.beyond)
        if cursor.abandoned:
            words = "it was removed for longer than store.retention; what it had not read by then is lost to it"
            self._log.emit("events_abandoned", events=cursor.abandoned, detail=words)
        if cursor.shards_before:
            self._log.emit("shards_changed", before=cursor.shards_before, shards=cursor.share.shards)
        if cursor.taken_from:
            self._log.emit("destination_taken_over", node=cursor.taken_from)
