"""States that a router is in as a whole, each really caused, and the pages that show it.

async with STATES["full disk"](tmp_path) as shown:
    ...  # open shown.pages, await shown.then(), and look
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from router.testing.vendor import FakeVendor, Reply
from tests.browser import (
    states_of_cluster,
    states_of_events,
    states_of_plugins,
    states_of_stores,
    states_of_trials,
    states_of_troubles,
)
from tests.browser.state import CONSOLE, DRY, Seen, Shown
from tests.flow.harness import AUTHORIZATION, Daemon, destination
from tests.flow.odd_daemon import FullDaemon, OddDaemon, on_odd_machine

if TYPE_CHECKING:
    from playwright.async_api import Page

TOKEN = "a-token-of-twenty-four-bytes"
DAY_S = 86_400.0


class Bare(Daemon):
    """One without a source."""

    def write_config(self) -> None:
        super().write_config()
        self.config.write_text(self.config.read_text().partition("[[source]]")[0])


@asynccontextmanager
async def fresh(folder: Path) -> AsyncIterator[Shown]:
    """Nothing has come yet."""
    async with Daemon(folder, [DRY], console=CONSOLE) as daemon:
        yield Shown(
            daemon.admin_url,
            {
                "empty, overview": Seen("/", "Waiting for the first event"),
                "empty, live": Seen("/events", "could not be used are not here"),
                "empty, source": Seen("/sources/website", "Every call could be used"),
                "empty, destination": Seen("/destinations/hook", "No event is dead or retrying"),
                "empty, charts": Seen("/destinations/hook/charts", "hour"),
                "empty, find": Seen("/find?q=nobody", "the log is empty"),
                "empty, held": Seen("/destinations/hook/held", "Nothing is held at hook"),
                "empty, dead": Seen("/destinations/hook/dead", "No dead letters at hook"),
                "empty, errors": Seen("/destinations/hook/errors", "No event is dead or retrying at hook"),
                "empty, replays": Seen("/replays", "Never replayed"),
                "cluster, a file": Seen("/cluster", "The store is a file"),
                "edit switched off": Seen("/settings", "Changing destinations here is off"),
            },
        )


@asynccontextmanager
async def unconfigured(folder: Path) -> AsyncIterator[Shown]:
    """No source and no destination."""
    async with Bare(folder, [], console=CONSOLE) as daemon:
        pages = {
            "nothing configured, overview": Seen("/", "No source is configured"),
            "nothing configured, replays": Seen("/replays", "No destination is configured"),
            "nothing configured, try": Seen("/try", "Try"),
        }
        yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def full_disk(folder: Path) -> AsyncIterator[Shown]:
    """Less room than `store.min_free`, and a call that was refused for it."""
    daemon = FullDaemon(folder, [DRY], "store_full", store={"min_free": "1000TB"}, console=CONSOLE)
    async with daemon, aiohttp.ClientSession() as http:
        call = {"userId": "u1", "event": "E", "messageId": "m1"}
        async with http.post(f"{daemon.url}/v1/track", json=call, headers=AUTHORIZATION) as answer:
            assert answer.status == 503
        yield Shown(daemon.admin_url, {"full disk": Seen("/", "The store refuses events")})


@asynccontextmanager
async def slow_store(folder: Path) -> AsyncIterator[Shown]:
    """The disk reads nothing for a while."""
    with on_odd_machine(folder):
        async with OddDaemon(folder, [DRY], console=CONSOLE) as daemon:
            await daemon.post("track", userId="u1", event="E", messageId="m1")
            await daemon.settled()
            daemon.disk("read wal SLOW 600", "read db SLOW 600")
            await daemon.post("track", userId="u1", event="E", messageId="m2")  # so what was read before is out of date
            yield Shown(daemon.admin_url, {"slow store, overview": Seen("/", "Counts are loading")})
            daemon.disk()


@asynccontextmanager
async def refused_reload(folder: Path) -> AsyncIterator[Shown]:
    """config.toml was read again and refused."""
    async with OddDaemon(folder, [DRY], "config_reload_failed", console=CONSOLE) as daemon:
        daemon.destinations = [{**DRY, "plugin": "colector", "mode": "sometimes"}]
        daemon.write_config()
        assert (await daemon.admin("POST", "/api/reload"))[0] == 409
        pages = {
            "refused reload, overview": Seen("/", "config.toml was refused"),
            "refused reload, configuration": Seen("/settings", "The last reload was refused"),
        }
        yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def silent_source(folder: Path) -> AsyncIterator[Shown]:
    """A source that used to send sends nothing any more."""
    with on_odd_machine(folder):
        async with OddDaemon(folder, [DRY], console=CONSOLE) as daemon:
            for n in range(12):
                await daemon.post("track", userId="u1", event="E", messageId=f"m{n}")
            await daemon.settled()
            assert await daemon.terminate() == 0
            daemon.wall(2 * DAY_S)
            await daemon.restart()
            pages = {
                "silent source, overview": Seen("/", "silent for"),
                "silent source, source": Seen("/sources/website", "silent for"),
            }
            yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def stopping(folder: Path) -> AsyncIterator[Shown]:
    """A request is in flight, so the stop takes a moment."""
    async with FakeVendor(Reply(200, delay_s=12)) as vendor:
        slow = destination("slow", "collector", {"base_url": vendor.url})
        async with Daemon(folder, [slow], console=CONSOLE) as daemon:
            await daemon.post("track", userId="u1", event="E", messageId="m1")
            await vendor.received(1)

            async def stop() -> None:
                assert daemon.process is not None
                daemon.process.send_signal(signal.SIGTERM)

            yield Shown(daemon.admin_url, {"stopping": Seen("/", "Shutting down.")}, stop)
            await daemon.terminate()  # a second signal: at once


@asynccontextmanager
async def not_connected(folder: Path) -> AsyncIterator[Shown]:
    """The router is gone while its pages are open."""
    async with Daemon(folder, [DRY], console=CONSOLE) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()

        async def die() -> None:
            daemon.kill()

        pages = {
            "not connected, overview": Seen("/", "not connected since"),
            "not connected, live": Seen("/events", "not connected since"),
        }
        yield Shown(daemon.admin_url, pages, die)


async def log_in(page: Page) -> None:
    """With the right token."""
    await _log_in(page, TOKEN)


async def enter(page: Page) -> None:
    """The same, up to the first page."""
    await _log_in(page, TOKEN)
    await page.locator("#dot[data-state=live]").wait_for(state="attached")


async def log_in_wrong(page: Page) -> None:
    """With a wrong one."""
    await _log_in(page, "wrong")


async def _log_in(page: Page, token: str) -> None:
    await page.get_by_label("Admin token").fill(token)
    await page.get_by_role("button", name="Log in").click()


@asynccontextmanager
async def logged_out(folder: Path) -> AsyncIterator[Shown]:
    """Nobody is logged in, then somebody is refused, and somebody's session ends while a page is open: the router was restarted."""
    async with Daemon(folder, [DRY], admin={"token": TOKEN}, console=CONSOLE) as daemon:
        pages = {
            "login": Seen("/login", "Admin token"),
            "login, refused": Seen("/login", "That is not the admin token.", log_in_wrong),
            "logged out": Seen("/login", "logged out: load this page again", enter),
        }

        async def end() -> None:
            assert await daemon.terminate() == 0
            await daemon.restart()

        yield Shown(daemon.admin_url, pages, end)


