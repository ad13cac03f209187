"""Browser tabs that look at pages of the console, in a process of their own: each reads what the daemon sends it, as long as it is asked
to. The process shares a core with the load generator, so it gives way to it: what tabs read must not make the answers look late."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any

import aiohttp
import msgspec

SAYS_LEFT_OUT = b"left out here", b"These rows are as of"
"""The words with which a page says that it does not show each event, or not those of the last seconds."""

GIVES_WAY = 19
"""The niceness of the process where the system has no policy for what runs only while nothing else does."""


class Viewed(msgspec.Struct, frozen=True):
    """What the tabs have seen."""

    refreshes: int
    megabytes: float
    say_left_out: int  #: tabs that said, at their last refresh or before, how many events they leave out


class Tab:
    """One of them."""

    def __init__(self) -> None:
        self.refreshes = self.bytes = 0
        self.says_left_out = False
        self.has_begun = asyncio.Event()
        self._message = b""

    async def look(self, http: aiohttp.ClientSession, url: str) -> None:
        """Read until somebody ends it."""
        async with http.get(url) as answer:
            answer.raise_for_status()
            async for chunk in answer.content.iter_any():
                self.take(chunk)

    def take(self, chunk: bytes) -> None:
        """A part of what came."""
        self.bytes += len(chunk)
        *whole, self._message = (self._message + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        for message in whole:
            if message.startswith(b"data:") or b"\ndata:" in message:  # else a sign of life
                self.refreshes += 1
                self.says_left_out |= any(words in message for words in SAYS_LEFT_OUT)
                self.has_begun.set()


def _give_way() -> None:
    """Run when the load generator waits. A nice process that runs already would keep its core for some milliseconds all the same.
    Source: sched(7)"""
    if sys.platform == "linux":
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(GIVES_WAY)


async def serve_viewers(port: int, paths: Sequence[str], say: Any) -> None:
    """Open these pages, say so once each has come, look until a line comes, and say what was seen."""
    _give_way()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    tabs = [Tab() for _ in paths]
    patient = aiohttp.ClientTimeout(total=None, sock_read=60)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=patient) as http:
        looking = [
            asyncio.create_task(tab.look(http, f"http://127.0.0.1:{port}{path}"))
            for tab, path in zip(tabs, paths, strict=True)
        ]
        await asyncio.gather(*(tab.has_begun.wait() for tab in tabs))
        say(True)
        await lines.readline()
        for one in looking:
            one.cancel()
        await asyncio.gather(*looking, return_exceptions=True)
    said = sum(tab.says_left_out for tab in tabs)
    say(Viewed(sum(tab.refreshes for tab in tabs), sum(tab.bytes for tab in tabs) / 1e6, said))
