"""A file of calls is interrupted, the daemon is killed, and the line that it says to go on with brings the rest: once, in each user's order."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from tests.flow.harness import Daemon, environment, eventually

CALLS, USERS = 9_000, 7


def _as_in_a_terminal() -> None:
    """A suite in the background of a shell ignores SIGINT, and so would what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def start(daemon: Daemon, *words: str) -> asyncio.subprocess.Process:
    """Start `send` in the daemon's folder."""
    command = (sys.executable, "-m", "router", "send", *words, "--config", str(daemon.config))
    return await asyncio.create_subprocess_exec(
        *command, cwd=daemon.folder, env=environment(), preexec_fn=_as_in_a_terminal,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_what_was_interrupted_goes_on_and_every_call_is_stored_once_in_its_user_s_order(tmp_path: Path) -> None:
    lines = [json.dumps({"type": "track", "userId": f"u{n % USERS}", "event": f"E{n}"}) for n in range(CALLS)]
    (tmp_path / "calls.jsonl").write_text("\n".join(lines))
    checkpoint = tmp_path / "calls.jsonl.checkpoint"

    async def is_under_way() -> bool:
        return checkpoint.exists()

    async with Daemon(tmp_path, []) as daemon:
        first = await start(daemon, "calls.jsonl", "--rate", "500/s")
        await eventually(is_under_way, what="a batch is acknowledged")
        first.send_signal(signal.SIGINT)
        _, errors = await first.communicate()
        assert first.returncode == 130, errors.decode()
        assert b"go on with: " in errors
        daemon.kill()
        await daemon.restart()
        second = await start(daemon, "calls.jsonl", "--resume", "--json")
        said, errors = await second.communicate()
        assert second.returncode == 0, errors.decode()
        assert json.loads(said)["acknowledged"] == CALLS
        assert not checkpoint.exists()
        assert (await daemon.ledger())["accepted"] == CALLS
        bodies = [
            json.loads(bytes(body).split(b"\n", 1)[1]) for (body,) in daemon.rows("SELECT body FROM log ORDER BY pos")
        ]
        again = await start(daemon, "calls.jsonl", "--json")
        said, errors = await again.communicate()
        assert json.loads(said)["duplicates_now"] == CALLS, errors.decode()
        for user in range(USERS):
            events = [body["event"] for body in bodies if body["userId"] == f"u{user}"]
            assert events == [f"E{n}" for n in range(CALLS) if n % USERS == user]
