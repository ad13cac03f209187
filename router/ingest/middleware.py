"""Around every handler: bounds what is in flight, answers errors and preflights, lets browsers read the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from router.errors import InvalidCall, StoreBusy, StoreClosed
from router.ingest.admission import SOURCE, STATUS
from router.ingest.cors import grant, preflight
from router.ingest.in_flight import InFlight
from router.ingest.refusals import Refusals
from router.ingest.responses import refusal_for
from router.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Middleware:
    """The one middleware of an application."""

    def __init__(self, metrics: Metrics, in_flight: InFlight, refusals: Refusals) -> None:
        self._metrics = metrics
        self._refusals = refusals
        self._in_flight = in_flight

    @web.middleware
    async def answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The answer to any request."""
        answer: web.StreamResponse
        refused: InvalidCall | None = None
        task = asyncio.current_task()
        assert task is not None
        is_full = self._in_flight.is_full
        self._in_flight.tasks.add(task)
        try:
            if self._in_flight.is_cut:
                raise StoreClosed
            if is_full:
                raise StoreBusy
            answer = await handler(request)
        except asyncio.CancelledError:
            if not self._in_flight.is_cut:
                raise
            task.uncancel()
            answer = refusal_for(StoreClosed())  # it may be stored in the end: the client's retry is then a duplicate
        except InvalidCall as error:
            answer = refusal_for(error)
            # With its traceback it would hold this frame, which holds it: a body of 600 KB would stay until a collection.
            refused = error.with_traceback(None)
        except Exception as error:  # the edge: whatever went wrong, the client gets an answer it can read
            answer = preflight(request) if request.method == hdrs.METH_OPTIONS else refusal_for(error)
        finally:
            self._in_flight.tasks.discard(task)
        source = request.get(SOURCE, "")
        self._metrics.request(source, request.get(STATUS, answer.status))
        if refused is not None:
            self._refusals.note(source, refused)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None:
            grant(origin, answer)
        return answer

    async def cut(self, app: web.Application) -> None:
        """Answer what is in flight with 503 now: the listener ends."""
        self._in_flight.cut()
