"""What the contract says in words is so: the times of hooks, what is deprecated, which requests can be made, and what the helpers return."""

from __future__ import annotations

import inspect
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from router import plugin as contract
from router.plugin import Hooks
from router.plugin_host import HOOKS
from router.plugin_host.time_budgets import CALL_TIMEOUTS, CLOSE_S, HELD_S, HOLD_S, OPEN_S

PAGE = Path(__file__).parent.parent.parent / "docs/plugin-compatibility.md"
SENDING = ("deliver", "check")


def test_the_times_that_hooks_are_given_are_those_in_force() -> None:
    """The numbers of the docstrings are written out, so that an author reads them there."""
    assert CALL_TIMEOUTS == 6
    for name in HOOKS:
        words = inspect.getdoc(getattr(Hooks, name)) or ""
        if name == "lifetime":
            assert f"Time: {OPEN_S:.0f} s to open, {CLOSE_S:.0f} s to close." in words
        elif name in SENDING:
            assert "Time: six times `delivery.timeout`" in words, name
        else:
            in_force = f"{HOLD_S} s is logged (`plugin_slow`), and after {HELD_S:.0f} s it is interrupted."
            assert f"Time: a millisecond. {in_force}" in words, name


def test_what_is_deprecated_stands_on_the_page_of_the_policy_with_its_window() -> None:
    section = PAGE.read_text(encoding="utf-8").partition("## Deprecation\n")[2].partition("\n## ")[0]
    assert "at least one more minor release" in section
    deprecated = [name for name in HOOKS if "deprecated" in (inspect.getdoc(getattr(Hooks, name)) or "").lower()]
    assert [name for name in deprecated if f"`{name}`" not in section] == []
    assert ("Nothing is deprecated now." in section) == (not deprecated)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://x.test/a b", "holds a space"),
        ("https://x.test/5ecret\n", "a control character"),
        ("https://x.test/\u0161", "outside ASCII: quote it"),
        ("https://x.test/#5ecret", "holds a #: quote it as %23"),
        (None, "Request.url is NoneType: want text"),
        (b"https://x.test/", "Request.url is bytes: want text"),
    ],
)
def test_a_request_whose_url_cannot_be_sent_as_it_stands_cannot_be_made(url: Any, told: str) -> None:
    with pytest.raises((TypeError, ValueError), match=told) as refused:
        contract.Request(url)
    assert "5ecret" not in str(refused.value)


# ---------------------------------------------------------------- helpers


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (" Ada ", "Ada"), ("", None), (" ", None), ("7", "7"), (7, "7"), (7.0, "7"), (1.5, "1.5"), (10**300, None),
        (True, None), (None, None), ([1], None), ({"a": 1}, None), (float("nan"), None),
    ],
)  # fmt: skip
def test_a_text_is_also_made_of_a_number(given: Any, text: str | None) -> None:
    assert contract.as_text(given) == text


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    at = datetime(2026, 1, 2, 4, 4, 5, 678_999, tzinfo=timezone(timedelta(hours=1)))
    assert contract.iso_instant(at) == "2026-01-02T03:04:05.678Z"
    assert contract.as_instant(contract.iso_instant(at)) == at.replace(microsecond=678_000)


SCHEME_MISSING = 'write an address such as "https://example.com/v1": it must begin with http:// or https://'


def test_user_and_password_are_a_header() -> None:
    assert contract.basic_auth("user", "pa:ß") == "Basic dXNlcjpwYTrDnw=="
    assert contract.basic_auth("wk") == "Basic d2s6"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://example.com", ""), ("HTTP://[::1]:8443/x?a=b%20c", ""),
        ("example.com", SCHEME_MISSING), ("127.0.0.1:18777", SCHEME_MISSING),
        ("ftp://example.com", SCHEME_MISSING), ("https://", "write an address"),
        ("https://example.com:0", "write an address"), ("https://[::1", "write an address"),
        ("https://example.com/a b", "percent-encoded"), ("https://example.com/é", "percent-encoded"),
        ("https://example.com/#a", "leave out #"), ("https://me:pw@example.com", "leave out user and password"),
    ],
)  # fmt: skip
def test_an_address_says_why_it_is_none(url: str, fault: str) -> None:
    told = contract.url_fault(url)
    assert told.startswith(fault) if fault != "percent-encoded" else fault in told
    assert bool(told) == bool(fault)
