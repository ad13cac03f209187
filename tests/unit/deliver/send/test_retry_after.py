"""What a vendor's wait amounts to in seconds."""

from __future__ import annotations

import pytest

from router.deliver.send.retry_after import retry_after_s

NOW_MS = 1_767_225_600_000  # Thu, 01 Jan 2026 00:00:00 GMT


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {}, None),
        (429, {"retry-after": "30"}, 30.0),
        (503, {"retry-after": "30"}, 30.0),
        (200, {"retry-after": "30"}, 30.0),
        (429, {"retry-after": " 1.5 "}, 1.5),
        (429, {"retry-after": "0"}, 0.0),
        (429, {"retry-after": "-3"}, 0.0),
        (429, {"retry-after": "Thu, 01 Jan 2026 00:02:00 GMT"}, 120.0),
        (429, {"retry-after": "Thu, 01 Jan 2026 01:02:00 +0100"}, 120.0),
        (429, {"retry-after": "Thu, 01 Jan 2026 00:02:00 -0000"}, 120.0),
        (429, {"retry-after": "Wed, 31 Dec 2025 23:00:00 GMT"}, 0.0),
        (429, {"retry-after": "Thursday, 01-Jan-26 00:02:00 GMT"}, 120.0),
        (429, {"retry-after": "soon"}, None),
        (429, {"retry-after": "2026-01-01"}, None),
        (429, {"retry-after": ""}, None),
        (429, {"x-ratelimit-reset": "45"}, 45.0),
        (429, {"x-ratelimit-reset": "1767225660"}, 60.0),
        (429, {"x-ratelimit-reset": "1767225000"}, 0.0),
        (429, {"x-ratelimit-reset": "later"}, None),
        (200, {"x-ratelimit-reset": "45"}, None),
        (503, {"x-ratelimit-reset": "45"}, None),
        (429, {"retry-after": "5", "x-ratelimit-reset": "45"}, 5.0),
    ],
)
def test_a_vendors_wait_is_read_in_every_form(status: int, headers: dict[str, str], expected: float | None) -> None:
    assert retry_after_s(status, headers, NOW_MS) == expected


@pytest.mark.parametrize(
    "asked", [{"retry-after": "Fri, 02 Jan 2026 00:01:00 GMT"}, {"x-ratelimit-reset": str(1_767_225_660 + 86_400)}]
)
def test_an_instant_is_told_by_the_vendors_own_clock_though_ours_is_a_day_behind(asked: dict[str, str]) -> None:
    assert retry_after_s(429, {"date": "Fri, 02 Jan 2026 00:00:00 GMT", **asked}, NOW_MS) == 60.0


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2026 00:00:00 GMT"])
def test_a_date_that_is_none_is_not_looked_at(date: str) -> None:
    assert retry_after_s(429, {"date": date, "retry-after": "Thu, 01 Jan 2026 00:01:00 GMT"}, NOW_MS) == 60.0


@pytest.mark.parametrize("asked", ["inf", "-inf", "nan", "1e999", "99999999999999999999999"])
@pytest.mark.parametrize("header", ["retry-after", "x-ratelimit-reset"])
def test_an_absurd_wait_is_no_fault_of_ours(header: str, asked: str) -> None:
    wait = retry_after_s(429, {header: asked}, NOW_MS)
    assert wait is None or wait >= 0
