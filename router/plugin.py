'''The contract between the router and a destination plugin: the one file an author reads and imports.

A complete plugin, which the test suite runs:

    from router.plugin import Event, Context, Group, Item, Request, SecretStr, Settings, hookimpl, json_request

    class GreeterSettings(Settings):
        """What `[destination.settings]` may hold."""

        token: SecretStr
        base_url: str = "https://greeter.example.com"

    class Greeter:
        """Sends each track call, once the company of its user is known."""

        display_names = ("Greeter",)
        settings_model = GreeterSettings
        requires = {"track": (Group("id", "name"),)}

        def __init__(self, settings: GreeterSettings) -> None:
            self.settings = settings

        @hookimpl
        def track(self, event: Event, context: Context) -> Item:
            return Item({"who": event.user_id, "did": event.name, "company": context.group.traits["name"]})

        @hookimpl
        def request(self, items: list[Item]) -> Request:
            token = self.settings.token.get_secret_value()
            return json_request(
                f"{self.settings.base_url}/events", items[0].body, headers={"Authorization": f"Bearer {token}"}
            )

Name the class in the entry-point group `segment_router.destinations`; the entry's name is the `plugin = "..."` of
config.toml. There is one instance per configured destination: `Plugin(settings)`, no I/O in it; a reload makes a new one.

Mapping hooks are pure and run in the event loop at the event's turn; what they return is stored before it is sent, and is
what every attempt sends. Sending hooks run once an attempt, so at least once for each item. An exception that is not one
of the outcomes below is a bug of the plugin: that event becomes a dead letter with the traceback, all others go on.
'''

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol

import msgspec
import pluggy
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

__all__ = [
    "JSON",
    "Answer",
    "Batch",
    "Context",
    "Delivered",
    "Event",
    "Field",
    "Group",
    "Hooks",
    "Item",
    "Outcome",
    "Pause",
    "Profile",
    "Reject",
    "Request",
    "RetryLater",
    "SecretStr",
    "Sender",
    "Settings",
    "Skip",
    "Split",
    "UserId",
    "as_number",
    "by_status",
    "excerpt",
    "hookimpl",
    "json_request",
]  # fmt: skip

API_VERSION = 1

JSON = Any
"""A JSON value: dict, list, str, int, float, bool or None."""

hookimpl = pluggy.HookimplMarker("segment_router")
"""Marks a method of a plugin as one of the hooks below; a hook's name without this mark is refused at load."""

hookspec = pluggy.HookspecMarker("segment_router")


# ---------------------------------------------------------------- what a plugin is given


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted call, normalised. Ids are strings; instants are aware UTC; absent is None or {}."""

    type: str  #: identify, group, track, page, screen, alias (or a type no hook exists for)
    message_id: str  #: the sender's id, or the one assigned at ingestion; the key against duplicates
    source: str  #: name of the source that sent it
    user_id: str | None = None  #: also the linked user's, when the event was held for an anonymousId
    anonymous_id: str | None = None
    group_id: str | None = None  #: a group call's own; on other calls groupId or context.groupId
    previous_id: str | None = None  #: alias only
    name: str | None = None  #: a track's `event`; the `name` of a page or screen
    category: str | None = None  #: page and screen
    traits: Mapping[str, JSON] = {}  #: identify and group
    properties: Mapping[str, JSON] = {}  #: track, page, screen
    timestamp: datetime  #: when it happened, the sender's clock skew taken out
    original_timestamp: datetime  #: when it happened by the sender's own clock: right for durations
    received_at: datetime  #: when the router accepted it; "now" for every hook
    options: Mapping[str, JSON] = {}  #: this destination's own object in `integrations`
    payload: Mapping[str, JSON] = {}  #: the whole call, in Segment's spelling; the operator's mapping applied


class Profile(msgspec.Struct, frozen=True):
    """What is known of a user or a group: its id and the traits of all calls so far, merged one by one."""

    id: str
    traits: Mapping[str, JSON]


class Context:
    """What a mapping hook may know beside the event. No clock, no randomness, no store."""

    __slots__ = ("_changed", "_state", "_wake", "_warn", "group", "previous_group_id", "user")

    def __init__(
        self,
        user: Profile | None = None,
        group: Profile | None = None,
        previous_group_id: str | None = None,
        state: JSON = None,
        warn: Callable[..., None] = lambda reason, **numbers: None,
    ) -> None:
        #: the event's user with merged traits; None when nothing was ever told of them
        self.user = user
        #: the group the event belongs to: its own, else the user's as of the event
        self.group = group
        #: the group the user had just before this event
        self.previous_group_id = previous_group_id
        self._state = state
        self._changed = False
        self._wake: tuple[datetime | None] | None = None
        self._warn = warn

    @property
    def state(self) -> JSON:
        """The JSON value kept under `state_key(event)`, None when absent. Assign to change it (at most 8 KiB), assign
        None to remove it. It is stored in the commit that stores what the hook returned, or not at all."""
        return self._state

    @state.setter
    def state(self, value: JSON) -> None:
        self._state = value
        self._changed = True

    def wake(self, at: datetime | None) -> None:
        """Set the one timer of this state key; None clears it. When it is due, the hook `wake` is called."""
        self._wake = (at,)

    def warn(self, reason: str, **numbers: float) -> None:
        """Tell the operator of something odd that stops nothing: counted, and logged at most once a minute."""
        self._warn(reason, **numbers)


class Item(msgspec.Struct, frozen=True):
    """What a mapping hook makes of an event: a JSON value, and which kind of request carries it."""

    body: JSON
    kind: str = ""


class Answer(msgspec.Struct, frozen=True):
    """What the vendor said. `retry_after_s`: its Retry-After (or rate-limit reset) in seconds from now, if any."""

    status: int
    headers: Mapping[str, str] = {}  #: names in lower case
    body: bytes = b""  #: read up to a bound of 256 KiB
    retry_after_s: float | None = None

    def json(self) -> JSON:
        """The body as JSON, or None where it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


