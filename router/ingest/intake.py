"""From a body that could be read to stored calls: whose it is, whether that source takes it, and then the acceptor.

request -> limits.read_body -> parse -> Intake.take (auth, origin, rate, judging) -> acceptor -> answer
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from aiohttp import hdrs, web

from router.clock import Clock
from router.errors import InvalidCall, UnknownWriteKey
from router.event import Call, Discard
from router.ingest.auth import Source, Sources
from router.ingest.parse import Posted
from router.ingest.proxy import Networks, client_ip
from router.ingest.rate import Limiter

log = logging.getLogger("router.ingest")

SOURCE = web.RequestKey("source", str)
"""Where a request keeps the name of its source, once that is known."""


class Acceptor(Protocol):
    """The stage behind ingestion."""

    async def accept(self, calls: list[Call], discards: list[Discard]) -> None:
        """Return once all of these are on stable storage. Raises StoreError when none of them may be acknowledged."""
        ...


class Intake:
    """Takes what was posted, for the source it belongs to."""

    def __init__(self, acceptor: Acceptor, sources: Sources, clock: Clock, proxies: Networks) -> None:
        self.sources = sources
        self._acceptor = acceptor
        self._clock = clock
        self._proxies = proxies
        self._limiter = Limiter(clock)

    async def take(
        self,
        request: web.Request,
        posted: Posted,
        *,
        single: bool = False,
        key: str = "",
        believes_body: bool = True,
        kind: str = "segment",
        check: Callable[[Source], None] | None = None,
    ) -> None:
        """Store these calls, and return once that is durable.

        Args:
            single: one call, which a strict source refuses instead of discarding it.
            key: a write key that the URL or a header of its own carries.
            believes_body: whether a write key in the body counts.
            kind: the kind of source that sends to this path.
            check: what else the source asks of the request. Raises InvalidCall.

        Raises:
            InvalidCall: the request as a whole is refused.
            StoreError: nothing was stored.
        """
        authorization = request.headers.get(hdrs.AUTHORIZATION)
        if believes_body:
            source = self.sources.authenticate(posted.write_key, authorization, posted.item_key, key)
        else:
            source = self.sources.authenticate("", authorization, _none, key)
        request[SOURCE] = source.name
        if source.kind != kind:
            raise UnknownWriteKey("invalid_write_key", "the write key belongs to a source of another kind")
        if check is not None:
            check(source)
        if source.origins != ("*",):
            _check_origin(source, request)
        if source.rate is not None:
            self._limiter.admit(source.name, source.rate, posted.size)
        now = self._clock.now_ms()
        if source.enabled:
            calls, discards = posted.calls(source.name, now, client_ip(request, self._proxies))
            if posted.other_type:
                other = posted.other_type[:40]
                log.info("source %s: type %r in the body of a call to %s", source.name, other, request.path)
            if single and discards and source.strict:
                raise InvalidCall(discards[0].code, discards[0].message)
        else:
            calls, discards = [], [_dropped(source, now, posted)]
        if calls or discards:
            await self._acceptor.accept(calls, discards)


def _none() -> str:
    return ""


def _check_origin(source: Source, request: web.Request) -> None:
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and not {"*", origin, origin.lower()}.intersection(source.origins):
        raise InvalidCall("origin_not_allowed", "this source takes no calls from pages of this origin", 403)


def _dropped(source: Source, now: int, posted: Posted) -> Discard:
    # One for the whole request: a disabled source is no reason to write a row for each of its events.
    message = f"the source is disabled; calls dropped: {posted.size}"
    return Discard(source.name, now, "source_disabled", message)
