"""What somebody should know of now: each cause once, with who acts and the next step."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from router.explain.reasons import Actor
from router.explain.trouble_codes import CODES, OF_SOURCES, OF_THE_ROUTER, REFUSED, STEPS
from router.explain.troubles import (
    LATE_S,
    LONG_HOLD_S,
    LOOP_LATE_S,
    STANDS_S,
    WITHOUT_OWNER_S,
    RouterNotices,
    Trouble,
    about,
    troubles,
)
from router.vocabulary import Problem

AT, LATER = "2026-01-02T03:04:05.678Z", "2026-01-02T03:14:05.678Z"
CALM: dict[str, Any] = {"dead_last_hour": {}, "last_held_at": None, "last_let_go_at": None, "group_calls_filtered": 0}


def row(**more: Any) -> dict[str, Any]:
    """A destination that is well."""
    base = {"name": "crm", "enabled": True, "queued": 0, "retrying": 0, "dead": 0, "oldest_queued_s": 0, "waiting": {}}
    return {**base, "pause": None, **more}


def pause(state: str, reason: str, **more: Any) -> dict[str, Any]:
    return {"state": state, "reason": reason, "detail": "", "since": AT, "next_probe_at": None, "ends_at": None, **more}


def of(*rows: dict[str, Any], **lately: Any) -> list[Trouble]:
    return troubles([], rows, recent={one["name"]: {**CALM, **lately} for one in rows})


def source(**more: Any) -> dict[str, Any]:
    quiet = {"silent_s": 0, "longest_gap_s": 0, "accepted_last_hour": 0, "discarded_last_hour": 0}
    return {"name": "website", "last_event_at": AT, **quiet, **more}


def test_a_destination_that_is_well_is_no_trouble() -> None:
    assert of(row()) == []


@pytest.mark.parametrize(
    ("state", "reason", "code", "actor"),
    [
        ("paused", "by_hand", "by_hand", Actor.OPERATOR),
        ("paused", "credentials", "credentials", Actor.OPERATOR),
        ("paused", "retry_after", "retry_after", Actor.NOBODY),
        ("paused", "quota_of_theirs", "paused", Actor.OPERATOR),
        ("breaker_open", "timeout", "breaker_open", Actor.VENDOR),
        ("breaker_open", "tls", "breaker_open", Actor.OPERATOR),
    ],
)
def test_one_that_stands_still_says_why_since_when_and_how_many_wait(
    state: str, reason: str, code: str, actor: Actor
) -> None:
    [found] = of(row(queued=3, retrying=2, pause=pause(state, reason, next_probe_at=LATER)))
    assert (found.code, found.actor, found.waiting) == (code, actor, 5)
    assert (found.since, found.until, found.page) == (AT, LATER, "/destinations/crm")


def test_the_words_of_the_vendor_are_cut_to_their_first_line() -> None:
    [found] = of(row(pause=pause("paused", "credentials", detail="bad key\nTraceback")))
    assert found.sentence == "paused because the vendor refused our key (bad key)"


def test_dead_letters_are_told_for_an_hour_with_the_most_frequent_reason() -> None:
    [found] = of(row(dead=90), dead_last_hour={"rejected": 3, "too_large": 1})
    assert found.code == "dead"
    assert found.sentence == "4 dead events in the last hour: the vendor refused it (3 of them)"
    assert of(row(dead=90)) == [], "those of before are known"


def test_dead_letters_that_somebody_asked_for_are_no_trouble() -> None:
    assert of(row(dead=9), dead_last_hour={"dropped": 5, "forgotten": 4}) == []


def test_exceptions_of_a_plugin_are_a_trouble_of_their_own() -> None:
    [first, second] = of(row(), dead_last_hour={"plugin_error": 2, "rejected": 1})
    assert (first.code, first.actor, second.code) == ("plugin_error", Actor.AUTHOR, "dead")
    assert "2 events on which its plugin failed" in first.sentence


@pytest.mark.parametrize(("age_s", "is_told"), [(900, False), (901, True)])
def test_an_event_that_waits_for_more_than_fifteen_minutes_is_told(age_s: int, is_told: bool) -> None:
    assert [one.code for one in of(row(queued=7, oldest_queued_s=age_s))] == (["undelivered"] if is_told else [])


@pytest.mark.parametrize(("stands_s", "codes"), [(STANDS_S, []), (STANDS_S + 1, ["cursor_stuck"])])
def test_a_cursor_that_does_not_move_for_more_than_five_minutes_is_told(stands_s: int, codes: list[str]) -> None:
    assert [one.code for one in of(row(queued=7, stands_s=stands_s))] == codes


@pytest.mark.parametrize(("seconds", "codes"), [(WITHOUT_OWNER_S, []), (WITHOUT_OWNER_S + 1, ["no_owner"])])
def test_a_destination_that_no_node_delivers_to_for_thirty_seconds_is_told(seconds: int, codes: list[str]) -> None:
    assert [one.code for one in of(row(queued=7, without_owner_s=seconds))] == codes


def test_why_no_node_delivers_is_told_and_not_that_it_is_late() -> None:
    [found] = of(row(queued=7, without_owner_s=45, stands_s=1200, oldest_queued_s=1200))
    assert (found.code, found.waiting, found.page) == ("no_owner", 7, "/cluster")
    assert found.sentence == "no node has delivered to it for 45 s"


def test_what_is_late_behind_a_cursor_that_does_not_move_is_told_once() -> None:
    [found] = of(row(queued=7, stands_s=1200, oldest_queued_s=1200))
    assert (found.code, found.waiting) == ("cursor_stuck", 7)
    assert "has not moved for 20 min" in found.sentence


@pytest.mark.parametrize("more", [{"enabled": False}, {"pause": pause("paused", "by_hand")}])
def test_the_cursor_of_one_that_is_paused_or_disabled_may_stand(more: dict[str, Any]) -> None:
    assert "cursor_stuck" not in [one.code for one in of(row(stands_s=9_999, **more))]


@pytest.mark.parametrize(("late_s", "codes"), [(LOOP_LATE_S, []), (LOOP_LATE_S + 0.1, ["loop_lag"])])
def test_an_event_loop_that_is_late_is_told(late_s: float, codes: list[str]) -> None:
    assert [one.code for one in troubles([], [], notices=RouterNotices(loop_late_s=late_s))] == codes


@pytest.mark.parametrize("code", CODES)
def test_a_trouble_is_about_one_source_one_destination_or_the_router(code: str) -> None:
    found = about(Trouble(code, "crm", "", "", Actor.NOBODY))
    whom = ("", "") if code in OF_THE_ROUTER else ("crm", "") if code in OF_SOURCES else ("", "crm")
    assert found == whom


def test_what_waits_behind_a_pause_is_told_once() -> None:
    assert [one.code for one in of(row(oldest_queued_s=5000, pause=pause("paused", "by_hand")))] == ["by_hand"]


HELD = {"group_unknown": {"events": 40, "users": 3, "oldest_s": 90_000.0}}


@pytest.mark.parametrize(
    ("waiting", "held_at", "let_go_at", "is_told"),
    [
        (HELD, AT, None, True),
        (HELD, None, None, False),
        (HELD, AT, LATER, False),
        ({"group_unknown": {"events": 40, "users": 3, "oldest_s": 80_000.0}}, AT, None, False),
    ],
)
def test_a_hold_that_grows_while_nobody_is_let_go_for_a_day_is_told(
    waiting: dict[str, Any], held_at: str | None, let_go_at: str | None, is_told: bool
) -> None:
    found = of(row(waiting=waiting), last_held_at=held_at, last_let_go_at=let_go_at)
    assert [one.code for one in found] == (["hold_growing"] if is_told else [])
    if is_told:
        assert "40 events of 3 users, the oldest for 25 h; no group call of this user has come" in found[0].sentence


def test_group_calls_that_a_filter_kept_from_a_destination_are_told() -> None:
    [found] = of(row(), group_calls_filtered=2)
    assert (found.code, found.page) == ("group_filtered", "/destinations/crm/held")


def test_a_silent_source_says_for_how_long_and_what_is_usual() -> None:
    [found] = troubles([], [], [source(silent_s=172_800, longest_gap_s=1_500)])
    assert (found.code, found.actor, found.since) == ("source_silent", Actor.SENDER, AT)
    assert found.sentence == "source website is silent for 2 days; it never was for longer than 25 min lately"


@pytest.mark.parametrize(
    ("accepted", "discarded", "is_told"), [(494, 5, True), (496, 5, False), (0, 4, False), (0, 5, True)]
)
def test_more_than_one_call_in_a_hundred_that_cannot_be_used_is_told(
    accepted: int, discarded: int, is_told: bool
) -> None:
    found = troubles([], [], [source(accepted_last_hour=accepted, discarded_last_hour=discarded)])
    assert [one.code for one in found] == (["discards"] if is_told else [])


@pytest.mark.parametrize("code", REFUSED)
def test_a_refused_reload_says_by_its_code_what_to_do_however_long_its_words_are(code: str) -> None:
    errors = ["filter:\n  type = 1\n  ^" + "x" * 200, "server.listen: changed, which needs a restart"]
    [found] = troubles([], [], notices=RouterNotices(refused_at=AT, refused=code, errors=errors))
    assert "\n" not in found.sentence
    assert found.next_step == REFUSED[code]


def test_a_refused_reload_says_the_first_error_and_how_many_more() -> None:
    [found] = troubles([], [], notices=RouterNotices(refused_at=AT, errors=["a: wrong", "b: wrong", "c: wrong"]))
    assert found.code == "reload_refused"
    assert found.sentence.endswith("in force: a: wrong, and 2 more")


@pytest.mark.parametrize(("seconds", "words"), [(7200.0, "forward by 2 h"), (-90.0, "back by 90 s")])
def test_a_jump_of_the_clock_says_where_to(seconds: float, words: str) -> None:
    [found] = troubles([], [], notices=RouterNotices(jumped_at=AT, jump_s=seconds))
    assert (found.code, found.sentence.endswith(words)) == ("clock_jump", True)


def test_the_gravest_comes_first() -> None:
    rows = [row(pause=pause("paused", "by_hand"))]
    lately = {"crm": {**CALM, "dead_last_hour": {"rejected": 1}}}
    found = troubles([Problem("disk_low", "the disk is low")], rows, [source(silent_s=9_999, longest_gap_s=1)], lately)
    assert [one.code for one in found] == ["disk_low", "by_hand", "dead", "source_silent"]


def test_every_code_that_the_store_may_tell_has_a_meaning() -> None:
    router = Path(__file__).parents[3] / "router"
    told = {
        code for file in router.rglob("*.py") for code in re.findall(r'Problem\(\s*"(\w+)"', file.read_text("utf-8"))
    }
    assert {"store_broken", "store_away", "store_not_trimmed"} <= told <= CODES.keys()
    assert told == STEPS.keys()


def test_the_page_about_monitoring_names_the_codes_that_only_the_store_knows_of() -> None:
    """All that is found of a destination which neither stands nor is paused, and of a source."""
    waiting = {"group_unknown": {"events": 1, "users": 1, "oldest_s": LONG_HOLD_S + 1}}
    lately = {
        **CALM,
        "dead_last_hour": {"rejected": 1, "plugin_error": 1},
        "last_held_at": AT,
        "group_calls_filtered": 1,
    }
    bad = row(oldest_queued_s=LATE_S + 1, waiting=waiting)
    sources = [source(silent_s=9_999, longest_gap_s=1, discarded_last_hour=9)]
    found = [one.code for one in troubles([], [bad], sources, {"crm": lately})]
    page = (Path(__file__).parents[3] / "docs/monitoring.md").read_text("utf-8")
    told = re.search(r"Only the store knows of (.*?):", page, re.DOTALL)
    assert told is not None
    assert re.findall(r"`(\w+)`", told[1]) == found


def test_the_page_about_monitoring_lists_every_code() -> None:
    page = (Path(__file__).parents[3] / "docs/monitoring.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \| (.*) \|$", page.partition("The codes, gravest first")[2], re.MULTILINE) == [
        *CODES.items()
    ]
