"""The span of a request to a vendor: which requests its events came with, and what it came to. Words of the metrics' labels only."""

from __future__ import annotations

from collections.abc import Sequence

from router.deliver.lanes.delivery import Delivery
from router.deliver.process.mapper import NO_EVENT
from router.deliver.send.sender import Attempt
from router.event import trace_of
from router.metrics import bounded, outcome_word
from router.plugin import Delivered, Outcome
from router.tracing import Span, Tracing
from router.vocabulary import Line

CUT = "cut"
"""What it came to where nobody waited for the answer."""


def begin_span(tracing: Tracing, destination: str, line: Line, deliveries: Sequence[Delivery]) -> Span | None:
    """A request with these events goes out; None: it is not traced."""
    traces = [trace_of(delivery.log_event.body) for delivery in deliveries]
    is_drawn = all(delivery.log_event.type in NO_EVENT for delivery in deliveries)
    span = tracing.delivery(destination, traces, is_drawn=is_drawn)
    if span is not None:
        attempt = 1 + max(delivery.attempts for delivery in deliveries)
        span.note(destination=destination, line=line.value, events=len(deliveries), attempt=attempt)
    return span


def end_span(span: Span, attempt: Attempt, outcomes: Sequence[Outcome]) -> None:
    """The request is done."""
    if attempt.status is not None:
        span.note(status=attempt.status)
    failed = next((outcome for outcome in outcomes if not isinstance(outcome, Delivered)), None)
    if failed is None:
        span.end(outcome=outcome_word(outcomes))
    else:
        reason = bounded(getattr(failed, "reason", ""))
        span.end(reason or outcome_word(outcomes), outcome=outcome_word(outcomes), reason=reason)
