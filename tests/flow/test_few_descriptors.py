"""More connections than the limit of open files permits: whoever has a key is answered, and the log says what is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.flow.harness import Daemon
from tests.flow.test_shutdown import HOOK, Tuned

FILES = 400
CLIENTS = 500


class Poor(Tuned):
    """A daemon that may have few files open."""

    tuning = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES}))"


@pytest.mark.parametrize("listener", ["ingest", "admin"])
async def test_idle_connections_without_end_keep_nobody_else_out(tmp_path: Path, listener: str) -> None:
    async with Poor(tmp_path, [HOOK]) as daemon:
        port = daemon.port if listener == "ingest" else daemon.admin_port
        opened = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", port) for _ in range(CLIENTS)))
        try:
            await answered(daemon, "m1")
        finally:
            for _, writer in opened:
                writer.transport.abort()
        lines = [line for line in daemon.log("library_logged") if "to protect itself" in line["message"]]
        assert lines
        assert lines[0]["message"].startswith(f"the {listener} listener")


async def answered(daemon: Daemon, message_id: str) -> None:
    """An event is stored and delivered, and the admin API says so."""
    await daemon.post("track", userId="u1", event="E", messageId=message_id)
    await daemon.becomes(message_id, "hook", "delivered")
    assert (await daemon.admin("GET", "/readyz"))[0] == 200
