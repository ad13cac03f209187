"""Fixtures of plugins: one Segment call in, the vendor's requests out.

A fixture is a JSON file: `settings` of the plugin, the calls made `before`, the `calls` under test, and what is `expected`:
`outcome` (`sent`, `skipped: reason`, `held: reason` or `dead: reason`), `requests` and `warnings`. A request's URL is compared
as exact text, its body as parsed JSON: `json` for one value, `lines` for one value a line. `until` is an instant after the
calls: timers that are due by then are called, and what they return is among the `requests`.

The directory here knows just enough to give the mapping hooks the user and the group they would see in the router. Calls made
before are mapped only if they have keyed state: what they leave there is read by the calls under test.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from hypothesis import strategies as st
from yarl import URL

from router.clock import SystemClock
from router.deliver.send.retry_after import retry_after_s
from router.plugin import (
    Answer,
    Batch,
    Context,
    Event,
    Group,
    Item,
    Profile,
    Reject,
    Request,
    RetryLater,
    Skip,
    UserId,
)
from router.plugin_host.validation import bind

FIXTURES = Path(__file__).parent.parent / "fixtures"
NOW = "2024-03-01T10:00:00.000Z"
MAX_STATE_BYTES = 8 * 1024

Call = Mapping[str, Any]

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
"""Any value that JSON can hold, and the floats that it cannot."""


def fixtures(plugin: str) -> list[Path]:
    """The fixture files of a plugin, for `pytest.mark.parametrize`."""
    found = sorted((FIXTURES / plugin).glob("*.json"))
    assert found, f"no fixtures for {plugin}"
    return found


def event_of(call: Call, options: Mapping[str, Any] | None = None) -> Event:
    """The event that ingestion makes of a Segment call."""
    sent = call.get("timestamp") or call.get("originalTimestamp") or NOW
    context = call.get("context") or {}
    return Event(
        type=call["type"],
        message_id=call.get("messageId", "m1"),
        source="website",
        user_id=id_text(call.get("userId")),
        anonymous_id=id_text(call.get("anonymousId")),
        group_id=id_text(call.get("groupId")) or id_text(context.get("groupId")),
        previous_id=id_text(call.get("previousId")),
        name=call.get("event") if call["type"] == "track" else call.get("name"),
        category=call.get("category"),
        traits=call.get("traits") or {},
        properties=call.get("properties") or {},
        timestamp=instant(sent),
        original_timestamp=instant(call.get("originalTimestamp") or sent),
        received_at=instant(call.get("receivedAt") or NOW),
        options=options or {},
        payload=call,
    )


def id_text(given: Any) -> str | None:
    """An id as ingestion keeps it: trimmed text, numbers without an empty fraction."""
    if isinstance(given, float) and given.is_integer():
        given = int(given)
    return str(given).strip() or None if isinstance(given, str | int | float) else None


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@dataclass
class Directory:
    """Who is in which group, from the calls so far."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    members: dict[str, str] = field(default_factory=dict)

    def take(self, event: Event, warnings: list[str], state: Any = None) -> Context:
        """Learn from a call, and give the context it is mapped with."""
        user = event.user_id or event.anonymous_id or ""
        previous = self.members.get(user)
        if event.type == "identify":
            self.users.setdefault(user, {}).update(event.traits)
        if event.type == "group" and event.group_id:
            self.groups.setdefault(event.group_id, {}).update(event.traits)
            self.members[user] = event.group_id
        group = event.group_id or self.members.get(user)
        return Context(
            user=Profile(user, self.users[user]) if user in self.users else None,
            group=Profile(group, self.groups.get(group, {})) if group else None,
            previous_group_id=previous,
            state=state,
            warn=lambda reason, **numbers: warnings.append(reason),
        )


@dataclass
class Came:
    """What came of the calls of a fixture."""

    outcome: str = "sent"
    requests: list[Request] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass
class Keyed:
    """Keyed state and timers, as a worker keeps them: through JSON, at most 8 KiB, one timer a key."""

    plugin: Any
    states: dict[str, bytes] = field(default_factory=dict)
    timers: dict[str, datetime] = field(default_factory=dict)

    def key_of(self, event: Event) -> str | None:
        """The state key of an event of a supported type."""
        key: str | None = self.plugin.state_key(event) if hasattr(self.plugin, "state_key") else None
        return key

    def read(self, key: str | None) -> Any:
        """A copy of the state of a key."""
        return msgspec.json.decode(self.states[key]) if key in self.states else None

    def keep(self, key: str | None, context: Context) -> None:
        """Take over what a hook did to state and timer."""
        assert key is not None or not (context._changed or context._wake), "state or wake used without a state key"
        if key is None:
            return
        if context._changed:
            encoded = msgspec.json.encode(context.state)
            assert len(encoded) <= MAX_STATE_BYTES
            self.states[key] = encoded
        if context._wake is not None:
            self.timers.pop(key, None)
            if context._wake[0] is not None:
                self.timers[key] = context._wake[0]

    def due(self, until: datetime) -> Iterator[list[Item]]:
        """What the timers that are due by then return, in their order."""
        while ripe := [(at, key) for key, at in self.timers.items() if at <= until]:
            at, key = min(ripe)
            del self.timers[key]
            context = Context(state=self.read(key))
            items = stored(self.plugin.wake(key, at, context))
            self.keep(key, context)
            yield items


