"""What an event costs more where everything is on that asks or changes it: the tracking plan of its source, and consent, a filter and a
mapping table at a destination. Beside it the same event where nothing is on."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from router.bench import tracking_plan
from router.config import DestinationConfig, MappingConfig
from router.consent import Need
from router.event import Call, normalize_event
from router.judge import Forwarder, Judge, SourcePlans, ViolationReport
from router.plugin_host import compile_consent, compile_filter
from router.plugin_host.event_mapping import compile_mapping

REQUEST = 20
"""Events of a request, as libraries send them."""
Row = tuple[str, str, bytes]

PREFERENCES = {"analytics": True, "functional": True, "advertising": False, "personalisation": True}
"""As consent tools usually write them: four categories, in each event."""
NEEDED = Need(("analytics", "functional"))
EXPRESSION = "type = 'track' and event != 'Heartbeat' and properties.total > 10 and !contains( context.traits.email, '@acme.com' )"
"""As filters usually are: the type, a name, a number, and people to leave out."""
PASSES = "type != 'track' or ( event != 'Heartbeat' and properties.total != 0 and !contains( context.traits.email, '@acme.com' ) )"
"""The same questions, but every event of the mix goes on: what is stopped is not mapped."""
TABLE = MappingConfig(
    event_names={"Order Completed": "Purchase"},
    rename={"properties.total": "properties.revenue", "group.plan": "group.tier"},
    drop=("user.birthday",),
    set={"properties.shop": "web"},
)


def with_consent(rows: list[Row]) -> list[Row]:
    """The same events, each with the preferences of its user."""
    return [(type, message_id, _with_consent(body)) for type, message_id, body in rows]


def _with_consent(body: bytes) -> bytes:
    envelope, _, text = body.partition(b"\n")
    call = msgspec.json.decode(text)
    call.setdefault("context", {})["consent"] = {"categoryPreferences": PREFERENCES}
    return envelope + b"\n" + msgspec.json.encode(call)


def nothing_on(rows: list[Row], received_ms: int) -> Callable[[], None]:
    """Each event is opened for its destination."""
    events = with_consent(rows)

    def work() -> None:
        for type, message_id, body in events:
            normalize_event("bench", type, message_id, received_ms, body)

    return work


def all_on(rows: list[Row], received_ms: int) -> Callable[[], None]:
    """Each event is held against its plan, asked for consent and by the filter, and mapped. What was opened for the plan is not opened
    again for a destination that keeps up."""
    events = with_consent(rows)
    calls = [Call("bench", type, message_id, "u:1", received_ms, body) for type, message_id, body in events]
    requests = [calls[first : first + REQUEST] for first in range(0, len(calls), REQUEST)]
    judge = _judge(events)
    config = DestinationConfig(name="bench", plugin="bench", consent=NEEDED, filter=PASSES)
    consent, filters, table = compile_consent(config), compile_filter(config), compile_mapping(TABLE, {})
    assert consent is not None
    assert filters is not None
    assert table is not None

    def work() -> None:
        for request in requests:
            for accepted in judge.judged(request):
                event, accepted.opened = accepted.opened, None
                assert event is not None
                call = event.payload
                if consent.withheld(call) is None and filters.stopped(call) is None:
                    table.event(filters.changed(event, call))

    return work


def _judge(rows: list[Row]) -> Judge:
    report = ViolationReport(lambda: 0, lambda *names, **fields: None, lambda *labels: None)
    return Judge(SourcePlans([tracking_plan.plan_of(rows)]), Forwarder(lambda: 0, lambda *labels: None), report)
