"""A plugin that misbehaves while it is made, or at its end, keeps no reload from its end, no start from a clear word, and no client waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.flow import prepared
from tests.flow.harness import Daemon, destination, environment
from tests.flow.test_shutdown import Tuned, ended


class Hasty(Tuned):
    """Gives a plugin a moment to close."""

    tuning = "from router.plugin_host import lifetime; lifetime.CLOSE_S, lifetime.CANCEL_S = 0.2, 0.1"

    def assert_no_fault(self) -> None:
        faults = [line for line in self.log() if line["level"] == "error"]
        assert {line["event"] for line in faults} <= {"plugin_failed", "config_reload_failed"}, faults


def odd(**settings: str) -> list[dict[str, Any]]:
    return [destination("odd", "threshold", settings), destination("neighbour", "threshold", {})]


@pytest.mark.parametrize(
    ("ends", "words"),
    [("hangs", "took longer than 0.2 s to close"), ("raises", "OSError: too late"), ("twice", "RuntimeError")],
)
async def test_a_plugin_that_fails_at_its_end_is_named_and_the_reload_goes_on(
    tmp_path: Path, ends: str, words: str
) -> None:
    async with Hasty(tmp_path, odd(ends=ends)) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        daemon.destinations = odd()
        await daemon.reload()
        [told] = daemon.log("plugin_failed")
        assert (told["destination"], told["plugin"], told["hook"]) == ("odd", "threshold", "lifetime")
        assert words in told["detail"]
        await daemon.post("track", userId="u1", event="E", messageId="m2")
        for name in ("odd", "neighbour"):
            await daemon.becomes("m2", name, "delivered")


async def test_a_plugin_that_is_long_in_the_making_keeps_no_client_waiting(tmp_path: Path) -> None:
    async with Daemon(tmp_path, odd()) as daemon:
        daemon.destinations = odd(made=str(tmp_path / "go"))
        daemon.write_config()
        reloading = asyncio.create_task(daemon.admin("POST", "/api/reload"))
        for n in range(3):
            await daemon.post("track", userId="u1", event="E", messageId=f"m{n}")
            for name in ("odd", "neighbour"):
                await daemon.becomes(f"m{n}", name, "delivered")
        assert not reloading.done()
        (tmp_path / "go").touch()
        status, answer = await reloading
        assert (status, answer["changed"]) == (200, ["odd"])


async def test_a_plugin_that_exits_while_it_is_made_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    async with Hasty(tmp_path, odd()) as daemon:
        daemon.destinations = odd(made="exits")
        daemon.write_config()
        status, answer = await daemon.admin("POST", "/api/reload")
        assert (status, answer["code"]) == (409, "invalid_config")
        [told] = answer["errors"]
        assert told.startswith('destination[0] (odd).plugin: plugin "threshold": cannot be made with these settings')
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "odd", "delivered")
        assert await daemon.terminate() == 0
        daemon.spawn()
        assert await ended(daemon) == 78
        log = tmp_path / "daemon.log"
        assert told in log.read_text()
        log.write_text("")  # a start that is refused has lines for people


class Prompt(Tuned):
    """Waits half a second for what a plugin has left."""

    tuning = "from router import ending; ending.END_S = 0.5"


async def test_a_thread_that_a_plugin_leaves_while_it_is_made_keeps_no_process_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "daemon.log"
    async with Prompt(tmp_path, odd(made="leaves a thread")) as daemon:
        assert await daemon.terminate() == 0
        daemon.destinations[1]["settings"] = {"unknown": True}
        daemon.write_config()
        for verb in ("serve", "check"):
            log.write_text("")
            with log.open("ab") as said:
                words = [verb, "--config", str(daemon.config)]
                daemon.process = prepared.start(words, tmp_path, environment(), said.fileno(), first=daemon.tuning)
            assert await ended(daemon) == 78
            assert "destination[1] (neighbour).settings.unknown" in log.read_text()
            assert log.read_text().endswith("a task or thread of a plugin did not end within 0.5 s: left behind\n")
        log.write_text("")  # these lines are for people
