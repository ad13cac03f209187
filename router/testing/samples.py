"""Well-made calls, one of each type, of one user and their company: as a library sends them, and as a plugin gets them.

    event = sample_event("track", event="Signed Up", properties={"plan": "trial"})
    item = plugin.track(event, sample_context())

User and group are known, so the gate of any usual requirement is open. Everything is fixed: no clock, no chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from router.event import Call, normalize_event
from router.plugin import JSON, Context, Event, Profile
from router.testing.intake import accepted

__all__ = [
    "CALLS", "GROUP", "RECEIVED_AT", "USER", "SampleContext", "sample_call", "sample_context", "sample_event",
]  # fmt: skip

RECEIVED_AT = datetime(2026, 3, 2, 9, 30, 1, tzinfo=UTC)
"""When the sample calls were received; "now" for every hook."""

USER = Profile(
    "u-1042",
    {
        "email": "mira.lindt@acme.example",
        "firstName": "Mira",
        "lastName": "Lindt",
        "phone": "+4930901820",
        "title": "Head of Operations",
        "createdAt": "2025-11-17T08:00:00Z",
        "newsletter": True,
        "address": {"city": "Berlin", "country": "DE"},
    },
)
GROUP = Profile(
    "acme",
    {
        "name": "Acme Inc",
        "industry": "Logistics",
        "employees": 240,
        "plan": "business",
        "website": "https://acme.example",
        "createdAt": "2025-11-16T10:00:00Z",
    },
)

_PAGE = {"url": "https://app.example.com/reports", "path": "/reports", "title": "Reports", "referrer": ""}
_COMMON: Mapping[str, JSON] = {
    "anonymousId": "3f0c8a52-6f5e-4a6e-9f55-0d6a0f2a7c11",
    "userId": USER.id,
    "timestamp": "2026-03-02T09:30:00.000Z",
    "context": {
        "library": {"name": "analytics.js", "version": "next-1.84.0"},
        "locale": "de-DE",
        "timezone": "Europe/Berlin",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "page": _PAGE,
    },
    "integrations": {},
}

CALLS: Mapping[str, Mapping[str, JSON]] = {
    "identify": {**_COMMON, "type": "identify", "messageId": "sample-identify", "traits": USER.traits},
    "group": {**_COMMON, "type": "group", "messageId": "sample-group", "groupId": GROUP.id, "traits": GROUP.traits},
    "track": {
        **_COMMON,
        "type": "track",
        "messageId": "sample-track",
        "event": "Report Exported",
        "properties": {"report": "Late deliveries", "format": "pdf", "rows": 312, "value": 1.5, "shared": False},
    },
    "page": {
        **_COMMON,
        "type": "page",
        "messageId": "sample-page",
        "name": "Reports",
        "category": "App",
        "properties": {**_PAGE, "name": "Reports", "category": "App"},
    },
    "screen": {
        **_COMMON,
        "type": "screen",
        "messageId": "sample-screen",
        "name": "Dashboard",
        "category": "App",
        "properties": {"name": "Dashboard", "category": "App", "tab": "overview"},
    },
    "alias": {**_COMMON, "type": "alias", "messageId": "sample-alias", "previousId": _COMMON["anonymousId"]},
}
"""Type -> the call as a library sends it."""


def sample_call(type: str, source: str = "website", **fields: JSON) -> Call:
    """A sample as ingestion accepts it. `fields`: of the call, in Segment's spelling, in place of the sample's own."""
    return accepted({**CALLS[type], **fields}, int(RECEIVED_AT.timestamp() * 1000), source)


def sample_event(type: str, names: frozenset[str] = frozenset(), **fields: JSON) -> Event:
    """A sample as a plugin gets it.

    Args:
        names: the destination's names in lower case, by which it finds its `options` in `integrations`.
        fields: of the call, in Segment's spelling, in place of the sample's own: `userId=None`, `event="Signed Up"`.

    Raises:
        KeyError: there is no such type.
        ValueError: ingestion would discard such a call.
    """
    call = sample_call(type, **fields)
    return normalize_event(call.source, call.type, call.message_id, call.received_at, call.body, names=names)


class SampleContext(Context):
    """A context that can be read afterwards: `state`, `wake_at`, and what was warned of."""

    __slots__ = ("warned",)

    def __init__(self, user: Profile | None, group: Profile | None, state: JSON) -> None:
        #: (reason, numbers) of each `warn`, in order
        self.warned: list[tuple[str, dict[str, float]]] = []
        previous = group.id if group is not None else None
        super().__init__(user, group, previous, state, lambda reason, **numbers: self.warned.append((reason, numbers)))


def sample_context(state: JSON = None, *, user: Profile | None = USER, group: Profile | None = GROUP) -> SampleContext:
    """What a plugin knows beside a sample: its user, and its group, to which the user belonged before."""
    return SampleContext(user, group, state)