# ---------------------------------------------------------------- what a plugin declares


class Settings(BaseModel):
    """Base of a plugin's settings: frozen, unknown keys refused, values never shown in errors. Type every secret as
    SecretStr: its value is then replaced by *** wherever a request or an error is shown or stored."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    #: old name -> present name of a key: still understood, and the operator is told to write the present one. The present
    #: name `delivery.timeout` is the key of that other table; the old one is then a setting in seconds, None when left out.
    old_names: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _by_present_names(cls, given: Any) -> Any:
        """Raises ValueError where a key is there by two of its names."""
        if not isinstance(given, Mapping) or cls.old_names.keys().isdisjoint(given):
            return given
        named: dict[str, str] = {}
        for key in given:
            present = cls.old_names.get(key, key)
            other = named.setdefault(present, key)
            if other != key:
                raise ValueError(f"{other} and {key} are one setting; keep {present} only")
        return {key if "." in present else present: given[key] for present, key in named.items()}


class UserId(msgspec.Struct, frozen=True):
    """Requirement: the event has a userId. Unmet: skipped `no_user_id`. Judged before any Group."""


@dataclass(frozen=True, init=False)
class Group:
    """Requirement: the event's group, and these traits of it, are known: `Group("id", "name")`. Unmet: held on disk until
    a group call that supplies them has been settled at this destination, then delivered in order."""

    needs: tuple[str, ...]

    def __init__(self, *needs: str) -> None:
        if not needs or needs[0] != "id":
            raise ValueError('Group: name "id" first, then group traits: Group("id", "name")')
        object.__setattr__(self, "needs", needs)

    @property
    def traits(self) -> tuple[str, ...]:
        """The group traits that must be known."""
        return self.needs[1:]


class Batch(msgspec.Struct, frozen=True):
    """Limits for one kind of item: at most this many items and bytes of JSON in a request, and requests at a time."""

    max_items: int = 1
    max_bytes: int = 1_000_000
    concurrency: int | None = None  #: None: the destination's own
    linger_s: float = 0.0  #: wait this long for a fuller batch; at most 5 s


class Request(msgspec.Struct, frozen=True):
    """One HTTP request. The url is sent byte for byte; `private` leaves no trace of it in attempts or dry runs."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    private: bool = False


# ---------------------------------------------------------------- what came of it


class Outcome:
    """What becomes of an item. All but Delivered may also be raised, and then count for every item of the call."""


@dataclass
class Delivered(Outcome):
    """The vendor has it."""


@dataclass(unsafe_hash=True)
class Skip(Outcome, Exception):
    """Nothing to send, and that is right: settled as skipped with this reason. Mapping hooks only."""

    reason: str


@dataclass(unsafe_hash=True)
class Reject(Outcome, Exception):
    """It will never be accepted: a dead letter with this reason."""

    reason: str
    detail: str = ""


@dataclass(unsafe_hash=True)
class RetryLater(Outcome, Exception):
    """Not now: tried again with growing waits, the user's later events behind it. `for_s`: give up sooner than max_age."""

    reason: str
    detail: str = ""
    after_s: float | None = None
    for_s: float | None = None


@dataclass(unsafe_hash=True)
class Pause(Outcome, Exception):
    """The whole destination must wait (a wrong key, a set-up fault): nothing is burned. `sure=False`: pause only when
    several users meet it and nobody succeeds."""

    reason: str
    detail: str = ""
    after_s: float | None = None
    sure: bool = True


