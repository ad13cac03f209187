"""`errors`: what a destination was answered, like with like."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.cli.main import main
from tests.unit.cli.test_cli import AT, FakeDaemon, config, counts, daemon, ledger

__all__ = ["config", "daemon"]  # fixtures

ROW = {
    "state": "dead", "reason": "rejected", "status": 422, "words": "user … is not known", "count": 1_200,
    "first": "2026-01-01T00:00:00.000Z", "last": "2026-01-02T03:04:05.678Z", "message_id": "m7",
    "meaning": "the vendor refused it", "cause": "the vendor says that this event is wrong",
    "who_acts": "whoever operates the router", "next_step": "read the vendor's words",
}  # fmt: skip


def test_kinds_are_a_table_with_what_to_do_below(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {"items": [ROW, {**ROW, "words": ""}], "looked_at": 1_000, "is_all": False}
    daemon.answers["GET /api/ledger"] = ledger(2, crm=counts(dead=2))
    daemon.answers["GET /api/destinations/crm/errors"] = (200, found)
    assert main(["errors", "crm"]) == 0
    said = capsys.readouterr().out
    assert "user … is not known" in said
    assert "m7" in said
    assert said.count("dead rejected: the vendor refused it; whoever operates the router: read the vendor's words") == 1
    assert "of the newest 1,000 events only" in said


def test_without_any_it_says_so(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts())
    daemon.answers["GET /api/destinations/crm/errors"] = (200, {"items": [], "looked_at": 0, "is_all": True})
    assert main(["errors", "crm"]) == 0
    assert capsys.readouterr().out == "no event is dead or retrying at crm\n"


def test_a_destination_that_is_paused_says_why_although_no_event_failed(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    paused = {"state": "paused", "state_reason": "credentials", "state_detail": "status 401", "state_since": AT}
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts(queued=1) | paused, mail=counts())
    for name in ("crm", "mail"):
        page = {"items": [], "looked_at": 0, "is_all": True}
        daemon.answers[f"GET /api/destinations/{name}/errors"] = (200, page)
    for words in ("errors", "errors crm"):
        assert main(words.split()) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "no event is dead or retrying" in told
        assert "crm is paused because the vendor refused our key (status 401)" in told
        assert "mail" not in told


def test_without_a_destination_each_that_fails_is_shown_under_its_name(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts(dead=1), mail=counts(delivered=1))
    daemon.answers["GET /api/destinations/crm/errors"] = (200, {"items": [ROW], "looked_at": 1, "is_all": True})
    daemon.answers["GET /api/destinations/mail/errors"] = (200, {"items": [], "looked_at": 0, "is_all": True})
    assert main(["errors"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("crm:\n")
    assert "user … is not known" in told
    assert "mail" not in told
