"""Where somebody's events are: the headline, each cause, who acts and the next step."""

from __future__ import annotations

from typing import Any

import pytest

from router.explain.reasons import Actor
from router.explain.whereabouts import Whereabouts, as_text, where

AT, LATER = "2026-01-02T03:04:05.678Z", "2026-01-02T05:06:07.678Z"
SINCE = "2026-01-02 03:04 UTC"


def told(counts: dict[str, dict[str, Any]], lanes: list[dict[str, Any]] | None = None, **more: Any) -> Whereabouts:
    """The answer for these counts; a plain number stands for a reason with so many events."""
    full = {
        state: {reason: one if isinstance(one, dict) else some(one) for reason, one in reasons.items()}
        for state, reasons in counts.items()
    }
    base = {"mode": "live", "enabled": True, "pause": None, "shown_after": ""}
    return where("crm", {**base, "counts": full, "lanes": lanes or [], **more})


def some(n: int, **more: Any) -> dict[str, Any]:
    return {"n": n, "sample": "m1", "source": "website", "type": "track", "detail": None, "last_at": AT, **more}


def lane(reason: str, events: int, group_id: str | None = None, **more: Any) -> dict[str, Any]:
    return {"user": "user:u1", "waiting_for": reason, "group_id": group_id, "events": events, "since": AT, **more}


@pytest.mark.parametrize(
    ("state", "attempt", "words"),
    [
        ("dead", {"tried": True, "status": 422}, "Sent, and refused by the tool."),
        ("retrying", {"tried": True, "status": 503}, "Sent, and the tool has not said yes."),
        ("queued", {"tried": True, "status": 401}, "Sent, and the tool has not said yes."),
        ("retrying", {"tried": True, "status": None}, "Tried, and none was delivered."),
        ("dead", {"tried": False, "status": None}, "Nothing was sent."),
    ],
)
def test_where_nothing_is_delivered_the_headline_says_whether_it_was_sent(
    state: str, attempt: dict[str, Any], words: str
) -> None:
    assert told({state: {"any": some(2, **attempt)}}).headline == words


def test_all_is_delivered_and_the_tool_shows_it_later() -> None:
    found = told({"delivered": {"": 38}}, shown_after="up to 24 hours later")
    assert (found.headline, found.state, found.causes) == (f"38 of 38 delivered, the last {SINCE}.", "delivered", [])
    assert found.actor == Actor.NOBODY
    assert found.next_step.endswith("look in the tool. It shows new data up to 24 hours later")


def test_nothing_came_here() -> None:
    found = told({})
    assert (found.headline, found.state, found.actor) == ("None of their events came here.", "", Actor.SENDER)


def test_a_hold_names_the_group_call_without_a_name() -> None:
    found = told(
        {"held": {"group_name_unknown": 3}},
        [lane("group_name_unknown", 38, "acme", told={"since": LATER, "message_id": "g1", "source": "website"})],
    )
    [cause] = found.causes
    assert found.headline == "Nothing was sent."
    assert cause.sentence == f"38 events wait since {SINCE} for a group call with the name of group acme."
    assert cause.more == "The group call of 2026-01-02 05:06 UTC had an id (acme) but no name."
    assert (found.actor, found.state) == (Actor.SENDER, "held")
    assert found.next_step == "send the group call with traits.name, or release by hand with a name"


def test_a_group_call_that_is_on_its_way_asks_nobody_to_act() -> None:
    call = {"message_id": "g1", "state": "queued", "reason": ""}
    found = told({"held": {"group_unknown": 1}}, [lane("group_unknown", 1, group_call=call)])
    assert found.causes[0].more == "The group call g1 was accepted and is queued."
    assert (found.actor, found.next_step) == (Actor.NOBODY, "nothing to do yet: the group call g1 is on its way")


def test_a_group_call_that_is_tried_again_waits_for_the_vendor() -> None:
    call = {"message_id": "g1", "state": "retrying", "reason": "timeout"}
    assert told({}, [lane("group_unknown", 1, group_call=call)]).actor == Actor.VENDOR


