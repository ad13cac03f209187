"""Freshsuccess (formerly Natero): features to its Event API, accounts and product users to its Account API.

With an Account API key (account mode) group writes accounts and identify writes product users, at once visible. Without it
(event mode) both travel as event lines. An identify whose account is not known yet is held in account mode, because the vendor
takes no user without one.

The vendor's field list of the Event API comes from public clients which disagree on its style: it stands in one table here.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal
from urllib.parse import quote

from plugins.freshsuccess import answers, mapping
from router.plugin import (
    JSON,
    Answer,
    Batch,
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
    Sender,
    Settings,
    Skip,
    Split,
    UserId,
    by_status,
    hookimpl,
    json_request,
)

EVENTS, ACCOUNTS, USERS = "events", "accounts", "account_users"
"""The kinds of items: lines of the Event API, records of the two endpoints of the Account API."""

CAMEL_KEYS = {
    "account_id": "accountId",
    "user_id": "userId",
    "created_at": "createdAt",
    "session_id": "sessionId",
    "time_spent": "timeSpent",
    "active_duration": "activeDuration",
}
"""The keys of an event line that `event_key_style = "camel"` spells differently."""

MAX_ID = 255


class FreshsuccessSettings(Settings):
    """Settings of a Freshsuccess destination."""

    region: Literal["us", "eu"] = Field(default="us", description="Where your Freshsuccess is: us or eu.")
    events_base_url: str = Field(
        default="", pattern=r"^(https?://.*)?$", description="Where the Event API is. Empty: by region."
    )
    api_base_url: str = Field(
        default="", pattern=r"^(https?://.*)?$", description="Where the Account API is. Empty: by region."
    )
    event_auth_key: SecretStr = Field(description="Auth key of the event source.")
    event_api_key: SecretStr = Field(description="API key (send key) of the event source.")
    account_api_key: SecretStr = Field(
        default=SecretStr(""), description="Key of the Account API. Empty: accounts and users travel as events."
    )
    session_timeout_minutes: float = Field(
        default=30.0,
        gt=0,
        description="A session ends after this long without a call. Not in use yet: see estimate_time.",
    )
    estimate_time: bool = Field(
        default=True,
        description="Estimate the time spent in sessions and modules. Accepted, but nothing is estimated yet.",
    )
    send_pages: bool = Field(default=False, description="Send page and screen calls as features.")
    group_dimensions: Literal["auto", "off"] | tuple[str, ...] = Field(
        default="auto",
        description="Which group traits become custom dimensions of the account: auto (all that have no field of their"
        " own), off, or a list of paths such as billing.currency.",
    )
    identify_dimensions: tuple[str, ...] = Field(
        default=(),
        description="Paths of user traits that become custom dimensions of the user's account; needs account_api_key.",
    )
    event_key_style: Literal["snake", "camel"] = Field(
        default="snake", description="How the keys of events are spelled: snake (account_id) or camel (accountId)."
    )


class Freshsuccess:
    """Maps to event lines and records. An item's body is one line, or one record."""

    display_names = ("Freshsuccess",)
    settings_model = FreshsuccessSettings
    kinds: Mapping[str, Batch] = {
        EVENTS: Batch(max_items=500, max_bytes=524_288),
        ACCOUNTS: Batch(max_items=500, max_bytes=1_000_000, concurrency=1),
        USERS: Batch(max_items=500, max_bytes=1_000_000, concurrency=1),
    }

    def __init__(self, settings: FreshsuccessSettings) -> None:
        self.settings = settings
        self.account_mode = bool(settings.account_api_key.get_secret_value())
        viewed = {"page": (UserId(),), "screen": (UserId(),)} if settings.send_pages else {}
        placed = {"identify": (UserId(), Group("id"))} if self.account_mode else {"identify": (UserId(),)}
        grouped = {} if self.account_mode else {"group": (UserId(),)}
        self.requires: Mapping[str, tuple[UserId | Group, ...]] = {"track": (UserId(),), **placed, **grouped, **viewed}

    @hookimpl
    def identify(self, event: Event, context: Context) -> Iterator[Item]:
        """A product user (account mode) or an identifyUser line."""
        user_id, account_id = valid_user(event), account_of(event, context)
        traits = context.user.traits if context.user else event.traits
        fields = mapping.user_fields(traits)
        if not self.account_mode:
            yield line(event, context, "identifyUser", details=fields)
            return
        if account_id is None:
            raise Reject("group_unknown", "the user has no account")
        yield Item({"user_id": user_id, "account_id": account_id, **fields}, USERS)
        dimensions = mapping.listed_dimensions(traits, self.settings.identify_dimensions)
        if dimensions:
            yield Item({"account_id": account_id, **dimensions}, ACCOUNTS)

    @hookimpl
    def group(self, event: Event, context: Context) -> Iterator[Item]:
        """An account (account mode) or an identifyAccount line; a user who moved is written again."""
        account_id = valid_id(event.group_id, "groupId")
        fields = mapping.account_fields(event.traits, self.settings.group_dimensions)
        if not self.account_mode:
            yield line(event, context, "identifyAccount", details=fields)
            return
        yield Item({"account_id": account_id, **fields}, ACCOUNTS)
        if event.user_id and context.user and context.user.traits and moved(event, context):
            user_fields = mapping.user_fields(context.user.traits)
            yield Item({"user_id": valid_user(event), "account_id": account_id, **user_fields}, USERS)

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """A feature line."""
        return feature(event, context, event.name)

    @hookimpl
    def page(self, event: Event, context: Context) -> Item:
        """A feature line, when `send_pages` is on."""
        return self._view(event, context, "Page")

    @hookimpl
    def screen(self, event: Event, context: Context) -> Item:
        """A feature line, when `send_pages` is on."""
        return self._view(event, context, "Screen")

    def _view(self, event: Event, context: Context, what: str) -> Item:
        if not self.settings.send_pages:
            raise Skip("unsupported")
        name = event.name or mapping.text(event.properties.get("name"))
        return feature(event, context, f"Viewed {name} {what}" if name else f"Loaded a {what}")

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """Event lines, or the records of one endpoint of the Account API."""
        settings = self.settings
        if items[0].kind == EVENTS:
            base = settings.events_base_url or f"https://events-{settings.region}.freshsuccess.com"
            keys = "/".join(
                quote(key.get_secret_value(), safe="") for key in (settings.event_auth_key, settings.event_api_key)
            )
            body = b"".join(spelled(item.body, settings.event_key_style) + b"\n" for item in items)
            return Request(f"{base.rstrip('/')}/v1/{keys}", headers={"Content-Type": "application/json"}, body=body)
        base = settings.api_base_url or f"https://api-{settings.region}.freshsuccess.com"
        login = base64.b64encode(b"api:" + settings.account_api_key.get_secret_value().encode()).decode()
        return json_request(
            f"{base.rstrip('/')}/api/v2/{items[0].kind}",
            {"records": [item.body for item in items]},
            headers={"Authorization": f"Basic {login}"},
        )

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        """By status; the Account API then speaks of each record."""
        outcome = by_status(answer, len(items))
        if items[0].kind == EVENTS or not isinstance(outcome, Delivered):
            return outcome
        return answers.read_results(answer.json(), len(items))

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        """The Account API writes nothing of a batch when it names a bad record in it: the others go out again at once."""
        outcomes: dict[int, Outcome] = {}
        waiting = list(range(len(items)))
        while waiting:
            batch = [items[at] for at in waiting]
            found = self.verdict(batch, await sender.send(self.request(batch)))
            if isinstance(found, Outcome) and len(batch) == len(items):
                return found
            each = [found] * len(batch) if isinstance(found, Outcome) else found
            outcomes.update(zip(waiting, each, strict=True))
            unnamed = [at for at, outcome in zip(waiting, each, strict=True) if isinstance(outcome, Split)]
            waiting = unnamed if len(unnamed) < len(waiting) else []
        return [outcomes[at] for at in range(len(items))]


