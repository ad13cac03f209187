"""`doctor` beside a daemon: while it runs, after it was killed, and by a user who may see nothing of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor
from tests.flow.harness import Daemon, destination, unmeasured

NOBODY = 65534


AS_NOBODY = f"""
import contextlib, io, os, sys
from router.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main(sys.argv[1:])  # imports everything, which nobody may not
os.setgroups([])
os.setgid({NOBODY})
os.setuid({NOBODY})
sys.exit(main(sys.argv[1:]))
"""


async def doctor(daemon: Daemon, *, as_nobody: bool = False) -> tuple[int, dict[str, Any]]:
    """Exit code and answer."""
    program = ["-c", AS_NOBODY] if as_nobody else ["-m", "router"]
    command = [sys.executable, *program, "doctor", "--json", "--config", str(daemon.config)]
    done = await asyncio.to_thread(
        lambda: subprocess.run(command, capture_output=True, text=True, env=unmeasured(), check=False)
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


def of(told: dict[str, Any], code: str) -> list[dict[str, str]]:
    return [found for found in told["findings"] if found["code"] == code]


async def test_a_daemon_is_examined_while_it_runs_and_after_it_was_killed(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        hook = destination("hook", "webhook", {"url": vendor.url})
        async with Daemon(tmp_path, [hook]) as daemon:
            await daemon.post("track", userId="u1", event="Opened", messageId="m1")
            await daemon.settled()
            code, told = await doctor(daemon)
            assert (code, told["running"]) == (0, True)
            assert of(told, "descriptors")[0]["sentence"].startswith("the daemon, which uses ")
            assert [found["level"] for found in of(told, "connect")] == ["ok"]
            daemon.kill()
            code, told = await doctor(daemon)
            assert (code, told["running"]) == (0, False)
            assert of(told, "store")[0]["level"] == "ok", "its WAL was left behind"
            await daemon.restart()
            await daemon.post("track", userId="u1", event="Opened", messageId="m2")
            await daemon.settled()
        assert {item["messageId"] for seen in vendor.requests for item in [seen.json()]} >= {"m1", "m2"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that everybody may enter; nobody may enter those of pytest."""
    with tempfile.TemporaryDirectory(prefix="segment-router-doctor-") as name:
        os.chmod(name, 0o711)
        yield Path(name)


async def test_another_user_sees_what_that_user_may_see_and_no_traceback(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can run it as another user")
    (folder / "key").write_text("app_key")
    (folder / "key").chmod(0o600)
    async with Daemon(folder, [], store={"url": "sqlite:var/router.db"}) as daemon:
        more = '[[source]]\nname = "app"\nwrite_key = { file = "key" }\n'
        daemon.config.write_text(f"{daemon.config.read_text()}\n{more}")
        daemon.config.chmod(0o644)
        assert (folder / "var").stat().st_mode & 0o077 == 0
        code, told = await doctor(daemon, as_nobody=True)
        assert told["running"] is None
        levels = {found["code"]: found["level"] for found in told["findings"]}
        assert (levels["space"], levels["store"], levels["configuration"]) == ("ok", "unknown", "unknown")
        assert code == 0
