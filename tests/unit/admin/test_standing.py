"""What `/healthz` and `/readyz` tell: the same troubles as everywhere, and 503 only where events cannot be stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.admin import standing
from router.admin.daemon_port import ClockJump, InForce, ReloadRefused
from router.explain.trouble_codes import CODES, OF_THE_ROUTER
from router.explain.troubles import STANDS_S
from router.plugin import Pause
from router.store.disk_space import Room
from router.testing.clock import START_MS
from tests.unit.admin.test_admin_api import Api, api, open_api

__all__ = ["api"]

BOTH = {"/healthz": 200, "/readyz": 503}
"""Both paths, and their status while nothing can be stored."""


def codes(told: dict[str, Any]) -> list[str]:
    return [one["code"] for one in told["troubles"]]


async def test_a_trouble_has_code_subject_text_and_next_step(api: Api) -> None:
    await api.rig.runner.pause("the move")
    told = await api.get("/readyz")
    [trouble] = told["troubles"]
    assert trouble == {
        "code": "by_hand", "subject": "d", "text": "paused by an operator", "next_step": "resume it",
        "who": "whoever operates the router", "waiting": 0, "since": "2026-03-02T09:30:00.000Z", "until": None,
    }  # fmt: skip
    assert told["status"] == "ready", "a paused destination takes no ingestion out of a balancer"
    assert (await api.get("/healthz"))["troubles"] == told["troubles"]


async def test_words_of_a_vendor_and_of_config_toml_are_not_told_to_everybody(api: Api) -> None:
    api.rig.vendor.answer = lambda bodies: Pause("credentials", "key sk_live_1 is wrong")
    await api.rig.call("identify", "i", userId="u1")
    await api.rig.quiet()
    api.daemon.last_refused = ReloadRefused(START_MS, "api", "invalid_config", ["admin.token: sk_live_1 is too short"])
    api.daemon.in_force = InForce(START_MS, "start")
    for path in ("/healthz", "/readyz"):
        told = await api.get(path)
        assert codes(told) == ["reload_refused", "credentials"]
        assert "sk_live_1" not in str(told)


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("invalid_config", "correct config.toml"),
        ("restart_required", "restart"),
        ("confirmation_required", "reload --yes"),
    ],
)
async def test_what_to_do_about_a_refused_reload_is_told_without_its_words(api: Api, code: str, step: str) -> None:
    api.daemon.last_refused = ReloadRefused(START_MS, "api", code, ["server.listen: changed"])
    api.daemon.in_force = InForce(START_MS, "start")
    for path in ("/healthz", "/readyz", "/api/troubles"):
        [told] = (await api.get(path))["troubles"]
        assert step in told["next_step"], path


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("store_broken", 503),
        ("store_locked", 503),
        ("disk_low", 503),
        ("disk_full", 503),
        ("stopping", 503),
        ("store_half_full", 200),
        ("backup_old", 200),
        ("reload_refused", 200),
        ("loop_lag", 200),
        ("clock_jump", 200),
        ("cursor_stuck", 200),
    ],
)
async def test_only_what_keeps_events_from_being_stored_is_a_503_and_health_is_200_whatever_there_is(
    api: Api, monkeypatch: pytest.MonkeyPatch, code: str, status: int
) -> None:
    daemon, store = api.daemon, api.rig.store
    match code:
        case "store_broken":
            monkeypatch.setattr(store.writer, "broken", "disk I/O error")
        case "store_locked":
            monkeypatch.setattr(store.writer, "locked", True)
        case "disk_low" | "disk_full":
            room = Room.DELIVERIES if code == "disk_low" else Room.NOTHING_THAT_GROWS
            monkeypatch.setattr(store.disk, "room", lambda: room)
        case "stopping":
            daemon.is_stopping = True
        case "store_half_full":
            daemon.disk_problem = "half"
        case "backup_old":
            daemon.backup_problem = "old"
        case "reload_refused":
            daemon.last_refused = ReloadRefused(START_MS, "api", "invalid_config", ["wrong"])
        case "loop_lag":
            daemon.loop_lags_s = {"": 5.5, "other": 60.0}
        case "clock_jump":
            daemon.clock_jump = ClockJump(START_MS, 60.0)
        case "cursor_stuck":
            daemon.standing_s = {"d": STANDS_S + 10.0}
    told = await api.get("/readyz", status)
    assert (codes(told), told["status"]) == ([code], "ready" if status == 200 else "not ready")
    health = await api.get("/healthz")
    assert (health["status"], codes(health)) == ("ok", [code])


async def test_a_stranger_learns_codes_and_what_they_stand_for_and_no_name_path_or_figure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_api(tmp_path, token="t0ken") as api:
        await api.rig.runner.pause("the move")
        monkeypatch.setattr(api.rig.store.disk, "room", lambda: Room.DELIVERIES)
        api.daemon.disk_problem = f"the store takes 512 MB in {tmp_path}; behind are d by 12345 events"
        api.daemon.isolated = {"d": "plugin test: hook track held the event loop"}
        api.daemon.loop_lags_s = {"": 7.7}
        known = {path: await api.get(path, status, Authorization="Bearer t0ken") for path, status in BOTH.items()}
        assert str(tmp_path) in str(known["/readyz"]["problems"])
        for path, status in BOTH.items():
            told = await api.get(path, status)
            assert told.keys() == known[path].keys()
            assert codes(told) == codes(known[path]) == ["disk_low", "store_half_full", "loop_lag", "by_hand"]
            assert told["status"] == known[path]["status"]
            assert told["problems"] == [CODES["disk_low"], CODES["store_half_full"]]
            assert [one["subject"] for one in told["troubles"]] == ["router", "router", "router", "destination"]
            words = [str(tmp_path), "'d'", "512", "12345", "7.7", "track", "plugin", "the move"]
            assert not [word for word in words if word in str(told)]
        wrong = await api.get("/readyz", 503, Authorization="Bearer wrong")
        assert wrong == await api.get("/readyz", 503)


async def test_all_troubles_are_told_to_who_has_the_token_with_the_words_of_the_vendor(api: Api) -> None:
    api.rig.vendor.answer = lambda bodies: Pause("credentials", "500 of 500")
    await api.rig.call("identify", "i", userId="u1")
    await api.rig.quiet()
    [told] = (await api.get("/api/troubles"))["troubles"]
    assert (told["code"], told["waiting"]) == ("credentials", 1)
    assert "500 of 500" in told["text"]


async def test_the_answers_do_not_read_the_store(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """They must come while the disk hangs."""
    monkeypatch.setattr(api.rig.store, "queries", None)
    monkeypatch.setattr(api.rig.store, "lookups", None)
    assert (await api.get("/healthz"))["status"] == "ok"
    assert (await api.get("/readyz"))["status"] == "ready"


async def test_a_cursor_of_a_paused_destination_may_stand(api: Api) -> None:
    api.daemon.standing_s = {"d": 3600.0}
    await api.rig.runner.pause()
    assert codes(await api.get("/readyz")) == ["by_hand"]


def test_what_makes_it_unready_is_about_the_router_itself() -> None:
    assert standing.UNREADY <= OF_THE_ROUTER
