"""A session of the console ends when nobody used it for 12 hours; use keeps it open."""

from __future__ import annotations

from router.console.sessions import IDLE_MS, MOST, Sessions

TOKEN = "a-token-of-twenty-four-bytes"


class Clock:
    def __init__(self) -> None:
        self.ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


def test_a_session_that_is_used_stays_open_and_one_that_is_not_ends_after_twelve_hours() -> None:
    clock = Clock()
    sessions = Sessions(TOKEN, clock)
    used, left = sessions.log_in(TOKEN), sessions.log_in(TOKEN)
    clock.ms += IDLE_MS - 1
    assert sessions.is_open(used)
    clock.ms += 2
    assert sessions.is_open(used)
    assert not sessions.is_open(left)
    clock.ms += IDLE_MS + 1
    assert not sessions.is_open(used)
    assert IDLE_MS == 12 * 3_600_000


def test_a_session_that_was_logged_out_or_never_began_is_not_open() -> None:
    sessions = Sessions(TOKEN, Clock())
    id = sessions.log_in(TOKEN)
    assert id is not None
    sessions.log_out(id)
    assert not sessions.is_open(id)
    assert not sessions.is_open(None)
    assert not sessions.is_open("made-up")


def test_beyond_a_thousand_sessions_the_one_that_was_used_longest_ago_ends() -> None:
    sessions = Sessions(TOKEN, Clock())
    first, second = sessions.log_in(TOKEN), sessions.log_in(TOKEN)
    assert sessions.is_open(first)
    for _ in range(MOST - 1):
        sessions.log_in(TOKEN)
    assert sessions.is_open(first)
    assert not sessions.is_open(second)
