"""Keeps pages fresh: fragments over server-sent events. One rendering serves all who look at the same page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web
from aiohttp_sse import EventSourceResponse

from router.console.guard import HEADERS
from router.console.rendered import Fragment
from router.console.sse_message import Message
from router.console.turns import SEND_S, VIEW_S, Turns
from router.ingest import limits

EVERY_S = 1.0
"""How often a page is rendered anew while somebody looks at it."""

PING_S = 15.0
"""A tab that is gone is noticed within this time, when a ping does not reach it."""

SEND_TIMEOUT_S = 30.0
"""A tab that reads nothing is given up after this time."""

Render = Callable[[web.Request], Awaitable[Fragment | None]]
Make = Callable[[Fragment], Message]


class Viewer:
    """One browser tab. It keeps the newest rendering only, so a slow one costs no memory."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self._newest: Message | None = None
        self._news = asyncio.Event()

    def show(self, message: Message) -> None:
        """Give it a rendering to send."""
        self._newest = message
        self._news.set()

    async def next(self) -> Message | None:
        """The newest rendering that was not sent yet; None: the stream ends."""
        await self._news.wait()
        self._news.clear()
        return self._newest

    def end(self) -> None:
        """Send nothing more."""
        self._newest = None
        self._news.set()


class Streams:
    """The open streams, by page."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]], make: Make, turns: Turns) -> None:
        """`make`: of a rendering what is sent at this moment."""
        self._sleep, self._make, self._turns = sleep, make, turns
        self._viewers: dict[str, list[Viewer]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sending = 0  #: bytes on their way to browsers
        self._is_closed = False

    async def serve(
        self, request: web.Request, render: Render, form_token: str, may_see: Callable[[], bool]
    ) -> web.StreamResponse:
        """Send the page of this request anew whenever it has changed, until the browser goes. `render`: for all who look at
        it; `form_token`: of this one; `may_see`: whether this one may see it still."""
        if self._is_closed or sum(map(len, self._viewers.values())) >= limits.most_streams():
            raise web.HTTPServiceUnavailable(text="too many pages are open; this one stays as it is")
        viewer, page = Viewer(request), request.path_qs
        self._join(page, viewer, render)
        try:
            answer = EventSourceResponse(ping_interval=PING_S, send_timeout=SEND_TIMEOUT_S, headers=HEADERS)
            with contextlib.suppress(ConnectionResetError):  # the tab is closed
                await answer.prepare(request)
                async with answer:
                    while (message := await viewer.next()) is not None and may_see():
                        if not await self._sent(request, answer, message.bytes_for(form_token)):
                            break  # the browser comes again
        finally:
            self._leave(page, viewer)
        return answer

    async def _sent(self, request: web.Request, answer: EventSourceResponse, message: bytes) -> bool:
        """False: too much is on its way to browsers that do not read, or this one reads nothing."""
        if self._sending and self._sending + len(message) > limits.STREAMS_BYTES:
            return False
        self._sending += len(message)
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await answer.write(message)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()  # to close it would wait for what was written
            return False
        finally:
            self._sending -= len(message)
        return True

    async def close(self, app: web.Application) -> None:
        """End all streams: the daemon stops."""
        self._is_closed = True
        for viewers in list(self._viewers.values()):
            for viewer in viewers:
                viewer.end()

    def _join(self, page: str, viewer: Viewer, render: Render) -> None:
        self._viewers.setdefault(page, []).append(viewer)
        if page not in self._tasks:
            self._tasks[page] = asyncio.create_task(self._keep_fresh(page, render))

    def _leave(self, page: str, viewer: Viewer) -> None:
        viewers = self._viewers[page]
        viewers.remove(viewer)
        if not viewers:
            del self._viewers[page]
            self._tasks.pop(page).cancel()

    async def _keep_fresh(self, page: str, render: Render) -> None:
        shown: dict[Viewer, Fragment] = {}
        try:
            while viewers := self._viewers.get(page):
                await self._turns.take(VIEW_S)
                fragment = await render(viewers[0].request)
                if fragment is not None:  # else it could not be rendered this time: it stays as it is
                    behind = [viewer for viewer in viewers if shown.get(viewer) != fragment]
                    shown = dict.fromkeys(viewers, fragment)
                    await self._show(fragment, behind)
                await self._sleep(EVERY_S)
        finally:
            for viewer in self._viewers.get(page, ()):
                viewer.end()

    async def _show(self, fragment: Fragment, behind: Sequence[Viewer]) -> None:
        if behind:
            message = self._make(fragment)
            for viewer in behind:
                await self._turns.take(SEND_S)
                viewer.show(message)
