"""The harness itself: what it says of a test that failed or was skipped, and how long it waits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.flow.harness import Daemon, destination


async def test_the_reason_of_a_skip_is_not_followed_by_the_log_of_the_daemon(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception) as skipped:
        async with Daemon(tmp_path, []):
            pytest.skip("not on this machine")
    assert not hasattr(skipped.value, "__notes__")


async def test_a_failure_is_followed_by_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as failed:
        async with Daemon(tmp_path, []):
            raise AssertionError("of the test")
    [note] = failed.value.__notes__
    assert "the daemon runs; its log ends" in note


async def test_a_wait_ends_at_once_where_an_event_stays_in_another_state(tmp_path: Path) -> None:
    hook = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
    async with Daemon(tmp_path, [hook]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "hook", "delivered", "dry_run")
        with pytest.raises(AssertionError, match="m1 never is delivered of another reason at hook") as failed:
            await daemon.becomes("m1", "hook", "delivered", "of another reason")
        assert failed.value.__notes__ == ["it is ('delivered', 'dry_run')"]