@dataclass(unsafe_hash=True)
class Split(Outcome, Exception):
    """Something in this batch is bad and the vendor did not say what: sent again in halves; a single item is rejected."""

    reason: str
    detail: str = ""


class Sender(Protocol):
    """The only door to the network: applies rate, time-out, body bound and redaction, follows no redirect."""

    async def send(self, request: Request) -> Answer:
        """Send one request. Raises RetryLater itself when the network fails or the time-out passes."""
        ...


# ---------------------------------------------------------------- the hooks


class Hooks:
    """Every hook the router knows. A plugin implements those it needs; a call type without its hook is `unsupported`.

    The six call types and `wake`: sync and pure; called once per event at its turn (again after a crash before the
    commit); events of one user in order, never two at once. They return an Item, an iterable of Items (a generator will
    do) or raise Skip, Reject, RetryLater or Pause. No items: skipped `empty`. None is a plugin error.
    """

    @hookspec(firstresult=True)
    def identify(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user and their traits."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def group(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user joins a group, or a group's traits."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def track(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user did something, named `event.name`."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def page(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user saw a web page."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def screen(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user saw a screen of an app."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def alias(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """`event.previous_id` and `event.user_id` are one person."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def state_key(self, event: Event) -> str | None:
        """Which keyed state this event reads and writes, if any. Called before the mapping hook."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def wake(self, key: str, at: datetime, context: Context) -> Item | Iterable[Item]:
        """The timer of a state key is due. `at`, the instant it was set for, is now; it has no event."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def request(self, items: list[Item]) -> Request:
        """The request for these items, all of one kind. Pure; called anew at every attempt, with the settings of now.
        In a dry run its result is shown and nothing is sent."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        """Read the vendor's answer: one outcome for all items, or one per item in order. Without it: by_status."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        """Send these items. Without it: `verdict(items, await sender.send(request(items)))`. Implement it for two calls in
        a row, a token, or no HTTP at all. Instances may cache on themselves: it may vanish at any moment."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    async def check(self, sender: Sender) -> str:
        """Try the credentials without sending an event; the text is shown to the operator. Raise Pause or Reject if bad."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def lifetime(self) -> AbstractAsyncContextManager[None] | AsyncIterator[None]:
        """An async context manager around the instance's life: what it opens it closes."""
        raise NotImplementedError


# ---------------------------------------------------------------- helpers


def json_request(url: str, body: JSON, *, method: str = "POST", headers: Mapping[str, str] | None = None) -> Request:
    """A Request with this value as compact JSON."""
    return Request(
        url=url,
        method=method,
        headers={"Content-Type": "application/json", **(headers or {})},
        body=msgspec.json.encode(body),
    )


def by_status(answer: Answer, n: int) -> Outcome:
    """What an HTTP status says about a request of `n` items, for vendors that say no more.

    2xx Delivered; 408, 425, 429 and 5xx RetryLater; 401 and 3xx Pause; 403 and 404 Pause(sure=False); any other 4xx
    Split, and Reject for a single item.
    """
    status, reason = answer.status, f"status_{answer.status}"
    words = excerpt(answer.body)
    if 200 <= status < 300:
        return Delivered()
    if status in (408, 425, 429) or status >= 500:
        return RetryLater(reason, words, after_s=answer.retry_after_s)
    if status == 401:
        return Pause("credentials", f"status 401: {words}")
    if 300 <= status < 400:
        return Pause("set_up", f"status {status}: a redirect; is base_url right?")
    if status == 403:
        return Pause("credentials", f"status 403: {words}", sure=False)
    if status == 404:
        return Pause("set_up", f"status 404: {words}", sure=False)
    if status == 413:
        return Split("too_large", f"status 413: {words}") if n > 1 else Reject("too_large", f"status 413: {words}")
    return Split("rejected", f"{reason}: {words}") if n > 1 else Reject("rejected", f"{reason}: {words}")


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def as_number(given: JSON) -> int | float | None:
    """A finite number that JSON can carry, also from numeric text; None for anything else, booleans included."""
    if isinstance(given, str):
        if not _NUMBER.fullmatch(given.strip()):
            return None
        given = float(given)
        return int(given) if given.is_integer() and abs(given) < 2**53 else as_number(given)
    if isinstance(given, bool) or not isinstance(given, int | float):
        return None
    if isinstance(given, int):
        return given if given.bit_length() < 64 else None
    return given if math.isfinite(given) else None


def excerpt(body: bytes, limit: int = 500) -> str:
    """The first words of an answer, on one line, for people to read."""
    return re.sub(r"\s+", " ", body[: 4 * limit].decode("utf-8", "replace")).strip()[:limit]
