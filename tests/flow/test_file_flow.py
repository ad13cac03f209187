"""The file destination in a real daemon: a place that cannot be written costs nothing but time, and a dry run writes nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from tests.flow.harness import Daemon, destination


async def test_a_file_that_cannot_be_written_holds_back_only_itself_until_it_can(tmp_path: Path) -> None:
    """The events are tried again, with the system's words, and come in order; another file goes on."""
    blocked, free = tmp_path / "blocked.jsonl", tmp_path / "free.jsonl"
    await asyncio.to_thread(blocked.mkdir)
    tables = [destination(file.stem, "file", {"path": file}) for file in (blocked, free)]
    async with Daemon(tmp_path, tables) as daemon:
        for n in range(3):
            await daemon.post("track", userId="u1", event=f"E{n}", messageId=f"m{n}")
        await daemon.becomes("m0", "blocked", "retrying", "file")
        await daemon.becomes("m2", "free", "delivered", "")
        assert [(await daemon.message(f"m{n}"))["destinations"]["blocked"]["state"] for n in (1, 2)] == ["queued"] * 2
        first, *_ = (await daemon.message("m0"))["destinations"]["blocked"]["attempts"]
        assert (first["status"], first["reason"], first["error"]) == (None, "file", f"Is a directory: {blocked}")
        await asyncio.to_thread(blocked.rmdir)
        for n in range(3):
            await daemon.becomes(f"m{n}", "blocked", "delivered", "")
    for file in (blocked, free):
        lines = (await asyncio.to_thread(file.read_text)).splitlines()
        assert [json.loads(line)["messageId"] for line in lines] == ["m0", "m1", "m2"]


async def test_a_dry_run_makes_no_file_and_shows_the_line(tmp_path: Path) -> None:
    file = tmp_path / "made" / "events.jsonl"
    async with Daemon(tmp_path, [destination("dry", "file", {"path": file}, mode="dry-run")]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "dry", "delivered", "dry_run")
        assert "m1" in json.dumps((await daemon.message("m1"))["destinations"]["dry"]["attempts"])
    assert not await asyncio.to_thread(file.parent.exists)