# ---------------------------------------------------------------- ids and lines


def valid_id(given: str | None, what: str) -> str:
    """An id that can be one at Freshsuccess. It is never cut: it would become somebody else's."""
    if not given or len(given) > MAX_ID:
        raise Reject("invalid_id", f"a {what} has 1 to {MAX_ID} characters")
    return given


def valid_user(event: Event) -> str:
    """The event's userId; without one there is nothing to send."""
    if not event.user_id:
        raise Skip("no_user_id")
    return valid_id(event.user_id, "userId")


def account_of(event: Event, context: Context) -> str | None:
    """The account the call belongs to, None while it is not known."""
    account_id = context.group.id if context.group else event.group_id
    return None if account_id is None else valid_id(account_id, "groupId")


def moved(event: Event, context: Context) -> bool:
    """Whether this group call takes its user from another account."""
    return context.previous_group_id not in (None, event.group_id)


def feature(event: Event, context: Context, name: str | None) -> Item:
    """The line of a track call. Properties other than module and product have no place at the vendor."""
    shown = mapping.feature_name(name)
    places = {place: found for place in ("module", "product") if (found := mapping.words(event.properties.get(place)))}
    return line(event, context, "feature", feature=shown, **places, total=1)


def line(event: Event, context: Context, action: str, **fields: JSON) -> Item:
    """One line of the Event API, in snake_case; `spelled` gives it the style that the settings ask for."""
    user_id, account_id = valid_user(event), account_of(event, context)
    if account_id is None:
        context.warn("no_account")
    account = {} if account_id is None else {"account_id": account_id}
    known = {
        "user_id": user_id,
        "created_at": mapping.to_ms(event.original_timestamp),
        "session_id": event.anonymous_id or user_id,
        "action": action,
    }
    return Item({**account, **known, **fields}, EVENTS)


def spelled(body: Mapping[str, JSON], style: str) -> bytes:
    """An event line as compact JSON, its keys in the given style."""
    named = {CAMEL_KEYS.get(key, key): value for key, value in body.items()} if style == "camel" else body
    return json.dumps(named, ensure_ascii=False, separators=(",", ":")).encode()
