"""Violations and blocked calls as calls of another source. They are stored in the transaction of the call that they tell of.

Their message ids are made of what they tell of, so a call that is sent twice tells nothing twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from router.event import TOLD_ID, VIOLATIONS_USER, Call, made_call, verdict_of, with_verdict
from router.judge.source_plans import SourcePlan, name_of
from router.plans import Violation
from router.plugin import Event

EVENT = "Violation Generated"
PER_MINUTE = 100
"""Violations of one source and type that are forwarded; further ones are counted."""
MINUTE_MS = 60_000


class Forwarder:
    """Makes the calls.

    Args:
        now_ms: router time.
        count_left_out: told source and type of a violation beyond the limit.
    """

    def __init__(self, now_ms: Callable[[], int], count_left_out: Callable[[str, str], None]) -> None:
        self._now_ms, self._count_left_out = now_ms, count_left_out
        self._minute = 0
        self._made: dict[tuple[str, str], int] = {}  #: in this minute, by source and type of violation

    def calls(self, plan: SourcePlan, call: Call, event: Event) -> Iterator[Call]:
        """What is forwarded because of a call with a verdict."""
        verdict = verdict_of(call.body)
        if verdict is None:
            return
        if plan.violations_to:
            for violation in verdict.violations:
                if self._has_room(plan.source, violation.type):
                    yield _told(plan, call, event, violation)
        if plan.blocked_to and verdict.is_blocked:
            body = with_verdict(call.body, verdict, is_forwarded=True)
            message_id = f"blocked-{call.message_id}"
            yield Call(plan.blocked_to, call.type, message_id, call.user_key, call.received_at, body)

    def _has_room(self, source: str, type: str) -> bool:
        minute = self._now_ms() // MINUTE_MS
        if minute != self._minute:
            self._minute = minute
            self._made.clear()
        made = self._made.get((source, type), 0)
        if made >= PER_MINUTE:
            self._count_left_out(source, type)
            return False
        self._made[source, type] = made + 1
        return True


def _told(plan: SourcePlan, call: Call, event: Event, violation: Violation) -> Call:
    """One violation as Segment tells it."""
    parts = msgspec.json.encode([call.source, call.message_id, violation.field, violation.type])
    message_id = f"violation-{hashlib.blake2b(parts, digest_size=16).hexdigest()}"
    payload = event.payload
    properties = {
        "eventName": name_of(event),
        "eventType": event.type,
        TOLD_ID: call.message_id,
        "eventSentAt": payload.get("sentAt"),
        "eventTimestamp": payload.get("timestamp"),
        "sourceName": call.source,
        "sourceID": call.source,
        "sourceSlug": call.source,
        "trackingPlanID": plan.plan.id,
        "trackingPlanName": plan.plan.name,
        "violationType": violation.type,
        "violationField": violation.field,
        "violationDescription": violation.description,
        "appVersion": _app_version(payload.get("context")),
    }
    told = {name: value for name, value in properties.items() if value is not None}
    return made_call(
        plan.violations_to, message_id, call.received_at, VIOLATIONS_USER, {"event": EVENT, "properties": told}
    )


def _app_version(context: Any) -> Any:
    app = context.get("app") if isinstance(context, dict) else None
    version = app.get("version") if isinstance(app, dict) else None
    return version if isinstance(version, str) else None
