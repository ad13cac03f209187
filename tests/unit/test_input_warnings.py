"""What was mended in calls is counted by source and field, and logged now and then."""

from __future__ import annotations

from typing import Any

from router.input_warnings import MOST_LIBRARIES, PAUSE_MS, REMEMBERED, InputWarnings
from tests.unit.ingest.rig import FakeClock

UNREADABLE = ("timestamp", "unreadable")


class Rig(InputWarnings):
    def __init__(self) -> None:
        self.clock, self.lines = FakeClock(), list[dict[str, Any]]()
        super().__init__(self.clock.now_ms, lambda event, **fields: self.lines.append({"event": event, **fields}))


def test_counts_are_kept_by_source_field_and_problem() -> None:
    warnings = Rig()
    warnings.add("web", [UNREADABLE, UNREADABLE, ("traits", "empty_list")])
    warnings.add("app", [("timestamp", "out_of_range")])
    assert warnings.describe("web") == {"timestamp": {"unreadable": 2}, "traits": {"empty_list": 1}}
    assert warnings.describe("app") == {"timestamp": {"out_of_range": 1}}
    assert warnings.describe("other") == {}


def test_counts_are_kept_by_library_too_of_a_bounded_number_of_them() -> None:
    warnings = Rig()
    warnings.add("web", [UNREADABLE], "analytics-ios 3.7")
    warnings.add_stored("web", 1, [UNREADABLE], "analytics-ios 3.7")
    warnings.add("web", [UNREADABLE])
    assert warnings.by_library("web") == {"analytics-ios 3.7": {"timestamp": {"unreadable": 2}}}
    for n in range(MOST_LIBRARIES + 10):
        warnings.add("web", [UNREADABLE], f"library {n}")
    assert len(warnings.by_library("web")) == MOST_LIBRARIES
    assert warnings.describe("web") == {"timestamp": {"unreadable": MOST_LIBRARIES + 13}}


def test_a_line_about_a_field_is_written_once_a_minute_at_most() -> None:
    warnings = Rig()
    for _ in range(3):
        warnings.add("web", [UNREADABLE])
    warnings.add("web", [("traits", "empty_list")])
    warnings.clock.now += PAUSE_MS
    warnings.add("web", [UNREADABLE])
    assert [
        (line["event"], line["source"], line["field"], line["reason"], line["count"]) for line in warnings.lines
    ] == [
        ("input_warned", "web", "timestamp", "unreadable", 1),
        ("input_warned", "web", "traits", "empty_list", 1),
        ("input_warned", "web", "timestamp", "unreadable", 4),
    ]


def test_an_event_that_several_destinations_read_is_counted_once() -> None:
    warnings = Rig()
    for pos in (1, 3, 1, 2, 3):
        warnings.add_stored("web", pos, [UNREADABLE])
    assert warnings.describe("web") == {"timestamp": {"unreadable": 3}}


def test_of_long_ago_no_event_is_counted_again() -> None:
    warnings = Rig()
    for pos in range(1, REMEMBERED + 100):
        warnings.add_stored("web", pos, [UNREADABLE])
    for pos in (1, 50, REMEMBERED + 50):
        warnings.add_stored("web", pos, [UNREADABLE])
    assert warnings.describe("web") == {"timestamp": {"unreadable": REMEMBERED + 99}}