def replay(plugin: Any, case: Mapping[str, Any]) -> Came:
    """Map the calls of a fixture one after the other and build their requests."""
    came, directory, keyed = Came(), Directory(), Keyed(plugin)
    for call in case.get("before", []):
        event = event_of(call)
        key = keyed.key_of(event)
        context = directory.take(event, [], keyed.read(key))
        if key is not None and unmet(plugin, event, context) is None:
            mapped(plugin, event, context)
            keyed.keep(key, context)
    for call in case["calls"]:
        event = event_of(call, _options(call, plugin.display_names))
        key = keyed.key_of(event)
        context = directory.take(event, came.warnings, keyed.read(key))
        try:
            came.outcome = unmet(plugin, event, context) or "sent"
            if came.outcome == "sent":
                items = mapped(plugin, event, context)
                keyed.keep(key, context)
                came.requests += [plugin.request(batch) for batch in batches(plugin, items)]
                came.outcome = "sent" if items else "skipped: empty"
        except Skip as skip:
            came.outcome = f"skipped: {skip.reason}"
        except Reject as reject:
            came.outcome = f"dead: {reject.reason}"
    for items in keyed.due(instant(case["until"])) if "until" in case else ():
        came.requests += [plugin.request(batch) for batch in batches(plugin, items)]
    return came


def _options(call: Call, names: Sequence[str]) -> Mapping[str, Any]:
    given = call.get("integrations") or {}
    return next((given[name] for name in names if isinstance(given.get(name), dict)), {})


def unmet(plugin: Any, event: Event, context: Context) -> str | None:
    """What the router decides before the hook is called: not supported, no user id, or held for the group."""
    if not hasattr(plugin, event.type):
        return "skipped: unsupported"
    needs = getattr(plugin, "requires", {}).get(event.type, ())
    if UserId() in needs and event.user_id is None:
        return "skipped: no_user_id"
    for need in needs:
        if isinstance(need, Group):
            if context.group is None:
                return "held: group_unknown"
            for trait in need.traits:
                if not context.group.traits.get(trait):
                    return f"held: group_{trait}_unknown"
    return None


def mapped(plugin: Any, event: Event, context: Context) -> list[Item]:
    """The items that the hook of an event returns."""
    return stored(bind(plugin, "plugin")[event.type](event, context))


def stored(found: Item | Iterable[Item]) -> list[Item]:
    """What a hook returned, as it comes back from the store: through JSON."""
    items = [found] if isinstance(found, Item) else list(found)
    assert all(isinstance(item, Item) for item in items)
    return [Item.of_json(item.json, item.kind) for item in items]


def batches(plugin: Any, items: Sequence[Item]) -> Iterator[list[Item]]:
    """Items in order, as many to a request as their kind allows."""
    kinds: Mapping[str, Batch] = getattr(plugin, "kinds", {"": Batch()})
    batch: list[Item] = []
    for item in items:
        if batch and (batch[0].kind != item.kind or len(batch) >= kinds[item.kind].max_items):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def check(plugin: Any, case: Mapping[str, Any]) -> None:
    """Replay a fixture and compare."""
    came, expected = replay(plugin, case), case["expected"]
    assert came.outcome == expected["outcome"]
    assert came.warnings == expected.get("warnings", [])
    for request, wanted in zip(came.requests, expected.get("requests", []), strict=True):
        assert (request.method, request.url) == (wanted.get("method", "POST"), wanted["url"])
        assert request.headers == {"Content-Type": "application/json", **wanted.get("headers", {})}
        if "lines" in wanted:
            assert request.body.endswith(b"\n")
            assert [json.loads(line) for line in request.body.splitlines()] == wanted["lines"]
        else:
            assert json.loads(request.body) == wanted["json"]


class HttpSender:
    """A Sender over real HTTP, without the rate and the redaction of the router's own."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    def secret(self, value: str) -> None:
        """Nothing is shown here."""

    async def send(self, request: Request) -> Answer:
        url = URL(request.url, encoded=True)
        try:
            async with self._session.request(
                request.method, url, headers=request.headers, data=request.body, allow_redirects=False
            ) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                wait_s = retry_after_s(answer.status, headers, SystemClock().now_ms())
                return Answer(answer.status, headers, await answer.read(), wait_s)
        except aiohttp.ClientError as error:
            raise RetryLater("connection", str(error)) from error