@pytest.mark.parametrize(
    ("refused", "words", "actor"),
    [
        (
            {"state": "dead", "reason": "rejected", "detail": "bad plan"},
            "does not count here: the vendor refused it (bad plan)",
            Actor.OPERATOR,
        ),
        (
            {"state": "filtered", "reason": "filter", "detail": None},
            "was filtered here: the destination's `filter` is not true for it",
            Actor.OPERATOR,
        ),
        (
            {"state": "filtered", "reason": "consent", "detail": None},
            "was filtered here: its user has not given a consent",
            Actor.NOBODY,
        ),
    ],
)
def test_a_group_call_that_does_not_count_says_why_and_who_can_change_that(
    refused: dict[str, Any], words: str, actor: Actor
) -> None:
    found = told({}, [lane("group_unknown", 2, refused={"message_id": "g1", "at": AT, **refused})])
    assert f"The group call g1 of {SINCE} {words}" in found.causes[0].more
    assert found.actor == actor
    line = "replay crm --message-id g1"
    assert found.command == ("" if actor == Actor.NOBODY else line)
    assert (f"Command: {line}" in as_text(["user:u1"], [found])) == bool(found.command)


def test_lanes_of_one_person_that_wait_for_the_same_are_told_once() -> None:
    found = told({}, [lane("group_unknown", 2), {**lane("group_unknown", 3), "user": "anonymous:a1", "since": LATER}])
    [cause] = found.causes
    assert cause.sentence == f"5 events wait since {SINCE} for a group call for user:u1."


def test_what_waits_behind_a_pause_is_one_cause_with_the_pause_as_its_reason() -> None:
    pause = {"state": "paused", "reason": "credentials", "detail": "401", "since": AT}
    found = told({"queued": {"in_flight": 2, "behind_lane": 5}, "retrying": {"status_401": 1}}, pause=pause)
    [cause] = found.causes
    assert (
        cause.sentence
        == f"8 events wait: the destination is paused because the vendor refused our key (401), since {SINCE}."
    )
    assert (cause.state, found.actor, found.next_step) == ("retrying", Actor.OPERATOR, "correct the key and reload")


def test_what_is_left_out_comes_behind_what_waits_and_leaves_the_headline() -> None:
    found = told(
        {"delivered": {"": 36}, "filtered": {"consent": some(2, detail=": marketing")}, "dead": {"too_large": 1}}
    )
    assert [cause.state for cause in found.causes] == ["dead", "filtered"]
    assert (found.headline[:18], found.state) == ("36 of 39 delivered", "dead")
    assert found.next_step == "send less in one event"


def test_only_what_is_left_out_does_not_change_that_the_rest_is_delivered() -> None:
    assert told({"delivered": {"": 36}, "filtered": {"filter": 2}}).state == "delivered"
    assert told({"filtered": {"filter": 2}}).state == "filtered"


def test_a_dry_run_says_that_nothing_is_sent_and_how_that_ends() -> None:
    found = told({"delivered": {"dry_run": 4}}, mode="dry-run")
    assert (
        found.headline
        == f"Nothing is really sent yet: this destination is in dry run. 4 of 4 are recorded, the last {SINCE}."
    )
    assert (found.actor, found.next_step) == (Actor.OPERATOR, 'set mode = "live" in config.toml')


def test_events_of_a_dry_run_before_are_told_apart() -> None:
    found = told({"delivered": {"dry_run": 4, "": 1}})
    assert found.headline.startswith("1 of 5 delivered")
    assert found.headline.endswith("4 were only recorded, in a dry run before.")


def test_the_text_has_every_cause_and_who_acts() -> None:
    text = as_text(["user:u1"], [told({}, [lane("group_unknown", 1)]), told({"delivered": {"": 1}})])
    assert text.splitlines() == [
        "user:u1",
        "",
        "crm: Nothing was sent.",
        f"  1 event waits since {SINCE} for a group call for user:u1. No group call of theirs has come.",
        "  Who acts: the developers of the app that sends. Next: send a group call for this user, or release by hand on behalf of a group.",
        f"crm: 1 of 1 delivered, the last {SINCE}.",
        "  Who acts: nobody. Next: the tool has said yes to all of them; if it shows nothing, look in the tool.",
    ]
