"""docs/plugin-tutorial.md: the plugins that it shows load, and do what the page says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from router.deliver.runner import Runner
from router.plugin_host import read
from router.testing.vendor import FakeVendor, Received, Reply
from tests.contract.rig import Rig, open_rig
from tests.docs.pages import ROOT, blocks

TUTORIAL = ROOT / "docs/plugin-tutorial.md"
MINUTE_S = 60.0


def shown(start: str) -> str:
    """The Python of the page that begins like this."""
    (block,) = [block for block in blocks(TUTORIAL, "python") if block.text.startswith(start)]
    return block.text


class Pulse:
    """The vendor of the page: gives out tokens, which end after `lifetime` requests, and refuses what is named `Bad`."""

    def __init__(self, lifetime: int = 1_000) -> None:
        self.tokens, self.left, self.lifetime = 0, 0, lifetime
        self.refuses = False  #: the client secret
        self.batches: list[list[dict[str, Any]]] = []

    def answer(self, request: Received) -> Reply:
        """One token, or a result for each activity."""
        if request.url == "/token":
            assert request.json() == {"client_id": "router", "client_secret": "secret of pulse"}
            if self.refuses:
                return Reply(401)
            self.tokens, self.left = self.tokens + 1, self.lifetime
            return Reply(json={"access_token": f"token-{self.tokens}"})
        if request.headers["authorization"] != f"Bearer token-{self.tokens}" or not self.left:
            return Reply(401)
        self.left -= 1
        self.batches.append(request.json()["activities"])
        results = [{"ok": one["did"] != "Bad", "error": "no such activity"} for one in self.batches[-1]]
        return Reply(207, json={"results": results})

    @property
    def activities(self) -> list[dict[str, Any]]:
        """All that were taken or refused, in order."""
        return [activity for batch in self.batches for activity in batch]


@asynccontextmanager
async def running(folder: Path, pulse: Pulse) -> AsyncIterator[Rig]:
    """The plugin and the configuration of the page, on a store and a clock of their own."""
    (table,) = [block.text for block in blocks(TUTORIAL, "toml") if 'plugin = "pulse"' in block.text]
    (folder / "plugins.d").mkdir()
    (folder / "plugins.d/pulse.py").write_text(shown("# plugins.d/pulse.py"))
    (folder / "secrets").mkdir()
    (folder / "secrets/pulse").write_text("secret of pulse")
    (folder / "secrets/pulse").chmod(0o600)
    async with FakeVendor() as vendor, open_rig(folder) as rig:
        vendor.answer = pulse.answer
        path = folder / "config.toml"
        table = table.replace('\nname = "pulse"', '\nname = "d"')
        path.write_text(table.replace("[destination.settings]", f'[destination.settings]\nbase_url = "{vendor.url}"'))
        loaded, (destination,) = read(path, {})
        assert not loaded.warnings
        rig.runner = Runner(destination, rig.store, rig.clock, rig.log, rig.random)
        rig._task = asyncio.create_task(rig.runner.run())
        await rig.runner.worker()
        yield rig
        await rig.stop()


async def send(rig: Rig, *calls: tuple[str, str]) -> None:
    """A track call for each user and event name, which is its message id too; until all are sent."""
    for user, event in calls:
        await rig.call("track", event, userId=user, event=event)
    await rig.pass_time(1)  # longer than a batch lingers


async def test_activities_travel_in_batches_and_a_bad_one_takes_no_other_along(tmp_path: Path) -> None:
    pulse = Pulse()
    async with running(tmp_path, pulse) as rig:
        await send(rig, ("u1", "Opened"), ("u2", "Bad"), ("u3", "Closed"))
        assert [sorted(one["did"] for one in batch) for batch in pulse.batches] == [["Bad", "Closed", "Opened"]]
        assert await rig.fate("Bad") == ("dead", "rejected")
        assert await rig.fate("Opened") == await rig.fate("Closed") == ("delivered", "")


async def test_a_visit_ends_half_an_hour_after_its_last_event_with_their_number(tmp_path: Path) -> None:
    pulse = Pulse()
    async with running(tmp_path, pulse) as rig:
        await send(rig, ("u1", "Opened"), ("u1", "Closed"))
        await rig.pass_time(29 * MINUTE_S, step=MINUTE_S)
        assert len(pulse.activities) == 2
        await rig.pass_time(2 * MINUTE_S, step=MINUTE_S)
        ended = pulse.activities[-1]
        assert (ended["user"], ended["did"], ended["events"]) == ("u1", "Visit ended", 2)


async def test_one_token_serves_all_and_a_new_one_is_fetched_when_it_has_expired(tmp_path: Path) -> None:
    pulse = Pulse(lifetime=2)
    async with running(tmp_path, pulse) as rig:
        for user, event in (("u1", "Opened"), ("u2", "Closed")):
            await send(rig, (user, event))
        assert pulse.tokens == 1
        await send(rig, ("u3", "Left"))
        assert pulse.tokens == 2
        assert [one["did"] for one in pulse.activities] == ["Opened", "Closed", "Left"]


async def test_a_wrong_client_secret_pauses_the_destination_and_loses_nothing(tmp_path: Path) -> None:
    pulse = Pulse()
    pulse.refuses = True
    async with running(tmp_path, pulse) as rig:
        await send(rig, ("u1", "Opened"))
        assert rig.runner.status.state == "paused"
        assert (await rig.fate("Opened"))[0] == "queued"


@pytest.mark.parametrize("start", ["# plugins.d/announcer.py", "# plugins.d/pulse.py"])
def test_the_page_shows_whole_files(start: str) -> None:
    compile(shown(start), start, "exec")
