"""The lifetime of tracing: nothing without an endpoint; at the end, what waits is sent, for a short time."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import TYPE_CHECKING

from router.config import Config
from router.logger import Log
from router.tracing import Tracing

if TYPE_CHECKING:
    from router.tracing.exporting import TellingExporter

FLUSH_S = 2.0
"""So long the last spans may take. A collector that is down costs a stop this much."""


@asynccontextmanager
async def open_tracing(config: Config, log: Log, random: Random) -> AsyncIterator[Tracing | None]:
    """What begins spans; None where `[tracing]` names no collector. OpenTelemetry is imported for the former only."""
    if not config.tracing.endpoint:
        yield None
        return
    from router.tracing.exporting import LastWords, TellingExporter, make_exporter, make_processor
    from router.tracing.otel import OtelTracing

    last_words = LastWords(config.tracing.headers.values())
    last_words.hear()
    exporter = TellingExporter(make_exporter(config.tracing), config.tracing.endpoint, log, last_words)
    processor = make_processor(exporter)
    instance = config.console.instance or socket.gethostname()
    try:
        yield OtelTracing(processor, config.tracing.sample, instance, random)
    finally:
        if await _flush(processor.shutdown, exporter):
            last_words.leave()  # else the thread that is left behind may still speak


async def _flush(shut_down: Callable[[], None], exporter: TellingExporter) -> bool:
    """Let the last spans be sent. A collector that is known to be down gets none, and one that hangs is left behind with its thread: False."""
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def run() -> None:
        shut_down()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(done.set)

    if exporter.is_failing:
        exporter.shutdown()
    threading.Thread(target=run, name="tracing-flush", daemon=True).start()
    try:
        async with asyncio.timeout(FLUSH_S):
            await done.wait()
    except TimeoutError:
        exporter.shutdown()
        exporter.tell_failure(f"the collector did not take the last spans within {FLUSH_S:g} s")
        return False
    return True
