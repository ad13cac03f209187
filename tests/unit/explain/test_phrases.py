"""States and reasons as sentences, and how the program calls itself in lines to paste."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from router.cli.endpoint import program
from router.cli.output import printable, say_table
from router.explain import code_phrases, destination_phrases, event_phrases
from router.explain.figures import count, instant
from router.explain.regulation_phrases import regulation

AT = "2026-01-02T03:04:05.678Z"
EVENT = {"type": "page", "source": "website", "user_id": "u1", "anonymous_id": None}


@pytest.mark.parametrize(
    ("state", "reason", "sentence"),
    [
        ("delivered", "", "delivered {at}"),
        ("delivered", "dry_run", "dry run {at}: nothing was sent"),
        ("skipped", "no_user_id", "skipped {at}: it needs a userId, and this call has none"),
        ("skipped", "the_plugins_own", "skipped {at}: the_plugins_own"),
        ("skipped", "empty", "skipped {at}: its plugin found nothing to send in this page call"),
        ("skipped", "no_products", "skipped {at}: its `properties.products` has no product that can be sent"),
        ("skipped", "missing_email", "skipped {at}: it has no `email`, and this destination needs it"),
        ("filtered", "source", "filtered {at}: source website is not connected to it (`sources` in config.toml)"),
        ("filtered", "integrations", "filtered {at}: the event's own `integrations` leave this destination out"),
        ("filtered", "filter", "filtered {at}: the destination's `filter` is not true for it"),
        ("filtered", "filter_drop", "filtered {at}: one of its `filters` drops it"),
        ("filtered", "filter_sample", "filtered {at}: it is not in the share that one of its `filters` lets through"),
        (
            "filtered",
            "event_name",
            "filtered {at}: `event_names` in the destination's mapping drops events of this name",
        ),
        ("filtered", "consent", "filtered {at}: its user has not given a consent that this destination needs"),
        (
            "filtered",
            "consent_missing",
            "filtered {at}: it says nothing of consent, and this destination needs it (`consent_missing` in config.toml)",
        ),
        (
            "filtered",
            "consent_withdrawn",
            "filtered {at}: while it waited, its user withdrew a consent that this destination needs",
        ),
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
    assert event_phrases.fate(told, EVENT) == sentence.format(at="2026-01-02 03:04:05 UTC")


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("skipped", "no_products", "the developers of the app that sends: send `properties.products` as a list"),
        ("skipped", "missing_email", "the developers of the app that sends: send `email` with the call"),
        ("skipped", "empty", "whoever operates the router: compare the call with `What arrives`"),
        ("dead", "rejected", "whoever operates the router: read the vendor's words"),
    ],
)
def test_who_can_act_and_how_is_told_of_what_did_not_arrive(state: str, reason: str, words: str) -> None:
    assert (event_phrases.advice({"state": state, "reason": reason}) or "").startswith(words)


@pytest.mark.parametrize(("state", "reason"), [("skipped", "remembered"), ("dead", "dropped"), ("retrying", "dns")])
def test_nobody_is_named_where_nobody_has_to_act_or_the_event_still_waits(state: str, reason: str) -> None:
    assert event_phrases.advice({"state": state, "reason": reason}) is None


FILTERED: dict[str, Any] = {
    "state": "filtered",
    "reason": "filter_drop",
    "at": AT,
    "attempts": [],
    "detail": "No staff",
}


def test_a_filter_is_told_by_its_title_and_expression() -> None:
    told = {**FILTERED, "expression": "match( traits.email,\n '*@acme.com' )", "changed": False}
    assert event_phrases.fate(told, EVENT).endswith('the filter "No staff" drops it')
    assert event_phrases.filter_lines(told) == ["filter: match( traits.email, '*@acme.com' )"]


def test_filters_that_were_changed_since_are_told() -> None:
    told = {**FILTERED, "detail": "", "expression": "", "changed": True}
    assert "today's let it through" in event_phrases.filter_lines(told)[0]
    assert event_phrases.advice(told) == "whoever operates the router: replay it"
    assert "today's keep it back by: all" in event_phrases.filter_lines({**told, "expression": "all"})[0]
    assert "replay it" not in str(event_phrases.advice({**told, "expression": "all"}))


def test_what_a_regulation_has_erased_is_counted_in_words() -> None:
    erased = {"directory": 2, "waiting": 1, "events": 3, "notes": 1}
    told = {"id": "reg_1", "regulationType": "DELETE_INTERNAL", "overallStatus": "FINISHED", "erased": erased,
            "finishedAt": AT, "streamStatus": [], "note": ""}  # fmt: skip
    lines = ["erased:", "    2 rows of the directory", "    1 event that waited", "    3 stored events", "    1 notes"]
    assert regulation(told)[1:] == lines


def test_the_ids_that_lack_are_told_and_whether_the_need_is_another_by_now() -> None:
    told = {"state": "filtered", "reason": "consent", "at": AT, "attempts": [], "detail": "ads, mail", "changed": False}
    assert event_phrases.fate(told, EVENT).endswith("has not given a consent that this destination needs: ads, mail")
    assert event_phrases.filter_lines(told) == []
    assert "was changed since" in event_phrases.filter_lines({**told, "changed": True})[0]


def test_without_the_stored_call_nothing_is_said_of_the_expression() -> None:
    assert event_phrases.filter_lines({key: value for key, value in FILTERED.items() if key != "detail"}) == []


def test_a_dropped_event_says_once_that_it_was_dropped_by_hand() -> None:
    told = {"state": "dead", "reason": "dropped", "detail": "dropped by hand", "at": AT, "attempts": []}
    assert event_phrases.fate(told, EVENT) == "dead since 2026-01-02 03:04:05 UTC: dropped by hand"
    told |= {"reason": "hold_full", "detail": "more than 2 events of this user are held"}
    assert event_phrases.fate(told, EVENT).endswith("held already: more than 2 events of this user are held")


def test_a_call_whose_type_is_no_longer_known_is_told_too() -> None:
    told = {"state": "skipped", "reason": "unsupported", "at": AT, "attempts": []}
    event = {"type": None, "source": "website", "user_id": None, "anonymous_id": None}
    assert event_phrases.fate(told, event).endswith("its plugin has no use for these calls as configured")


def test_words_of_outsiders_are_no_format_strings() -> None:
    told = {"state": "skipped", "reason": "{odd", "at": AT, "attempts": []}
    assert event_phrases.fate(told, EVENT).endswith(": {odd")


@pytest.mark.parametrize(
    ("event", "user"),
    [
        ({"user_id": "u1", "anonymous_id": "a1"}, "user:u1"),
        ({"user_id": None, "anonymous_id": "a1"}, "anonymous:a1"),
        ({"user_id": None, "anonymous_id": None}, "its group"),
    ],
)
def test_a_user_is_shown_as_operators_write_it(event: dict[str, Any], user: str) -> None:
    assert code_phrases.user_of(event) == user


@pytest.mark.parametrize(
    ("shown", "lines"),
    [
        ({"private": True}, ["(the plugin keeps this request private)"]),
        ({"items": [{"on": True}]}, ['items: [{"on": true}]']),
        ({"error": "KeyError: 'x'"}, ["error: KeyError: 'x'"]),
    ],
)
def test_a_dry_run_without_a_request_is_told_too(shown: dict[str, Any], lines: list[str]) -> None:
    assert event_phrases.request_lines(shown) == lines


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"state": "running"}, None),
        ({"state": "disabled"}, "crm is disabled in config.toml"),
        (
            {"state": "paused", "state_reason": "by_hand", "state_since": AT},
            "crm is paused by an operator, since {at}; `resume crm` ends it",
        ),
        (
            {"state": "paused", "state_reason": "quota_used_up", "state_since": AT, "state_until": AT},
            "crm is paused by its plugin: quota_used_up, since {at}; nothing is lost: it tries again {at};"
            " `resume crm` does at once",
        ),
        (
            {"state": "paused", "state_reason": "credentials", "state_since": AT, "state_until": AT},
            "crm is paused because the vendor refused our key, since {at}; nothing is lost: correct the key, then `reload`;"
            " otherwise it tries again {at}",
        ),
        (
            {"state": "paused", "state_reason": "set_up", "state_since": AT, "state_until": AT},
            "crm is paused because its set-up is wrong, since {at}; nothing is lost: correct the settings, then `reload`;"
            " otherwise it tries again {at}",
        ),
        (
            {"state": "paused", "state_reason": "retry_after", "state_since": AT, "state_until": AT},
            "crm is paused because the vendor asked for it, since {at}; it goes on by itself {at}; `resume crm` ends it at once",
        ),
        (
            {"state": "breaker_open", "state_reason": "status_503", "state_since": AT, "state_until": AT},
            "crm fails again and again (the vendor answered with status 503), since {at}; one probe at a time, the next from"
            " {at} on; `resume crm` sends at once",
        ),
        ({"state": "not started", "state_reason": ""}, "crm: not started"),
        ({"state": "stopped", "last_state": "running", "last_state_since": AT}, None),
        (
            {"state": "stopped", "last_state": "paused", "last_state_reason": "odd", "last_state_since": AT},
            "last known: crm is paused by its plugin: odd, since {at}; `resume crm` ends it",
        ),
    ],
)
def test_a_destination_in_trouble_is_a_sentence(counts: dict[str, Any], sentence: str | None) -> None:
    assert destination_phrases.trouble_of("crm", counts) == (sentence and sentence.format(at="2026-01-02 03:04:05 UTC"))


def test_only_enabled_destinations_in_dry_run_are_said_to_send_nothing() -> None:
    told = {
        "crm": {"mode": "dry-run", "state": "running"},
        "mail": {"mode": "live", "state": "running"},
        "chat": {"mode": "dry-run", "state": "paused"},
        "old": {"mode": "dry-run", "state": "disabled"},
    }
    assert destination_phrases.dry_runs(told) == 'crm, chat: dry-run: nothing is sent; set mode = "live" in config.toml'
    assert destination_phrases.dry_runs({"mail": told["mail"], "old": told["old"]}) is None


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


def test_the_numbers_of_a_replay_add_up() -> None:
    job = {
        "state": "running", "dead": False, "since": AT, "total": 26_515, "fed": 2_359, "left_out": 840, "remaining": 23_316,
        "per_second": 97.5,
    }  # fmt: skip
    assert destination_phrases.replay(job) == (
        "replay runs: 2,359 of 26,515 events since 2026-01-02 03:04:05 UTC are on their way or done, 840 left out (they wait"
        " already, or are gone), 23,316 to go; 97.5 a second"
    )


def test_a_replay_of_what_was_filtered_says_among_how_many() -> None:
    job = {
        "state": "done", "dead": False, "filtered": True, "since": AT, "total": 300, "fed": 12, "left_out": 288, "remaining": 0,
        "per_second": 97.5, "ended_at": AT,
    }  # fmt: skip
    assert destination_phrases.replay(job) == (
        "replay ended 2026-01-02 03:04:05 UTC: 12 filtered events among 300 since 2026-01-02 03:04:05 UTC are on their way or done"
    )


def test_what_was_a_dry_run_and_was_sent_by_a_replay_says_both() -> None:
    sent = {"at": AT, "duration_ms": 3, "status": 200, "error": "", "reason": "replayed"}
    told = {"state": "delivered", "reason": "dry_run", "at": AT, "attempts": [sent]}
    at = "2026-01-02 03:04:05 UTC"
    assert event_phrases.fate(told, EVENT) == f"dry run {at}: nothing was sent then; a replay sent it {at}"
    assert event_phrases.attempt(sent) == f"attempt {at}: status 200 after 3 ms; sent again by a replay"


def test_a_deletion_is_named_as_one_and_any_other_event_by_its_type_and_source() -> None:
    told = {**EVENT, "type": "forget", "source": "", "received_at": AT}
    words = (
        "the deletion of regulation reg_1f0a2b3c4d5e6f70, which asks to delete user:u1, since 2026-01-02 03:04:05 UTC"
    )
    assert event_phrases.event("forget:reg_1f0a2b3c4d5e6f70:7", told) == words
    accepted = "page of user:u1, from website, accepted 2026-01-02 03:04:05 UTC"
    assert event_phrases.event("m1", {**EVENT, "received_at": AT}) == accepted


def test_what_an_event_waits_for_is_named() -> None:
    call = {"message_id": "g1", "state": "retrying", "reason": "status_503", "next_attempt_at": AT}
    at = "2026-01-02 03:04:05 UTC"
    held = {"state": "held", "reason": "group_unknown", "at": AT, "attempts": [], "group_call": call}
    on_its_way = f"g1 is retrying (the vendor answered with status 503; next attempt {at})"
    assert event_phrases.fate(held, EVENT) == f"held since {at}: waits for a group call for user:u1: {on_its_way}"
    behind = {"state": "queued", "reason": "behind_lane", "at": AT, "attempts": [], "behind": call}
    assert event_phrases.fate(behind, EVENT) == f"queued: an earlier event of the same user comes first: {on_its_way}"
    deletion = {**behind, "behind": {**call, "message_id": "forget:reg_1f0a2b3c4d5e6f70:7"}}
    comes_first = "the deletion of regulation reg_1f0a2b3c4d5e6f70 comes first"
    why = f"it is retrying (the vendor answered with status 503; next attempt {at})"
    assert event_phrases.fate(deletion, EVENT) == f"queued: {comes_first}: {why}"
    queued = {**held, "group_call": {**call, "state": "queued"}}
    assert event_phrases.fate(queued, EVENT).endswith(": g1 was accepted and is queued")
    retrying = {"state": "retrying", "reason": "timeout", "at": AT, "attempts": [], "next_attempt_at": AT}
    assert event_phrases.fate(retrying, EVENT).endswith(f"the vendor did not answer in time; next attempt {at}")


def test_states_that_a_table_has_no_room_for_are_told_where_they_have_events() -> None:
    assert destination_phrases.further("crm", {"skipped": 0, "filtered": 0}) is None
    assert destination_phrases.further("crm", {"skipped": 0, "filtered": 3}) == "crm: also 3 filtered"
    assert (
        destination_phrases.further("crm", {"skipped": 1_200, "filtered": 3})
        == "crm: also 1,200 skipped and 3 filtered"
    )


def test_why_a_destination_has_a_thread_of_its_own_is_told_with_what_ends_it() -> None:
    told = destination_phrases.isolated("crm", "plugin p: hook track held the event loop for 30 s")
    assert told.startswith("crm runs in its own thread (plugin p: hook track held the event loop for 30 s) until ")
    assert "`resume crm`" in told


def test_hooks_that_held_the_loop_are_told_with_their_last_event() -> None:
    slow = {"track": {"count": 2, "longest_s": 0.31, "last_message_id": "m7"}}
    told = destination_phrases.slow_hooks({"name": "crm", "slow_hooks": slow, "isolation": "thread"})
    assert told == [
        "crm: hook track held the event loop 2 times, for 0.31 s at most, last with m7",
        "crm runs in a thread of its own",
    ]
    assert destination_phrases.slow_hooks({"name": "crm"}) == []
