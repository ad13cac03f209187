"""The trace of a stored call: in the envelope, and nowhere where there is none."""

from __future__ import annotations

import pytest

from router.event import Envelope, is_blocked, normalize_event, trace_of, verdict_of, with_trace, with_verdict
from router.plans import Verdict

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CALL = b'{"type":"track","userId":"u1","event":"E","properties":{"x":"00-not-a-trace"}}'


@pytest.mark.parametrize("envelope", [Envelope(), Envelope(sent_at="2026-01-01T00:00:00Z", ip="10.0.0.1")])
def test_a_stored_call_says_of_which_trace_it_is_and_is_otherwise_the_same(envelope: Envelope) -> None:
    body = envelope.line() + CALL
    traced = with_trace(body, TRACE)
    assert trace_of(traced) == TRACE
    assert traced.partition(b"\n")[2] == CALL
    before, after = (normalize_event("web", "track", "m1", 0, each) for each in (body, traced))
    assert before == after


def test_a_call_without_a_trace_has_none_whatever_its_sender_says() -> None:
    for body in (Envelope().line() + CALL, Envelope(context={"x": OTHER}).line() + CALL, b"", b"{}"):
        assert trace_of(body) == ""


def test_a_trace_stays_when_a_tracking_plan_marks_the_call_and_when_it_is_asked_again() -> None:
    blocked = Verdict(is_blocked=True)
    body = with_verdict(with_trace(Envelope(ip="10.0.0.1").line() + CALL, TRACE), blocked)
    assert is_blocked(body)
    assert trace_of(body) == TRACE
    assert verdict_of(body) == blocked
    assert TRACE.encode() in with_verdict(body, None)
