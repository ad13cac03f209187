"""`dead` and `replay`: what they ask of the daemon, and what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.cli import main
from router.cli.endpoint import program
from tests.unit.cli.test_cli import AT, FakeDaemon, config, counts, daemon, ledger

__all__ = ["config", "daemon"]  # fixtures

DEAD = "/api/destinations/crm/dead"
REPLAY = "/api/destinations/crm/replay"
LETTER = {
    "message_id": "m1", "type": "track", "user": "user:u1", "at": AT, "reason": "rejected",
    "detail": "status_422: no such field", "attempts": [],
}  # fmt: skip
JOB = {
    "state": "running", "dead": True, "reason": None, "since": None, "until": AT, "total": 1200, "fed": 300,
    "remaining": 900, "per_second": 97.5, "started_at": AT, "ended_at": None, "count": 1200,
}  # fmt: skip


def test_dead_letters_are_a_table_with_the_way_to_the_next_page(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    page = {"dead": 3, "kept": 2, "kept_bytes": 50, "items": [LETTER], "next": 17}
    daemon.answers[f"GET {DEAD}?reason=rejected&since=2d"] = (200, page)
    assert main(["dead", "crm", "--reason", "rejected", "--since", "2d"]) == 0
    told = capsys.readouterr().out
    assert "status_422: no such field" in told
    assert "1 letter of dead events is no longer kept" in told
    assert "dead crm --after 17" in told


def test_no_dead_letters_is_a_sentence(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers[f"GET {DEAD}"] = (200, {"dead": 0, "kept": 0, "kept_bytes": 0, "items": [], "next": None})
    assert main(["dead", "crm"]) == 0
    assert capsys.readouterr().out == "no dead letters at crm\n"


def test_dropping_asks_which(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dead", "crm", "--drop"]) == 2
    assert main(["dead", "crm", "--all"]) == 2
    assert daemon.changes() == []
    daemon.answers[f"POST {DEAD}/drop"] = (200, {"dropped": 2})
    assert main(["dead", "crm", "--drop", "--reason", "hold_full"]) == 0
    assert main(["dead", "crm", "--drop", "--all"]) == 0
    assert daemon.changes() == [(f"{DEAD}/drop", {"reason": "hold_full"}), (f"{DEAD}/drop", {})]
    assert "dropped 2 dead letters" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (["--dead", "--reason", "expired"], {"dead": True, "reason": "expired"}),
        (["--since", "7d", "--until", "1d"], {"since": "7d", "until": "1d"}),
        (["--since", "7d", "--filtered"], {"since": "7d", "filtered": True}),
    ],
)
def test_a_replay_is_started_and_told_how_far_it_is(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], words: list[str], body: dict[str, object]
) -> None:
    daemon.answers[f"POST {REPLAY}"] = (200, JOB)
    assert main(["replay", "crm", *words]) == 0
    assert daemon.changes() == [(REPLAY, body)]
    assert "300 of 1,200 dead letters" in capsys.readouterr().out


def test_a_count_and_a_single_message_are_sentences(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers[f"POST {REPLAY}"] = [(200, {"count": 12, "skipped": 1200, "filtered": 3}), (200, {"count": 1})]
    assert main(["replay", "crm", "--dead", "--count"]) == 0
    assert main(["replay", "crm", "--message-id", "m1"]) == 0
    assert daemon.changes() == [(REPLAY, {"dead": True, "count_only": True}), (REPLAY, {"message_id": "m1"})]
    assert capsys.readouterr().out == (
        "crm: 12 events would be sent; 1,200 skipped and 3 filtered would be decided again\ncrm: 1 event is on its way\n"
    )


def test_a_replay_alone_tells_how_far_it_is_and_stop_ends_it(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers[f"GET {REPLAY}"] = (200, {"state": "none"})
    daemon.answers[f"DELETE {REPLAY}"] = (200, {**JOB, "state": "stopped", "ended_at": AT})
    assert main(["replay", "crm"]) == 0
    assert main(["replay", "crm", "--stop"]) == 0
    told = capsys.readouterr().out
    assert "nothing was replayed yet" in told
    assert "replay was stopped" in told
    assert main(["replay", "crm", "--stop", "--dead"]) == 2
    assert main(["replay", "crm", "--filtered"]) == 2
    assert main(["replay", "crm", "--dead", "--since", "1d", "--filtered"]) == 2


def test_what_is_kept_of_a_removed_destination_is_dropped(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    dropped = {"held": 3, "retrying": 0, "queued": 12, "dead": 1}
    daemon.answers["DELETE /api/destinations/old"] = (200, {"dropped": dropped})
    assert main(["destinations", "drop", "old"]) == 0
    assert capsys.readouterr().out == "old: dropped 3 held, 0 retrying, 12 queued, 1 dead\n"


def test_without_a_destination_the_dead_letters_of_all_are_shown(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    page = {"dead": 1, "kept": 1, "kept_bytes": 50, "items": [LETTER], "next": None}
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts(dead=1), mail=counts(delivered=1))
    daemon.answers[f"GET {DEAD}?since=24h"] = (200, page)
    daemon.answers["GET /api/destinations/mail/dead?since=24h"] = (200, {**page, "dead": 0, "kept": 0, "items": []})
    assert main(["dead", "--since", "24h"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("crm:\n")
    assert "status_422: no such field" in told
    assert "mail" not in told


def test_without_a_destination_and_without_letters_one_sentence_is_said(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/ledger"] = ledger(1, crm=counts(delivered=1))
    daemon.answers[f"GET {DEAD}"] = (200, {"dead": 0, "kept": 0, "kept_bytes": 0, "items": [], "next": None})
    assert main(["dead"]) == 0
    assert capsys.readouterr().out == "no dead letters\n"


@pytest.mark.parametrize("words", [["--drop", "--all"], ["--after", "17"]])
def test_letters_are_dropped_and_paged_at_one_destination_only(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main(["dead", *words]) == 2
    assert "name the DESTINATION" in capsys.readouterr().err


KEPT = {"name": "old", "held": 2, "retrying": 0, "queued": 0, "dead": 1}
GONE = "old was removed from config.toml, and 2 held, 1 dead are kept: to go on, put its table back and `reload`; to delete all that is kept: "


@pytest.mark.parametrize("verb", ["held", "dead", "ledger", "destinations", "status"])
def test_what_is_kept_of_a_removed_destination_is_told_with_the_line_that_deletes_it(
    verb: str, config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ledger(1, crm=counts(delivered=1))[1]
    daemon.answers["GET /api/ledger"] = (200, {**told, "removed": [KEPT]})
    daemon.answers["GET /api/destinations"] = (200, {"destinations": [], "removed": [KEPT]})
    daemon.answers["GET /readyz"] = (200, {"status": "ready", "problems": [], "destinations": {}})
    daemon.answers["GET /api/troubles"] = (200, {"troubles": []})
    daemon.answers[f"GET {DEAD}"] = (200, {"dead": 0, "kept": 0, "kept_bytes": 0, "items": [], "next": None})
    daemon.answers["GET /api/destinations/crm/held"] = (200, {"held": 0, "users": [], "next": None})
    assert main([verb]) == 0
    said = capsys.readouterr().out
    assert GONE in " ".join(said.split())
    assert f"`{program()} destinations drop old`" in said, "in one line, to be pasted"


@pytest.mark.parametrize("verb", ["held", "dead", "status"])
def test_a_removed_destination_of_which_nothing_is_kept_is_not_told_where_it_has_no_part(
    verb: str, config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = {**KEPT, "held": 0, "dead": 0}
    daemon.answers["GET /api/ledger"] = (200, {**ledger(0)[1], "removed": [empty]})
    daemon.answers["GET /api/destinations"] = (200, {"destinations": [], "removed": [empty]})
    daemon.answers["GET /readyz"] = (200, {"status": "ready", "problems": [], "destinations": {}})
    daemon.answers["GET /api/troubles"] = (200, {"troubles": []})
    assert main([verb]) == 0
    assert "old" not in capsys.readouterr().out
