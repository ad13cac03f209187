"""States and reasons as sentences, and how the program calls itself in lines to paste."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from router.cli import words
from router.cli.place import program
from router.cli.show import count, instant, printable, say_table

AT = "2026-01-02T03:04:05.678Z"
EVENT = {"type": "page", "source": "website", "user_id": "u1", "anonymous_id": None}


@pytest.mark.parametrize(
    ("state", "reason", "sentence"),
    [
        ("delivered", "", "delivered {at}"),
        ("delivered", "dry_run", "dry run {at}: nothing was sent"),
        ("skipped", "no_user_id", "skipped {at}: it needs a userId, and this call has none"),
        ("skipped", "the_plugins_own", "skipped {at}: the_plugins_own"),
        ("filtered", "source", "filtered {at}: source website is not connected to it (`sources` in config.toml)"),
        ("filtered", "integrations", "filtered {at}: the event's own `integrations` leave this destination out"),
        ("held", "group_unknown", "held since {at}: waits for a group call for user:u1"),
        ("held", "group_plan_unknown", "held since {at}: waits for the plan of the group of user:u1"),
        (
            "retrying",
            "timeout",
            "retrying since {at}: the vendor did not answer in time; tried again with growing waits",
        ),
        ("queued", "behind_lane", "queued: an earlier event of the same user comes first"),
        ("queued", "", "queued: its turn comes"),
        ("dead", "hold_expired", "dead since {at}: its group did not become known in time"),
        ("dead", "new_reason", "dead since {at}: new_reason"),
        ("dead", "dropped", "dead since {at}: dropped by hand"),
        ("replayed", "some_day", "replayed {at} some_day"),
    ],
)
def test_a_fate_is_a_sentence(state: str, reason: str, sentence: str) -> None:
    told = {"state": state, "reason": reason, "at": AT, "attempts": []}
    assert words.fate(told, EVENT) == sentence.format(at="2026-01-02 03:04:05 UTC")


def test_a_dropped_event_says_once_that_it_was_dropped_by_hand() -> None:
    told = {"state": "dead", "reason": "dropped", "detail": "dropped by hand", "at": AT, "attempts": []}
    assert words.fate(told, EVENT) == "dead since 2026-01-02 03:04:05 UTC: dropped by hand"
    told |= {"reason": "hold_full", "detail": "more than 2 events of this user are held"}
    assert words.fate(told, EVENT).endswith("held already: more than 2 events of this user are held")


def test_a_call_whose_type_is_no_longer_known_is_told_too() -> None:
    told = {"state": "skipped", "reason": "unsupported", "at": AT, "attempts": []}
    event = {"type": None, "source": "website", "user_id": None, "anonymous_id": None}
    assert words.fate(told, event).endswith("its plugin has no use for these calls as configured")


def test_words_of_outsiders_are_no_format_strings() -> None:
    told = {"state": "skipped", "reason": "{odd", "at": AT, "attempts": []}
    assert words.fate(told, EVENT).endswith(": {odd")


@pytest.mark.parametrize(
    ("event", "user"),
    [
        ({"user_id": "u1", "anonymous_id": "a1"}, "user:u1"),
        ({"user_id": None, "anonymous_id": "a1"}, "anonymous:a1"),
        ({"user_id": None, "anonymous_id": None}, "its group"),
    ],
)
def test_a_user_is_shown_as_operators_write_it(event: dict[str, Any], user: str) -> None:
    assert words.user_of(event) == user


@pytest.mark.parametrize(
    ("shown", "lines"),
    [
        ({"private": True}, ["(the plugin keeps this request private)"]),
        ({"items": [{"on": True}]}, ['items: [{"on": true}]']),
        ({"error": "KeyError: 'x'"}, ["error: KeyError: 'x'"]),
    ],
)
def test_a_dry_run_without_a_request_is_told_too(shown: dict[str, Any], lines: list[str]) -> None:
    assert words.request_lines(shown) == lines


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"state": "running"}, None),
        ({"state": "disabled"}, "crm is disabled in config.toml"),
        ({"state": "paused", "state_reason": "odd", "state_since": AT}, "crm is paused (odd), since {at}"),
        ({"state": "not started", "state_reason": ""}, "crm: not started"),
        ({"state": "stopped", "last_state": "running", "last_state_since": AT}, None),
        (
            {"state": "stopped", "last_state": "paused", "last_state_reason": "odd", "last_state_since": AT},
            "last known: crm is paused (odd), since {at}",
        ),
    ],
)
def test_a_destination_in_trouble_is_a_sentence(counts: dict[str, Any], sentence: str | None) -> None:
    assert words.trouble_of("crm", counts) == (sentence and sentence.format(at="2026-01-02 03:04:05 UTC"))


def test_only_enabled_destinations_in_dry_run_are_said_to_send_nothing() -> None:
    told = {
        "crm": {"mode": "dry-run", "state": "running"},
        "mail": {"mode": "live", "state": "running"},
        "chat": {"mode": "dry-run", "state": "paused"},
        "old": {"mode": "dry-run", "state": "disabled"},
    }
    assert words.dry_runs(told) == 'crm, chat: dry-run: nothing is sent; set mode = "live" in config.toml'
    assert words.dry_runs({"mail": told["mail"], "old": told["old"]}) is None


def test_amounts_and_instants_read_well() -> None:
    assert (count(1, "event"), count(0, "event"), count(12_000, "event")) == ("1 event", "0 events", "12,000 events")
    assert (instant(AT), instant(None)) == ("2026-01-02 03:04:05 UTC", "-")
    assert printable("é\u202e\x9b\n") == "é\\u202e\\x9b\\n"


def test_a_table_in_a_pipe_is_neither_wrapped_nor_cut(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(["user", "n"], [["x" * 300, 1], ["[bold]y", 22_000]])
    header, first, second = capsys.readouterr().out.splitlines()
    assert header.split() == ["user", "n"]
    assert first == "x" * 300 + "       1"
    assert second.startswith("[bold]y ")
    assert second.endswith(" 22,000")


def test_lines_to_paste_name_the_program_as_it_was_called(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SEGMENT_ROUTER_COMMAND", raising=False)
    script = tmp_path / "segment-router"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert program() == str(script)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program() == "segment-router"
    monkeypatch.setattr(sys, "argv", ["/here/router/__main__.py"])
    assert program() == "python -m router"
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    assert program() == "./run"
