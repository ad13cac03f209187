"""The instants of a call, and the sender's clock skew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.event import Envelope, Notes, show_instant
from router.plugin import as_instant
from tests.unit.event.rig import RECEIVED, opened


class TestInstants:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-11-22T03:50:30.640Z", "2026-11-22T03:50:30.640000"),
            ("2026-11-22T03:50:30.640+00:00", "2026-11-22T03:50:30.640000"),
            ("2026-11-22T03:49:27.785259+00:00", "2026-11-22T03:49:27.785259"),
            ("2026-11-22T03:50:30.123456789Z", "2026-11-22T03:50:30.123456"),
            ("2026-11-22T03:50:30+00:00", "2026-11-22T03:50:30.000000"),
            ("2026-11-22T03:50:30Z", "2026-11-22T03:50:30.000000"),
            ("2026-11-22T03:50:30", "2026-11-22T03:50:30.000000"),
            ("2026-11-22T03:50:30.5-05:30", "2026-11-22T09:20:30.500000"),
            ("2026-11-22", "2026-11-22T00:00:00.000000"),
            ("20261122", "2026-11-22T00:00:00.000000"),
            ("2026-11-22T03:50:30.640z", "2026-11-22T03:50:30.640000"),
            (" 2026-11-22t03:50:30Z ", "2026-11-22T03:50:30.000000"),
            ("Sun Nov 22 2026 03:50:30 GMT+0100 (Central European Standard Time)", "2026-11-22T02:50:30.000000"),
            ("Sun, 22 Nov 2026 03:50:30 GMT", "2026-11-22T03:50:30.000000"),
            ("Nov 22, 2026 03:50:30", "2026-11-22T03:50:30.000000"),
        ],
    )
    def test_every_form_that_libraries_send_is_read_as_utc(self, text: str, expected: str) -> None:
        instant = as_instant(text)
        assert instant is not None
        assert instant.tzinfo is UTC
        assert instant.replace(tzinfo=None).isoformat(timespec="microseconds") == expected

    @pytest.mark.parametrize(
        ("epoch", "expected"),
        [
            (1_795_010_112, "2026-11-18T13:55:12.000Z"),
            (1_795_010_112_345, "2026-11-18T13:55:12.345Z"),
            ("1795010112", "2026-11-18T13:55:12.000Z"),
            ("1795010112345", "2026-11-18T13:55:12.345Z"),
            (" 1795010112345\n", "2026-11-18T13:55:12.345Z"),
            (1_795_010_112.5, "2026-11-18T13:55:12.500Z"),
            ("1795010112.5", "2026-11-18T13:55:12.500Z"),
            (1_795_010_112_345.0, "2026-11-18T13:55:12.345Z"),
            ("2000010112345", "2033-05-18T06:21:52.345Z"),
            (100_000_000, "1973-03-03T09:46:40.000Z"),
        ],
    )
    def test_seconds_and_milliseconds_since_1970_are_read_as_numbers_and_as_texts(
        self, epoch: Any, expected: str
    ) -> None:
        instant = as_instant(epoch)
        assert instant is not None
        assert show_instant(instant) == expected

    @pytest.mark.parametrize(
        "value",
        [
            *(0, 1, -1_795_010_112, 1_795_010_112_345_678, 32_503_680_000_000, 10**400, float("inf"), float("nan")),
            *("1" * 40, "12", "٣" * 10, "1e12", "Sun Xyz 22 2026 03:50:30", "Feb 30 2026 10:00:00"),
            *("x" * 100_000, " " * 100_000, [], {}, None, True),
        ],
        ids=lambda value: str(value)[:20],
    )
    def test_what_is_no_instant_is_none(self, value: Any) -> None:
        assert as_instant(value) is None

    @given(value=st.text() | st.floats() | st.integers() | st.from_regex(r"[A-Za-z0-9 :,+.()-]{0,40}"))
    def test_reading_an_instant_never_raises(self, value: Any) -> None:
        instant = as_instant(value)
        assert instant is None or instant.tzinfo is UTC

    @given(instant=st.datetimes(timezones=st.just(UTC)))
    def test_an_instant_is_written_in_milliseconds_cut_off_and_not_rounded(self, instant: datetime) -> None:
        assert show_instant(instant) == instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    @given(instant=st.datetimes(timezones=st.just(UTC)))
    def test_what_was_written_is_read_as_the_same_millisecond(self, instant: datetime) -> None:
        assert as_instant(show_instant(instant)) == instant.replace(microsecond=instant.microsecond // 1000 * 1000)

    @pytest.mark.parametrize(
        "value", ["", "soon", "2026-13-01", "0001-01-01T00:00:00+05:00", "x" * 5000, 5, None, {}, True]
    )
    def test_an_unreadable_timestamp_counts_as_absent(self, value: Any) -> None:
        event = opened({"userId": "u", "event": "E", "timestamp": value, "sentAt": value, "originalTimestamp": value})
        assert event.payload["timestamp"] == event.payload["originalTimestamp"] == RECEIVED
        assert "sentAt" not in event.payload

    def test_the_senders_clock_skew_is_taken_out(self) -> None:
        call = {"userId": "u", "timestamp": "2026-01-02T04:00:00.000Z", "sentAt": "2026-01-02T04:00:10.000Z"}
        event = opened(call)
        assert event.payload["originalTimestamp"] == "2026-01-02T04:00:00.000Z"
        assert event.payload["sentAt"] == "2026-01-02T04:00:10.000Z"
        assert event.payload["timestamp"] == "2026-01-02T03:03:55.678Z"
        assert event.timestamp == datetime(2026, 1, 2, 3, 3, 55, 678000, UTC)
        assert event.original_timestamp == datetime(2026, 1, 2, 4, tzinfo=UTC)
        assert event.received_at == datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)

    def test_the_sent_at_of_the_batch_serves_where_the_call_has_none(self) -> None:
        envelope = Envelope(sent_at="2026-01-02T04:00:10+00:00")
        assert opened({"timestamp": "2026-01-02T04:00:00Z"}, envelope=envelope).payload["timestamp"] == (
            "2026-01-02T03:03:55.678Z"
        )
        own = {"timestamp": "2026-01-02T04:00:00Z", "sentAt": "2026-01-02T04:00:00Z"}
        assert opened(own, envelope=envelope).payload["timestamp"] == RECEIVED
        unreadable = {"timestamp": "2026-01-02T04:00:00Z", "sentAt": "now"}
        assert opened(unreadable, envelope=envelope).payload["sentAt"] == "2026-01-02T04:00:10.000Z"

    def test_without_sent_at_the_senders_time_stands(self) -> None:
        assert opened({"timestamp": "2026-01-01T00:00:00Z"}).payload["timestamp"] == "2026-01-01T00:00:00.000Z"

    def test_original_timestamp_alone_is_corrected(self) -> None:
        call = {"originalTimestamp": "2026-01-02T04:00:00Z", "sentAt": "2026-01-02T04:00:00Z"}
        assert opened(call).payload["timestamp"] == RECEIVED

    def test_a_call_with_both_timestamps_was_corrected_before(self) -> None:
        event = opened(
            {
                "timestamp": "2026-01-01T00:00:01Z",
                "originalTimestamp": "2026-01-01T00:00:00Z",
                "sentAt": "2026-01-02T04:00:00Z",
            }
        )
        assert event.payload["timestamp"] == "2026-01-01T00:00:01.000Z"
        assert event.payload["originalTimestamp"] == "2026-01-01T00:00:00.000Z"

    def test_a_call_without_any_time_happened_when_received_whatever_its_sent_at(self) -> None:
        assert opened({"sentAt": "2020-01-01T00:00:00Z"}).payload["timestamp"] == RECEIVED

    @pytest.mark.parametrize("sent_at", ["0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "9999-01-01T00:00:00Z"])
    def test_a_sent_at_that_is_absurd_corrects_nothing_and_is_noted(self, sent_at: str) -> None:
        notes: Notes = []
        event = opened({"timestamp": "2026-01-02T03:00:00Z", "sentAt": sent_at}, notes=notes)
        assert event.payload["timestamp"] == "2026-01-02T03:00:00.000Z"
        assert notes == [("sentAt", "out_of_range")]

    @pytest.mark.parametrize("day", ["1970-01-01", "2031-06-01"])
    def test_a_clock_that_is_off_by_years_is_corrected(self, day: str) -> None:
        notes: Notes = []
        event = opened({"timestamp": f"{day}T04:00:00Z", "sentAt": f"{day}T04:00:10Z"}, notes=notes)
        assert event.payload["timestamp"] == "2026-01-02T03:03:55.678Z"
        assert notes == []

    def test_what_cannot_be_read_is_noted_by_field(self) -> None:
        notes: Notes = []
        call = {
            "timestamp": "soon",
            "originalTimestamp": {},
            "sentAt": "x" * 500,
            "context": [],
            "integrations": "none",
        }
        opened(call, notes=notes)
        assert sorted(notes) == [
            ("context", "empty_list"),
            ("integrations", "not_an_object"),
            ("originalTimestamp", "unreadable"),
            ("sentAt", "unreadable"),
            ("timestamp", "unreadable"),
        ]
        opened({"timestamp": "2026-01-02T03:00:00Z"}, envelope=Envelope(sent_at="now"), notes=notes)
        assert notes[-1] == ("sentAt", "unreadable")

    def test_clean_calls_are_not_noted(self) -> None:
        notes: Notes = []
        opened({"timestamp": 1_767_323_000_000, "sentAt": "2026-01-02T03:03:21Z", "context": None}, notes=notes)
        assert notes == []

    def test_a_correction_beyond_the_calendar_is_not_made(self) -> None:
        call = {"timestamp": "9999-12-31T23:59:59Z", "sentAt": "0001-01-01T00:00:00Z"}
        assert opened(call).payload["timestamp"] == "9999-12-31T23:59:59.000Z"
