"""What operators change, through the admin API: it is checked, stored, and told in one line of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor, Reply
from tests.flow.harness import Daemon, destination

NOBODY = "http://127.0.0.1:9"


def acted(daemon: Daemon) -> list[tuple[str, str]]:
    return [(line["action"], line["via"]) for line in daemon.log("operator_acted")]


async def test_the_reason_of_a_pause_is_kept_over_a_restart_and_logged(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": NOBODY})]) as daemon:
        pause = "/api/destinations/hook/pause"
        assert (await daemon.admin("POST", pause, {"reason": "moving  house"}))[0] == 200
        assert (await daemon.logged("operator_acted"))[0]["detail"] == "moving house"
        assert acted(daemon) == [("pause", "api")]
        await daemon.admin("POST", pause)
        await daemon.terminate()
        await daemon.restart()
        told = await daemon.get("/api/destinations/hook")
        assert (told["pause"]["reason"], told["pause"]["detail"]) == ("by_hand", "moving house")


@pytest.mark.parametrize("reason", [7, "x" * 201, "a\u0007bell"])
async def test_a_reason_that_is_no_short_line_is_refused_and_nothing_is_paused(tmp_path: Path, reason: object) -> None:
    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": NOBODY})]) as daemon:
        status, body = await daemon.admin("POST", "/api/destinations/hook/pause", {"reason": reason})
        assert (status, body["code"]) == (400, "invalid_request")
        assert (await daemon.get("/api/destinations/hook"))["pause"] is None
        assert acted(daemon) == []


async def test_errors_gather_what_the_vendor_refuses_and_what_is_retried(tmp_path: Path) -> None:
    async with (
        FakeVendor() as vendor,
        Daemon(tmp_path, [destination("hook", "collector", {"base_url": vendor.url})]) as daemon,
    ):
        vendor.default = Reply(400, body=b"user 1 is not known")
        for n in range(2):
            await daemon.post("track", userId=f"u{n}", event="E", messageId=f"bad{n}")
            await daemon.becomes(f"bad{n}", "hook", "dead")
        vendor.default = Reply(503, body=b"busy")
        await daemon.post("track", userId="u9", event="E", messageId="late")
        await daemon.becomes("late", "hook", "retrying")
        found = await daemon.get("/api/destinations/hook/errors")
        kinds = {(one["state"], one["reason"], one["status"]): one for one in found["items"]}
        dead = kinds["dead", "rejected", 400]
        assert (dead["count"], dead["message_id"], found["is_all"]) == (2, "bad1", True)
        assert ("retrying", "status_503", 503) in kinds


async def test_a_test_of_credentials_sends_no_event(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [destination("hook", "collector", {"base_url": NOBODY})]) as daemon:
        status, told = await daemon.admin("POST", "/api/destinations/hook/test")
        assert (status, told["result"]) == (200, "no_check")
        assert (await daemon.logged("operator_acted"))[0]["reason"] == "no_check"