@asynccontextmanager
async def locked_out(folder: Path) -> AsyncIterator[Shown]:
    """Too many wrong tokens were given."""
    async with (
        Daemon(folder, [DRY], admin={"token": TOKEN}, console=CONSOLE) as daemon,
        aiohttp.ClientSession() as http,
    ):
        for n in range(10):
            async with http.post(f"{daemon.admin_url}/login", data={"token": f"wrong {n}"}):
                pass
        pages = {"login, locked": Seen("/login", "Too many wrong tokens were given", log_in)}
        yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def two_troubles(folder: Path) -> AsyncIterator[Shown]:
    """What an operator sees on most bad days: two tools that do not take what they get."""
    async with (
        FakeVendor() as well,
        FakeVendor(Reply(401, body=b"bad key")) as locked,
        FakeVendor(Reply(429, headers={"Retry-After": "3000"})) as busy,
    ):
        urls = {"clientsuccess": locked.url, "braze": busy.url, "freshsuccess": well.url}
        tables = [destination(name, "collector", {"base_url": url}) for name, url in urls.items()]
        daemon = Daemon(folder, tables, console=CONSOLE)
        daemon.more_sources = [{"name": "app", "write_key": "wk_app"}]
        async with daemon:
            for n in range(3):
                await daemon.post("track", userId=f"u{n}", event="E", messageId=f"m{n}")
            await daemon.becomes("m2", "freshsuccess", "delivered")
            pages = {"two troubles": Seen("/", "2 troubles")}
            yield Shown(daemon.admin_url, pages)


@asynccontextmanager
async def by_hand(folder: Path) -> AsyncIterator[Shown]:
    """An operator paused it."""
    async with Daemon(folder, [DRY], console=CONSOLE) as daemon:
        await daemon.admin("POST", "/api/destinations/hook/pause", {"reason": "moving house"})
        yield Shown(daemon.admin_url, {"paused by hand": Seen("/destinations/hook", "moving house")})


STATES: dict[str, Callable[[Path], AbstractAsyncContextManager[Shown]]] = {
    "empty": fresh,
    "nothing configured": unconfigured,
    "full disk": full_disk,
    "slow store": slow_store,
    "refused reload": refused_reload,
    "silent source": silent_source,
    "stopping": stopping,
    "not connected": not_connected,
    "logged out": logged_out,
    "locked out": locked_out,
    "two troubles": two_troubles,
    "paused by hand": by_hand,
    "odd history": states_of_events.odd_history,
    "replay under way": states_of_events.replay_under_way,
    "more than can be read": states_of_events.flood,
    "many events of one": states_of_events.many_of_one,
    "old events": states_of_events.old,
    "late events": states_of_events.late,
    "a day later": states_of_troubles.a_day_later,
    "pauses": states_of_troubles.pauses,
    "trials": states_of_trials.trials,
    "held store": states_of_stores.held_store,
    "low disk": states_of_stores.low_disk,
    "broken store": states_of_stores.broken_store,
    "database away": states_of_stores.database_away,
    "database not trimmed": states_of_stores.not_trimmed,
    "held up": states_of_plugins.held_up,
    "one node": states_of_cluster.one_node,
    "several nodes": states_of_cluster.nodes,
    "files differ": states_of_cluster.differing,
    "a dead node": states_of_cluster.dead,
}
"""By name."""
