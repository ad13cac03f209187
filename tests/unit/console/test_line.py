"""The Line of a destination."""

from __future__ import annotations

from router.console.line import per_cent, the_line


def test_the_steps_add_up_to_what_was_accepted_in_the_order_an_event_meets_them() -> None:
    line = the_line("d", {"filtered": 1, "held": 2, "delivered": 5}, {"held": ["group unknown: 2 events of 1 person"]})
    assert [(step.word, step.n) for step in line] == [
        ("accepted", 8), ("filtered", 1), ("skipped", 0), ("held", 2), ("queued", 0), ("retrying", 0), ("dead", 0), ("delivered", 5),
    ]  # fmt: skip
    assert line[3].parts == ["group unknown: 2 events of 1 person"]
    assert line[7].share == 5 / 8


def test_each_number_leads_to_the_list_behind_it() -> None:
    addresses = {step.word: step.address for step in the_line("d", {}, {})}
    assert addresses["held"] == "/destinations/d/held"
    assert addresses["dead"] == "/destinations/d/dead"
    assert addresses["filtered"] == "/events?state=filtered@d"


def test_without_any_event_all_shares_are_nothing() -> None:
    assert {step.share for step in the_line("d", {}, {})} == {0.0}


def test_a_share_never_looks_like_nothing_or_like_all_when_it_is_not() -> None:
    assert [per_cent(share) for share in (0, 0.0001, 0.125, 0.99999, 1)] == [
        "0.0 %", "< 0.1 %", "12.5 %", "> 99.9 %", "100.0 %",
    ]  # fmt: skip
