"""Freshsuccess (formerly Natero): features to its Event API, accounts and product users to its Account API.

With an Account API key (account mode) group writes accounts and identify writes product users, at once visible. Without it
(event mode) both travel as event lines. An identify whose account is not known yet is held in account mode, because the vendor
takes no user without one.

The time spent in sessions and modules is estimated here: the open session of an anonymousId is keyed state, and a timer ends it
when nothing came for `session_timeout_minutes`. What a call ends goes out ahead of the call's own line or record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

from plugins.freshsuccess import mapping, sessions
from plugins.freshsuccess.lines import EVENTS, account_of, feature, line, moved, own_line, spelled, valid_id, valid_user
from plugins.freshsuccess.settings import FreshsuccessSettings
from plugins.freshsuccess.verdict import read_answer
from router.plugin import (
    Answer,
    Batch,
    Context,
    Event,
    Group,
    Item,
    Outcome,
    Reject,
    Request,
    RetryLater,
    Sender,
    Skip,
    Split,
    UserId,
    as_text,
    basic_auth,
    hookimpl,
    json_request,
    raise_for_status,
)

__all__ = ["ACCOUNTS", "EVENTS", "USERS", "Freshsuccess", "FreshsuccessSettings"]

ACCOUNTS, USERS = "accounts", "account_users"
"""The kinds of items that are records of the two endpoints of the Account API."""

BETWEEN = 1024
"""Bytes of a full body that are no item: the ends of its lines, or the commas and the list."""

TIMED = ("identify", "group", "track")
"""Types of calls that show somebody at work; page and screen only where they are sent."""


class Freshsuccess:
    """Maps to event lines and records. An item's body is one line, or one record."""

    api_version = (1, 1)
    display_names = ("Freshsuccess", "Natero")
    forget_by_hand = (
        "its API deactivates contacts and deletes none: delete the contact there, and ask its support for the events"
    )
    forget_group_by_hand = "delete the account there by hand, and ask its support for the events"
    settings_model = FreshsuccessSettings
    kinds: Mapping[str, Batch] = {
        EVENTS: Batch(max_items=500, max_bytes=524_288 - BETWEEN),
        ACCOUNTS: Batch(max_items=500, max_bytes=1_000_000 - BETWEEN, concurrency=1),
        USERS: Batch(max_items=500, max_bytes=1_000_000 - BETWEEN, concurrency=1),
    }

    def __init__(self, settings: FreshsuccessSettings) -> None:
        self.settings = settings
        self.account_mode = bool(settings.account_api_key.get_secret_value())
        self.timeout_ms = max(1, round(settings.session_timeout_minutes * 60_000))
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
        if self.account_mode and account_id is None:
            raise Reject("group_unknown", "the user has no account")
        yield from self._ended_by(event, context)
        if not self.account_mode:
            yield own_line(event, context, "identifyUser", details=fields)
            return
        yield Item({"user_id": user_id, "account_id": account_id, **fields}, USERS)
        dimensions = mapping.listed_dimensions(traits, self.settings.identify_dimensions)
        if dimensions:
            yield Item({"account_id": account_id, **dimensions}, ACCOUNTS)

    @hookimpl
    def group(self, event: Event, context: Context) -> Iterator[Item]:
        """An account (account mode) or an identifyAccount line; a user who moved is written again."""
        account_id = valid_id(event.group_id, "groupId")
        user_id = valid_user(event) if event.user_id else None
        unreadable: list[str] = []
        fields = mapping.account_fields(event.traits, self.settings.group_dimensions, unreadable)
        for trait in unreadable:
            context.warn(f"{trait}_unreadable")
        yield from self._ended_by(event, context)
        if not self.account_mode:
            yield own_line(event, context, "identifyAccount", details=fields)
            return
        yield Item({"account_id": account_id, **fields}, ACCOUNTS)
        if user_id and context.user and context.user.traits and moved(event, context):
            user_fields = mapping.user_fields(context.user.traits)
            yield Item({"user_id": user_id, "account_id": account_id, **user_fields}, USERS)

    @hookimpl
    def track(self, event: Event, context: Context) -> Iterator[Item]:
        """A feature line."""
        yield from self._ended_by(event, context)
        yield feature(event, context, event.name)

    @hookimpl
    def page(self, event: Event, context: Context) -> Iterator[Item]:
        """A feature line, when `send_pages` is on."""
        return self._view(event, context, "Page")

    @hookimpl
    def screen(self, event: Event, context: Context) -> Iterator[Item]:
        """A feature line, when `send_pages` is on."""
        return self._view(event, context, "Screen")

    def _view(self, event: Event, context: Context, what: str) -> Iterator[Item]:
        if not self.settings.send_pages:
            raise Skip("unsupported")
        name = as_text(event.name) or as_text(event.properties.get("name"))
        yield from self._ended_by(event, context)
        yield feature(event, context, f"Viewed {name} {what}" if name else f"Loaded a {what}")

    @hookimpl
    def state_key(self, event: Event) -> str | None:
        """The anonymousId: a session is one browser or app. Calls of servers have none and take no part."""
        timed = (*TIMED, "page", "screen") if self.settings.send_pages else TIMED
        takes_part = self.settings.estimate_time and event.user_id and event.type in timed
        return (event.anonymous_id or None) if takes_part else None

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Iterable[Item]:
        """Nothing came for the whole time-out: the session is over."""
        session, context.state = sessions.from_state(context.state), None
        if session is None or not self.settings.estimate_time:
            return []
        return ended_lines(sessions.close(session), key)

    def _ended_by(self, event: Event, context: Context) -> Iterator[Item]:
        """Lines for the module and session that this call ends. Keeps the new session and resets the timer."""
        key = self.state_key(event)
        if key is None:
            return
        call = sessions.Call(
            user=valid_user(event),
            account=account_of(event, context),
            at=mapping.to_ms(event.original_timestamp),
            received=mapping.to_ms(event.received_at),
            module=mapping.words(event.properties.get("module")),
        )
        session, ended = sessions.follow(sessions.from_state(context.state), call, self.timeout_ms)
        context.state = sessions.to_state(session)
        context.wake(mapping.EPOCH + timedelta(milliseconds=session.seen + self.timeout_ms))
        yield from ended_lines(ended, key)

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
        base, login = self._account_api()
        return json_request(f"{base}/{items[0].kind}", {"records": [item.body for item in items]}, headers=login)

    def _account_api(self) -> tuple[str, dict[str, str]]:
        """Where the Account API is, and the headers that log us in."""
        settings = self.settings
        base = settings.api_base_url or f"https://api-{settings.region}.freshsuccess.com"
        login = basic_auth("api", settings.account_api_key.get_secret_value())
        return f"{base.rstrip('/')}/api/v2", {"Authorization": login}

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        """By status; a success of the Account API speaks of each record: see `verdict.py`."""
        return read_answer(items, answer)

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        """The Account API writes nothing of a batch when it names a bad record in it: the others go out again at once."""
        outcomes: dict[int, Outcome] = {}
        waiting = list(range(len(items)))
        while waiting:
            batch = [items[at] for at in waiting]
            try:
                found = self.verdict(batch, await sender.send(self.request(batch)))
            except RetryLater as later:  # counts for this request only; items refused before stay refused
                found = later
            if isinstance(found, Outcome) and len(batch) == len(items):
                return found
            each = [found] * len(batch) if isinstance(found, Outcome) else found
            outcomes.update(zip(waiting, each, strict=True))
            unnamed = [at for at, outcome in zip(waiting, each, strict=True) if isinstance(outcome, Split)]
            waiting = unnamed if len(unnamed) < len(waiting) else []
        return [outcomes[at] for at in range(len(items))]

    @hookimpl
    async def check(self, sender: Sender) -> str:
        """List accounts, which changes nothing. The Event API takes nothing but events, so its keys stay untried."""
        if not self.account_mode:
            return "nothing was tried: the Event API takes nothing but events, and there is no account_api_key"
        base, login = self._account_api()
        answer = await sender.send(Request(f"{base}/accounts?page=0", method="GET", headers=login))
        raise_for_status(answer)
        told = answer.json()  # None also when the body was cut at its limit
        if isinstance(told, dict) and told.get("status_is_ok") is False:
            raise Reject("rejected", str(told.get("message") or "status_is_ok: false"))
        return "the Account API takes our key; those of the Event API cannot be tried without sending an event"


def ended_lines(ended: Iterable[sessions.Ended], session_id: str) -> list[Item]:
    """What ended, as lines."""
    return [line(end.action, end.user, end.account, end.at, session_id, end.fields) for end in ended]
