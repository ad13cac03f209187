"""ClientSuccess: one usage event for each track and page call, as soon as the company of its user is known.

The collector has no identify and no group call: the user and their company travel inside every event. So identify and group
are `remembered` (the router's directory keeps the traits) and the next event carries them. Without a company id and name the
vendor would drop the event; the router holds it until both are known.

There is no idempotency key: an answer that got lost on its way can count an event twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from plugins.clientsuccess import mapping
from router.plugin import (
    JSON,
    Answer,
    Context,
    Delivered,
    Event,
    Field,
    Group,
    Item,
    Outcome,
    Reject,
    Request,
    SecretStr,
    Settings,
    Skip,
    UserId,
    by_status,
    hookimpl,
    json_request,
)

OLD_NAMES = {"tracking_id": "project_id", "source_id": "project_id", "tracking_api_key": "api_key"}
NAMES_A_MONTH = 20
EVENTS_A_MONTH = 1_000_000


class ClientSuccessSettings(Settings):
    """Settings of a ClientSuccess destination. The names that ClientSuccess used earlier are understood too."""

    project_id: str = Field(
        min_length=1, description="The project, as given by ClientSuccess. Also understood: tracking_id, source_id."
    )
    api_key: SecretStr = Field(
        description="The usage API key, as given by ClientSuccess. Also understood: tracking_api_key."
    )
    base_url: str = Field(
        default="https://usage.clientsuccess.com", pattern=r"^https?://", description="Where the usage API is."
    )
    page_event: str = Field(
        default="",
        description="One event name for all page calls. Empty: named after each page, as in 'Viewed Docs Page'; an account"
        " has only 20 event names a month.",
    )
    send_custom_traits: bool = Field(
        default=True,
        description="Send the user's remaining traits along, as user.custom; ClientSuccess may ignore them.",
    )
    timeout_seconds: float = Field(
        default=10.0,
        gt=0,
        le=300,
        description="Accepted for old configurations and without effect: `timeout` in [destination.delivery] decides.",
    )

    def __init__(self, **given: JSON) -> None:
        for old, name in OLD_NAMES.items():
            if old in given and name not in given:
                given[name] = given.pop(old)
        super().__init__(**given)


class ClientSuccess:
    """Maps track and page to usage events; remembers identify and group."""

    display_names = ("ClientSuccess",)
    settings_model = ClientSuccessSettings
    requires: Mapping[str, tuple[UserId | Group, ...]] = {
        "identify": (UserId(),),
        "track": (UserId(), Group("id", "name")),
        "page": (UserId(), Group("id", "name")),
    }

    def __init__(self, settings: ClientSuccessSettings) -> None:
        self.settings = settings
        self._usage = _MonthlyUsage()

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        """Nothing to send: the next event carries the traits."""
        mapping.user_id(event)
        raise Skip("remembered")

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """Nothing to send: the next event carries the company."""
        if not event.group_id or len(event.group_id) > mapping.MAX_ID:
            raise Reject("invalid_group_id", f"a group id has 1 to {mapping.MAX_ID} characters")
        if event.user_id is not None:
            mapping.user_id(event)
        if context.group is None or mapping.text(context.group.traits.get("name")) is None:
            context.warn("group_name_unknown")
        raise Skip("remembered")

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """One usage event under the call's own name."""
        return self._item(event, context, mapping.event_name(event.name), mapping.value(event.properties))

    @hookimpl
    def page(self, event: Event, context: Context) -> Item:
        """One usage event, named after the page or by the setting `page_event`."""
        return self._item(event, context, mapping.event_name(self.settings.page_event or mapping.page_name(event)), 1)

    def _item(self, event: Event, context: Context, name: str, amount: int | float) -> Item:
        identity = {
            "organization": mapping.organization(event, context),
            "user": mapping.user(event, context, self.settings.send_custom_traits),
        }
        self._usage.count(name, event.received_at, context)
        usage = {"identity": identity, "value": amount, "timestamp": mapping.instant(event.timestamp)}
        return Item({"event": name, "usage": usage})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """One event: its name is a segment of the path, the keys are in the URL."""
        settings = self.settings
        project, name = segment(settings.project_id), segment(items[0].body["event"])
        base, key = settings.base_url.rstrip("/"), segment(settings.api_key.get_secret_value())
        url = f"{base}/collector/1.0.0/projects/{project}/events/{name}?api_key={key}"
        return json_request(url, items[0].body["usage"])

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome:
        """By status; a success that says `"created": false` is none."""
        outcome = by_status(answer, len(items))
        if isinstance(outcome, Delivered):
            body = answer.json()
            if isinstance(body, dict) and body.get("created") is False:
                return Reject("rejected", f'status {answer.status}: "created": false')
        return outcome


def segment(part: str) -> str:
    """One path segment or query value: only letters, digits and `-._~` stay as they are."""
    return quote(part, safe="")


class _MonthlyUsage:
    """Event names and events of this month, to warn before the account's quota is used up: 20 names, a million events.

    Counted since the destination was last started or reloaded; it never stops an event.
    """

    def __init__(self) -> None:
        self._month = (0, 0)
        self._names: set[str] = set()
        self._events = 0

    def count(self, name: str, at: datetime, context: Context) -> None:
        """Count one event; warn from 80 % of the names on, and at 80 % and 100 % of the events."""
        month = (at.year, at.month)
        if month > self._month:
            self._month, self._names, self._events = month, set(), 0
        self._events += 1
        if self._events in (EVENTS_A_MONTH * 8 // 10, EVENTS_A_MONTH):
            context.warn("events_quota", events=self._events, limit=EVENTS_A_MONTH)
        if name not in self._names and len(self._names) <= NAMES_A_MONTH:
            self._names.add(name)
            if len(self._names) >= NAMES_A_MONTH * 8 // 10:
                context.warn("event_names_quota", names=len(self._names), limit=NAMES_A_MONTH)
