"""Admission: from a body that could be read to stored calls. Whose it is, whether that source takes it, and then the store.

request -> body -> parse -> Admission.take (write key, kind, origin, rate, each call judged) -> sink -> response
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple, cast

from aiohttp import hdrs, web

from router.clock import Clock
from router.errors import InvalidCall, UnknownWriteKey
from router.event import Call, Discard, library_of, with_trace
from router.ingest.call_sink import CallSink
from router.ingest.parse import Posted
from router.ingest.proxy import Networks, client_ip
from router.ingest.received_bytes import Receiver
from router.ingest.token_bucket import Limiter
from router.ingest.write_key import Sender, Source, Sources, choose_key, write_key_of
from router.input_warnings import InputWarnings
from router.tracing import Span, Tracing

log = logging.getLogger("router.ingest")

SOURCE = web.RequestKey("source", str)
"""Where a request keeps the name of its source, once that is known."""

STATUS = web.RequestKey("status", int)
"""Where a request keeps the status that its answer cannot say. It counts with this one."""

TRACEPARENT = "traceparent"
"""The header of W3C Trace Context."""

WEBHOOK_KIND = "segment-webhook"

_UNBELIEVED = frozenset({Sender.JITSU, Sender.WEBHOOK})
"""Whose bodies carry write keys that are masked, or of somebody else."""


class Admitted(NamedTuple):
    """What is to be stored of a request."""

    source: str
    calls: list[Call]
    discards: list[Discard]


class Admission:
    """Takes what was posted, for the source it belongs to."""

    def __init__(
        self,
        sink: CallSink,
        sources: Sources,
        clock: Clock,
        proxies: Networks,
        input_warnings: InputWarnings,
        tracing: Tracing | None = None,
    ) -> None:
        self.sources = sources
        self._sink, self._tracing = sink, tracing
        self._clock = clock
        self._proxies = proxies
        self._input_warnings = input_warnings
        self._limiter = Limiter(clock)

    def identify(self, request: web.Request, sender: Sender = Sender.LIBRARY) -> Source | None:
        """Ask who sends, before the body is read: the source whose key is in a header or the URL. None: it is in the body.

        Raises:
            InvalidCall: the key there belongs to no source of this kind, or that source refuses the request.
        """
        key = write_key_of(request, sender)
        if not key and sender not in _UNBELIEVED:
            return None
        source = self._source_of(request, key, sender)
        if source.rate is not None:
            self._limiter.check(source.name, source.rate)
        cast(Receiver, request.protocol).share.is_known = True
        return source

    def _source_of(self, request: web.Request, key: str, sender: Sender) -> Source:
        source = self.sources.source_of(key)
        request[SOURCE] = source.name
        if source.kind != (WEBHOOK_KIND if sender is Sender.WEBHOOK else "segment"):
            raise UnknownWriteKey("invalid_write_key", "the write key belongs to a source of another kind")
        if source.origins != ("*",):
            _check_origin(source, request)
        return source

    async def take(
        self,
        request: web.Request,
        posted: Posted,
        sender: Sender = Sender.LIBRARY,
        *,
        single: bool = False,
    ) -> int:
        """Store these calls, and return once that is durable: how many of them are duplicates.

        Args:
            sender: who sends to this path.
            single: one call, which a strict source refuses instead of discarding it.

        Raises:
            InvalidCall: the request as a whole is refused.
            StoreError: nothing was stored.
        """
        key = write_key_of(request, sender, None if sender in _UNBELIEVED else posted)
        source = self._source_of(request, key, sender)
        if source.rate is not None:
            self._limiter.check(source.name, source.rate)
        now = self._clock.now_ms()
        self.sources.note_use(key, now)
        if source.enabled:
            forwarded = request.headers.getall(hdrs.X_FORWARDED_FOR, ())
            ip = client_ip(request.remote or "", forwarded, self._proxies)
            calls, discards = posted.calls(source.name, now, ip, privacy=self.sources.privacy.get(source.name))
            if posted.other_type:
                other = posted.other_type[:40]
                log.info("source %s: type %r in the body of a call to %s", source.name, other, request.path)
            if single and discards and source.strict:
                raise InvalidCall(discards[0].code, discards[0].message)
            if posted.notes:
                self._input_warnings.add(source.name, posted.notes, _library_of(calls))
            if source.rate is not None:
                self._limiter.charge(source.name, len(calls))
        else:
            calls, discards = [], [_dropped(source, now, posted)]
        if not (calls or discards):
            return 0
        stored: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        traceparent = request.headers.get(TRACEPARENT, "")
        self.store_soon(Admitted(source.name, calls, discards), partial(_settle, stored), traceparent)
        return await stored

    def store_soon(self, admitted: Admitted, on_done: Callable[[Exception | int], None], traceparent: str) -> None:
        """Hand it to the sink, which calls `on_done`, in a span that lasts until then. Raises what the sink raises."""
        source, calls, discards = admitted
        if self._tracing is None or (span := self._tracing.request(traceparent)) is None:
            self._sink.accept_soon(calls, discards, on_done)
            return
        for call in calls:
            call.body = with_trace(call.body, span.traceparent)
        span.note(source=source, events=len(calls), discards=sum(discard.n for discard in discards))
        try:
            self._sink.accept_soon(calls, discards, partial(_end_span, span, on_done))
        except Exception as error:
            span.end(type(error).__name__)
            raise

    def admit_plain(
        self, posted: Posted, key_beside_body: str, remote: str, forwarded: Iterable[str], *, single: bool
    ) -> Admitted | None:
        """What a library's request comes to at a source that asks nothing of it. None: `take` has to decide, or refuse it."""
        key = choose_key(key_beside_body, posted)
        source = self.sources.find(key)
        if source is None or not source.enabled or source.kind != "segment" or posted.other_type:
            return None
        if source.rate is not None or source.origins != ("*",):
            return None
        ip = client_ip(remote, forwarded, self._proxies)
        now = self._clock.now_ms()
        calls, discards = posted.calls(source.name, now, ip, privacy=self.sources.privacy.get(source.name))
        if single and discards and source.strict:
            return None
        self.sources.note_use(key, now)
        if posted.notes:
            self._input_warnings.add(source.name, posted.notes, _library_of(calls))
        return Admitted(source.name, calls, discards)


def _library_of(calls: Sequence[Call]) -> str:
    """What sent a request: one library sends all calls of it."""
    return library_of(calls[0].body).title if calls else ""


def _end_span(span: Span, on_done: Callable[[Exception | int], None], result: Exception | int) -> None:
    if isinstance(result, Exception):
        span.end(type(result).__name__)
    else:
        span.end(duplicates=result)
    on_done(result)


def _settle(stored: asyncio.Future[int], result: Exception | int) -> None:
    if stored.done():  # the request was cut
        return
    if isinstance(result, Exception):
        stored.set_exception(result)
    else:
        stored.set_result(result)


def _check_origin(source: Source, request: web.Request) -> None:
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and not {"*", origin, origin.lower()}.intersection(source.origins):
        raise InvalidCall("origin_not_allowed", "this source takes no calls from pages of this origin", 403)


def _dropped(source: Source, now: int, posted: Posted) -> Discard:
    # One row for the whole request: a disabled source is no reason to write one for each of its events.
    message = f"the source is disabled; calls dropped: {posted.size}"
    return Discard(source.name, now, "source_disabled", message, n=posted.size)
