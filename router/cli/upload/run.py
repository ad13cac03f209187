"""Window after window: while the daemon works on the batches of one, the next is made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from router.cli.client import Client
from router.cli.endpoint import Failed
from router.cli.upload.post import Posting, said
from router.cli.upload.windows import Window
from router.clock import Clock

DUPLICATES = "segment-router-duplicates"
"""The header that has the number of duplicates in a batch (`router/ingest/responses.py`); none says that there are none."""


class Upload:
    """One input on its way. A window goes out when the one before it is acknowledged, so the order of each user is kept.

    Args:
        connect: makes a connection to the ingestion listener. There are as many as a window has batches, at most CONNECTIONS.
        told: called with each window that is acknowledged, in order.
        per_second: calls; None for as many as the daemon takes.
    """

    def __init__(
        self,
        connect: Callable[[], Client],
        clock: Clock,
        told: Callable[[Window], None],
        per_second: float | None = None,
    ) -> None:
        self.acknowledged = 0  #: calls that were answered 200
        self.duplicates = 0  #: of these, calls that were stored before
        self._connect, self._clock, self._told, self._per_second = connect, clock, told, per_second
        self._connections: list[Client] = []
        self._due = clock.monotonic()  #: when the next window may go, with a rate
        self._answered = False  #: whether the daemon ever was there
        self._on_its_way: tuple[Window, list[Posting]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections:
            connection.close()

    def run(self, windows: Iterator[Window]) -> None:
        """Send every window.

        Raises:
            BadInput, Failed: from making the windows; what is before it is acknowledged by then.
            Failed: the daemon takes no more.
        """
        stopped: Failed | None = None
        window: Window | None
        while True:
            try:
                window = next(windows, None)
            except Failed as error:
                window, stopped = None, error
            self._finish()
            if window is None:
                break
            self._start(window)
        if stopped:
            raise stopped

    def _start(self, window: Window) -> None:
        if self._per_second and window.calls:
            now = self._clock.monotonic()
            if self._due > now:
                asyncio.run(self._clock.sleep(self._due - now))
            self._due = max(self._due, now) + window.calls / self._per_second
        while len(self._connections) < len(window.bodies):
            self._connections.append(self._connect())
        sent = [
            Posting(connection, "/v1/batch", body, self._clock)
            for connection, body in zip(self._connections, window.bodies, strict=False)
        ]
        self._on_its_way = (window, sent)

    def _finish(self) -> None:
        """Wait until the window on its way is acknowledged."""
        if self._on_its_way is None:
            return
        window, sent = self._on_its_way
        self._on_its_way = None
        for posting in sent:
            answer = posting.answer(was_there=self._answered)
            if answer.status != 200:
                raise Failed(f"refused with status {answer.status}{said(answer.json)}")
            self._answered = True
            self.duplicates += int(answer.headers.get(DUPLICATES, 0))
        self.acknowledged += window.calls
        self._told(window)
