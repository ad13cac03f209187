"""`[notify]`: whoever listens is told of each change of state once, over restarts and over a time in which nobody listens."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Hang, Received, Reply
from tests.flow.harness import Daemon, Table, destination, eventually

OK = Reply(200, json={})


def hook(url: str = "http://127.0.0.1:9") -> Table:
    return destination("hook", "collector", {"base_url": url})


def listening(folder: Path, listener: FakeVendor, *destinations: Table, **keys: Any) -> Daemon:
    """A daemon that tells this listener."""
    tables = destinations or (hook(),)
    return Daemon(folder, tables, notify={"url": f"{listener.url}/here?a=b", **keys}, console={"instance": "prod-1"})


def told(listener: FakeVendor) -> list[list[str]]:
    """What each message told of."""
    return [[f"{c['change']} {c['code']} {c['subject']}" for c in seen.json()["changes"]] for seen in listener.requests]


async def has_told(listener: FakeVendor, *messages: list[str]) -> None:
    """It has been told exactly this by now."""

    async def look() -> bool:
        return len(told(listener)) >= len(messages)

    await eventually(look, what=f"{messages}")
    assert told(listener) == list(messages)


async def is_stored(daemon: Daemon, n: int) -> None:
    """The notifier has written down that so many messages were taken."""

    async def look() -> bool:
        return len(daemon.log("notified")) >= n

    await eventually(look)


async def resumed(daemon: Daemon, name: str = "hook") -> None:
    status, _ = await daemon.admin("POST", f"/api/destinations/{name}/resume")
    assert status == 200


async def paused(daemon: Daemon, name: str = "hook") -> None:
    status, _ = await daemon.admin("POST", f"/api/destinations/{name}/pause")
    assert status == 200


async def test_a_pause_and_a_resume_by_hand_are_told_once_each_and_signed(tmp_path: Path) -> None:
    async with FakeVendor() as listener, listening(tmp_path, listener, secret="s3cret") as daemon:
        await paused(daemon)
        await has_told(listener, ["began by_hand hook"])
        await resumed(daemon)
        await has_told(listener, ["began by_hand hook"], ["recovered by_hand hook"])
        first = listener.requests[0]
        assert (first.url, first.json()["instance"]) == ("/here?a=b", "prod-1")
        assert first.headers["x-signature"] == hmac.new(b"s3cret", first.body, hashlib.sha1).hexdigest()
        assert len({seen.json()["id"] for seen in listener.requests}) == 2


async def test_a_breaker_that_opens_and_closes_is_told_once_each(tmp_path: Path) -> None:
    async with (
        FakeVendor() as listener,
        FakeVendor(Reply(503)) as vendor,
        listening(tmp_path, listener, hook(vendor.url)) as daemon,
    ):
        for n in range(30):
            await daemon.post("track", userId=f"u{n}", event="E", messageId=f"m{n}")
        await has_told(listener, ["began breaker_open hook"])
        vendor.default = OK
        await has_told(listener, ["began breaker_open hook"], ["recovered breaker_open hook"])


async def test_a_restart_tells_nothing_twice_and_a_recovery_after_it_is_told(tmp_path: Path) -> None:
    async with FakeVendor() as listener, listening(tmp_path, listener) as daemon:
        await paused(daemon)
        await has_told(listener, ["began by_hand hook"])
        await is_stored(daemon, 1)
        for end in (daemon.terminate, kill(daemon)):
            await end()
            await daemon.restart()
        await resumed(daemon)
        await has_told(listener, ["began by_hand hook"], ["recovered by_hand hook"])


def kill(daemon: Daemon) -> Any:
    async def end() -> None:
        daemon.kill()

    return end


async def test_a_trouble_that_is_over_while_the_router_is_down_is_told_as_over(tmp_path: Path) -> None:
    async with FakeVendor() as listener, listening(tmp_path, listener) as daemon:
        await paused(daemon)
        await has_told(listener, ["began by_hand hook"])
        await is_stored(daemon, 1)
        await daemon.terminate()
        daemon.destinations = []
        daemon.write_config()
        await daemon.restart()
        await has_told(listener, ["began by_hand hook"], ["recovered by_hand hook"])


async def test_a_message_that_nobody_takes_is_sent_again_as_it_is_and_counts_once(tmp_path: Path) -> None:
    async with FakeVendor() as listener, listening(tmp_path, listener) as daemon:
        listener.script(Reply(500), Reply(429), Reply(301, headers={"Location": "/elsewhere"}))
        await paused(daemon)
        await listener.received(4, 60.0)
        assert len({seen.body for seen in listener.requests}) == 1, "the same message, with the same id"
        await is_stored(daemon, 1)
        assert [line["detail"] for line in daemon.log("notify_failed")] == ["status 500", "status 429"]
        assert len(await daemon.logged("notified")) == 1


async def test_what_happens_while_the_listener_is_down_is_told_when_it_is_back(tmp_path: Path) -> None:
    other = destination("other", "collector", {"base_url": "http://127.0.0.1:9"})
    async with FakeVendor() as listener, listening(tmp_path, listener, hook(), other) as daemon:
        listener.default = Reply(503)
        await paused(daemon)
        await listener.received(1, 60.0)
        await paused(daemon, "other")
        listener.default = OK

        async def is_told() -> bool:
            return len(daemon.log("notified")) == 2

        await eventually(is_told)
        assert [line["changes"] for line in daemon.log("notified")] == [["began by_hand hook"], ["began by_hand other"]]


async def test_a_listener_that_never_answers_holds_up_neither_events_nor_the_end(tmp_path: Path) -> None:
    async with (
        FakeVendor(Hang(200)) as listener,
        FakeVendor() as vendor,
        listening(tmp_path, listener, hook(vendor.url)) as daemon,
    ):
        await paused(daemon)
        await listener.received(1, 60.0)
        await resumed(daemon)
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        assert await daemon.terminate() == 0
        names = [line["event"] for line in daemon.log()]
        assert "notify_failed" not in names[names.index("daemon_stopping") :], "the end does not wait for a time-out"
        listener.release()
        await daemon.restart()


async def test_only_chosen_codes_are_told_of(tmp_path: Path) -> None:
    async with FakeVendor() as listener, FakeVendor(Reply(401)) as vendor:
        other = destination("other", "collector", {"base_url": vendor.url})
        async with listening(tmp_path, listener, hook(), other, events=["credentials"]) as daemon:
            await paused(daemon)
            await daemon.post("track", userId="u1", event="E", messageId="m1")
            await has_told(listener, ["began credentials other"])


@pytest.mark.parametrize("format", ["slack", "teams"])
async def test_people_are_told_in_the_form_of_their_tool(tmp_path: Path, format: str) -> None:
    async with FakeVendor() as listener, listening(tmp_path, listener, format=format) as daemon:
        await paused(daemon)
        [seen] = await listener.received(1, 60.0)
        assert "hook: " in text_of(seen, format)


def text_of(seen: Received, format: str) -> str:
    body = seen.json()
    if format == "slack":
        return str(body["text"])
    return str(body["attachments"][0]["content"]["body"][1]["inlines"][0]["text"])


async def test_a_reload_takes_a_new_address(tmp_path: Path) -> None:
    async with FakeVendor() as listener, Daemon(tmp_path, [hook()]) as daemon:
        await paused(daemon)
        daemon.tables["notify"] = {"url": listener.url}
        daemon.write_config()
        status, _ = await daemon.admin("POST", "/api/reload")
        assert status == 200
        await has_told(listener, ["began by_hand hook"])
