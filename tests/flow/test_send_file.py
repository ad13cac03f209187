"""A file of calls is interrupted, the daemon is killed, and the line that it says to go on with brings the rest: once, in each user's order."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

from tests.flow.harness import ROOT, Daemon, eventually
from tests.flow.verbs import Command

CALLS, USERS = 9_000, 7


def start(daemon: Daemon, *words: str) -> Command:
    """Start `send` in the daemon's folder."""
    return Command(daemon.folder, "send", *words, "--config", str(daemon.config))


async def test_what_was_interrupted_goes_on_and_every_call_is_stored_once_in_its_user_s_order(tmp_path: Path) -> None:
    lines = [json.dumps({"type": "track", "userId": f"u{n % USERS}", "event": f"E{n}"}) for n in range(CALLS)]
    (tmp_path / "calls.jsonl").write_text("\n".join(lines))
    checkpoint = tmp_path / "calls.jsonl.checkpoint"

    async def is_under_way() -> bool:
        return checkpoint.exists()

    async with Daemon(tmp_path, []) as daemon:
        first = start(daemon, "calls.jsonl", "--rate", "500/s")
        await eventually(is_under_way, what="a batch is acknowledged")
        first.send_signal(signal.SIGINT)
        code, _, errors = await first.end()
        assert (code, "go on with: " in errors) == (130, True), errors
        daemon.kill()
        await daemon.restart()
        second = start(daemon, "calls.jsonl", "--resume", "--json")
        code, said, errors = await second.end()
        assert code == 0, errors
        assert json.loads(said)["acknowledged"] == CALLS
        code, said, errors = await start(daemon, "calls.jsonl", "--resume").end()
        assert (code, "all of calls.jsonl was sent before: 9,000 calls" in said) == (0, True), errors
        assert (await daemon.ledger())["accepted"] == CALLS
        bodies = [
            json.loads(bytes(body).split(b"\n", 1)[1]) for (body,) in daemon.rows("SELECT body FROM log ORDER BY pos")
        ]
        again = start(daemon, "calls.jsonl", "--json")
        _, said, errors = await again.end()
        assert json.loads(said)["duplicates_now"] == CALLS, errors
        for user in range(USERS):
            events = [body["event"] for body in bodies if body["userId"] == f"u{user}"]
            assert events == [f"E{n}" for n in range(CALLS) if n % USERS == user]


async def test_the_example_files_of_the_page_are_taken_whole(tmp_path: Path) -> None:
    async with Daemon(tmp_path, []) as daemon:
        for name, calls in (("calls.jsonl", 3), ("users.csv", 2)):
            shutil.copy(ROOT / "docs/examples" / name, tmp_path)
            code, said, errors = await start(daemon, name).end()
            assert code == 0, errors
            assert said.startswith(f"{calls} calls acknowledged in ")
        ledger = await daemon.ledger()
        assert (ledger["accepted"], ledger["discarded"]) == (5, 0)
