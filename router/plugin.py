'''The contract between the router and a destination plugin: the only module that a plugin imports.

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
            return Item({"who": event.user_id, "did": event.name, "company": context.required_group.traits["name"]})

        @hookimpl
        def request(self, items: list[Item]) -> Request:
            token = self.settings.token.get_secret_value()
            return json_request(
                f"{self.settings.base_url}/events", items[0].body, headers={"Authorization": f"Bearer {token}"}
            )

Name the class in the entry-point group `segment_router.destinations`. The entry's name is the `plugin = "..."` of
config.toml. There is one instance per configured destination: `Plugin(settings)`. Do no I/O there. A reload creates a new
instance.

Mapping hooks are pure. They run in the event loop at the event's turn. The router stores the items that they return, and
every attempt sends the stored items. Sending hooks run once per attempt, so at least once for each item. Any exception
that is not one of the outcomes below is a bug of the plugin: that event becomes a dead letter with the traceback, and all
other events continue.
'''

from __future__ import annotations

import asyncio
import math
import re
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Protocol, runtime_checkable
from urllib.parse import urlsplit

import msgspec
import pluggy
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

__all__ = [
    "API_MINOR",
    "API_VERSION",
    "ATTRIBUTES",
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
    "Person",
    "Profile",
    "Reject",
    "Request",
    "RetryLater",
    "SecretStr",
    "Sender",
    "Settings",
    "Skip",
    "Split",
    "Token",
    "UserId",
    "as_instant",
    "as_number",
    "as_text",
    "basic_auth",
    "by_status",
    "excerpt",
    "hookimpl",
    "iso_instant",
    "json_request",
    "oauth_token",
    "raise_for_login",
    "raise_for_status",
    "url_fault",
]  # fmt: skip

API_VERSION = 1
"""The major version of this contract: the `api_version` of a plugin. Within it nothing is taken away or changes its meaning."""

API_MINOR = 1
"""Counts what was added to this major version. A plugin that needs an addition says so: `api_version = (1, 1)`."""

JSON = Any
"""A JSON value: dict, list, str, int, float, bool or None."""

_UNREAD: Any = object()
"""Stands for a body that was not decoded from its JSON yet."""

hookimpl = pluggy.HookimplMarker("segment_router")
"""Marks a method of a plugin as one of the hooks below. A method with a hook's name and without this mark is refused."""

hookspec = pluggy.HookspecMarker("segment_router")


# ---------------------------------------------------------------- how much a plugin may make

MAX_ITEMS_BYTES = 1024 * 1024
"""JSON of all items that a hook returns for one event: 32 times the largest call. To mask the secrets in a preview of as much
takes 40 ms; 200 MB held up all requests for 8 s and took 1.6 GB."""
MAX_ITEMS = 10_000
"""Items of one event: about as many as a call of 32 KiB can have parts."""
MAX_STATE_BYTES, MAX_STATE_DEPTH = 8 * 1024, 128
"""JSON of the state of one key, and its levels of nesting: decoding deeper ones may fail, depending on how deep the stack is by
then."""
MAX_STATE_KEY = 2048
"""Characters of a state key: it may hold several ids of 512."""
MAX_URL, MAX_HEADERS_BYTES = 32 * 1024, 64 * 1024
"""Characters of a request's URL, and bytes of all its headers. Servers take 8 to 16 KiB of each."""
MAX_BODY = 8 * 1024 * 1024
"""Bytes of a request's body: eight times what the items of one event, or of a batch as it is by default, may take."""
# ---------------------------------------------------------------- what a plugin is given


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted call, normalised. Ids are strings, times are aware UTC, absent values are None or {}."""

    type: str  #: identify, group, track, page, screen, alias (or a type no hook exists for)
    message_id: str  #: the sender's id, or one assigned at ingestion; duplicates are found by it
    source: str  #: name of the source that sent it
    user_id: str | None = None  #: also the linked user's id, if the event was held for an anonymousId
    anonymous_id: str | None = None  #: the id that a library gives to somebody who has not logged in
    group_id: str | None = None  #: of a group call; on other calls groupId or context.groupId
    previous_id: str | None = None  #: alias only
    name: str | None = None  #: a track's `event`; the `name` of a page or screen
    category: str | None = None  #: page and screen
    traits: Mapping[str, JSON] = {}  #: identify and group
    properties: Mapping[str, JSON] = {}  #: track, page, screen
    timestamp: datetime  #: when it happened, corrected by the sender's clock skew
    original_timestamp: datetime  #: when it happened by the sender's own clock; use it for durations
    received_at: datetime  #: when the router accepted it; "now" for every hook
    options: Mapping[str, JSON] = {}  #: this destination's object in `integrations`
    is_replay: bool = False  #: an operator's `replay` sends it: once more, or perhaps for the first time
    payload: Mapping[str, JSON] = {}  #: the whole call in Segment's spelling, with the operator's mapping applied


class Profile(msgspec.Struct, frozen=True):
    """A user or a group: its id, and the merged traits of all calls so far."""

    id: str  #: the userId, or the groupId
    traits: Mapping[str, JSON]  #: do not change them: they are shared


class Person(msgspec.Struct, frozen=True):
    """Somebody whom the vendor is asked to delete."""

    user_id: str | None  #: None: only anonymousIds are known
    anonymous_ids: tuple[str, ...] = ()  #: of the same person


class Context:
    """What a mapping hook knows in addition to the event. It has no clock, no randomness and no store."""

    __slots__ = ("_changed", "_state", "_wake", "_warn", "group", "previous_group_id", "user")

    def __init__(
        self,
        user: Profile | None = None,
        group: Profile | None = None,
        previous_group_id: str | None = None,
        state: JSON = None,
        warn: Callable[..., None] = lambda reason, **numbers: None,
    ) -> None:
        #: the event's user with merged traits; None if no call had traits of that user
        self.user = user
        #: the event's group: its own, else the user's group at the time of the event
        self.group = group
        #: the group the user had just before this event
        self.previous_group_id = previous_group_id
        self._state = state
        self._changed = False
        self._wake: tuple[datetime | None] | None = None
        self._warn = warn

    @property
    def required_group(self) -> Profile:
        """The group, where `requires` names one for this call type: `Group("id", "name")`. Then it is never None, and has these traits.
        Raises LookupError if there is no group."""
        if self.group is None:
            raise LookupError(
                'no group is known: add Group("id") to `requires` of this call type, or look at `context.group`'
            )
        return self.group

    @property
    def required_user(self) -> Profile:
        """The user, where the plugin cannot do without their traits. Raises LookupError if no call had any: see `context.user`."""
        if self.user is None:
            raise LookupError("no traits of this user are known: look at `context.user`, which is None then")
        return self.user

    @property
    def state(self) -> JSON:
        """The JSON value of `state_key(event)`, None if absent. Assign a value to change it (at most 8 KiB), or None to remove it; a
        change in place alone is lost. It is stored in the same commit as the returned items, or not at all."""
        return self._state

    @state.setter
    def state(self, value: JSON) -> None:
        self._state = value
        self._changed = True

    def wake(self, at: datetime | None) -> None:
        """Set the one timer of this state key; None clears it. The router calls the `wake` hook when it is due."""
        self._wake = (at,)

    @property
    def wake_at(self) -> datetime | None:
        """The time that this hook has set the timer to; None if it set none, or cleared it. Tests read it."""
        return self._wake[0] if self._wake is not None else None

    def warn(self, reason: str, **numbers: float) -> None:
        """Report something odd that stops nothing. It is counted, and logged at most once a minute."""
        self._warn(reason, **numbers)


class Item:
    """What a mapping hook returns for an event: a JSON value, and the kind of request that carries it.

    Sending hooks get a new copy at every attempt, decoded from the stored JSON. Changes to that copy have no effect.
    """

    __slots__ = ("_body", "_json", "_kind")

    def __init__(self, body: JSON, kind: str = "") -> None:
        self._body: JSON = body
        self._kind = kind
        self._json: bytes | None = None

    @classmethod
    def of_json(cls, json: bytes, kind: str = "") -> Item:
        """An item from its JSON, which is decoded at the first access to `body`."""
        item = cls.__new__(cls)
        item._body, item._kind, item._json = _UNREAD, kind, json
        return item

    @staticmethod
    def _copies(items: list[Item]) -> list[Item]:
        """The same items: what a plugin does to them changes nothing here."""
        copies: list[Item] = []
        for item in items:
            copy = Item.__new__(Item)
            copy._body, copy._kind, copy._json = _UNREAD, item._kind, item._json or item.json
            copies.append(copy)
        return copies

    @property
    def body(self) -> JSON:
        """The JSON value."""
        if self._body is _UNREAD:
            assert self._json is not None
            self._body = msgspec.json.decode(self._json)
        return self._body

    @property
    def kind(self) -> str:
        """The kind of request that carries it: a key of the plugin's `kinds`."""
        return self._kind

    @property
    def json(self) -> bytes:
        """The body as JSON, encoded once. Raises TypeError or ValueError if it is not a JSON value."""
        if self._json is None:
            self._json = msgspec.json.encode(self._body)
        return self._json

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and (self.kind, self.body) == (other.kind, other.body)

    __hash__ = None  # type: ignore[assignment]  # as of any JSON value

    def __repr__(self) -> str:
        return f"Item({self.body!r}, kind={self.kind!r})" if self.kind else f"Item({self.body!r})"


class Answer(msgspec.Struct, frozen=True):
    """The vendor's response."""

    status: int  #: of HTTP: 200
    headers: Mapping[str, str] = {}  #: names in lower case
    body: bytes = b""  #: at most the first 256 KiB
    retry_after_s: float | None = None  #: its Retry-After, or rate-limit reset, in seconds from now

    def json(self) -> JSON:
        """The body as JSON, or None if it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


# ---------------------------------------------------------------- what a plugin declares

ATTRIBUTES: Mapping[str, str] = {
    "settings_model": "A subclass of `Settings`: the keys of `[destination.settings]`. The only one that is required.",
    "display_names": "Names of the tool in an event's `integrations` object, in any case, in addition to the destination's own: `(\"Greeter\",)`.",
    "requires": 'What must be known first, per call type: `{"track": (UserId(), Group("id", "name"))}`.',
    "kinds": 'Limits per kind of item: `{"users": Batch(), "events": Batch(max_items=50)}`. By default `{"": Batch()}`: one item per request.',
    "item_version": "Raise it when `request` cannot read items that older releases stored: those events are mapped again. By default 1.",
    "api_version": "The version of this contract that the plugin needs: `1`, or `(1, 1)` for what 1.1 added. By default 1.",
    "forget_by_hand": "What an operator has to do to delete a person at the vendor, if there is no hook `forget`.",
    "forget_group_by_hand": "The same for a group, if there is no hook `forget_group`.",
    "shown_after": "When the tool shows what it has taken: `up to 24 hours later`.",
}
"""The attributes of a plugin: of its class, or of the instance where they depend on its settings. They are read once."""


class Settings(BaseModel):
    """Base of a plugin's settings. It is frozen, refuses unknown keys and never shows values in errors. Type every secret
    as SecretStr: the router replaces its value by *** wherever it shows or stores a request, an answer or an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, populate_by_name=True)

    #: deprecated name -> current name of a key. The deprecated name is accepted with a warning. The current name
    #: `delivery.timeout` refers to that other table; the deprecated key is then a setting in seconds, None if omitted.
    old_names: ClassVar[Mapping[str, str]] = {}

    @model_validator(mode="before")
    @classmethod
    def _by_present_names(cls, given: Any) -> Any:
        """Raises ValueError if a key is given by two of its names."""
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
    """Requirement: the event has a userId. If not, it is skipped (`no_user_id`). Checked before any Group."""


@dataclass(frozen=True, init=False)
class Group:
    """Requirement: the event's group and these traits of it are known: `Group("id", "name")`. If not, the event is held on
    disk until a group call that supplies them is settled at this destination. Held events are delivered in order.
    Not for `group` calls: they open the gate, and would wait for themselves."""

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
    """Limits for one kind of item: items and bytes of item JSON per request, and concurrent requests."""

    max_items: int = 1  #: in one request
    max_bytes: int = 1_000_000  #: of the items' JSON in one request; one larger item is sent alone
    concurrency: int | None = None  #: requests at a time; None: that of the destination
    linger_s: float = 0.0  #: how long to wait for a fuller batch; at most 5 s


class Request(msgspec.Struct, frozen=True):
    """One HTTP request.

    Raises TypeError or ValueError, which name the field and hold no value, for what cannot be sent as it stands: a url with a
    space, a `#`, a control character or one outside ASCII; a header's name or value with a line break in it; a header that
    the router sets itself (Content-Length, Host, Connection and the like); a body that is not bytes; a URL above 32 KiB, headers
    above 64 KiB or a body above 8 MiB.
    """

    url: str  #: with http:// or https:// and a host; sent byte for byte
    method: str = "POST"  #: any but CONNECT
    headers: Mapping[str, str] = {}  #: the router adds Host, Content-Length, and User-Agent if there is none
    body: bytes = b""  #: `json_request` makes them of a JSON value
    private: bool = False  #: keep it out of attempts and dry runs; a 2xx for it is no sign that the items were taken

    def __post_init__(self) -> None:
        if not isinstance(self.url, str):
            raise TypeError(f"Request.url is {type(self.url).__name__}: want text")
        if fault := (_known_url_fault if len(self.url) <= MAX_REMEMBERED else _fault_of_url)(self.url):
            raise ValueError(fault)
        if not isinstance(self.method, str) or not _is_token(self.method) or self.method == "CONNECT":
            raise ValueError("Request.method is none")
        if not isinstance(self.body, bytes):
            raise TypeError(f"Request.body is {type(self.body).__name__}: want bytes; json_request makes them of JSON")
        if len(self.body) > MAX_BODY:
            raise ValueError(f"Request.body has {len(self.body):,} bytes: {TOO_LARGE}")
        check_headers(self.headers)


# ---------------------------------------------------------------- what came of it


class Outcome:
    """The result for an item. All except Delivered can also be raised; they then apply to every item of the call."""


@dataclass
class Delivered(Outcome):
    """The vendor accepted it."""

    warning: str = ""  #: a word for what was odd about it, counted for each item: `field_ignored`


@dataclass(unsafe_hash=True)
class Skip(Outcome, Exception):
    """There is nothing to send, and that is right. Mapping hooks only."""

    reason: str  #: a word for people and logs: `no_email`


@dataclass(unsafe_hash=True)
class Reject(Outcome, Exception):
    """It will never be accepted: a dead letter."""

    reason: str  #: a word for people and logs: `too_large`
    detail: str = ""  #: what the vendor said: `excerpt(answer.body)`


@dataclass(unsafe_hash=True)
class RetryLater(Outcome, Exception):
    """Retried with exponential backoff; later events of the user wait behind it."""

    reason: str  #: a word for people and logs: `busy`
    detail: str = ""  #: what the vendor said
    after_s: float | None = None  #: wait so long before the next attempt; None: exponential backoff
    for_s: float | None = None  #: give up so long after the first attempt, if that is sooner than `delivery.max_age`


@dataclass(unsafe_hash=True)
class Pause(Outcome, Exception):
    """The whole destination waits, and no attempt is counted: a wrong key or configuration. With `sure=False` it waits only when three
    users have got this and nobody else succeeds. Until then the item is retried, and a dead letter after three attempts."""

    reason: str  #: `credentials`, `set_up`, or a word of your own, which is shown as it is: `quota_used_up`
    detail: str = ""  #: what the vendor said
    after_s: float | None = None  #: send the next request so much later; None: one every few minutes
    sure: bool = True  #: False: one item alone may be the cause


@dataclass(unsafe_hash=True)
class Split(Outcome, Exception):
    """Something in this batch is bad, and the vendor did not say what. It is sent again in halves; a single item is rejected."""

    reason: str  #: a word for people and logs: `rejected`
    detail: str = ""  #: what the vendor said


class Sender(Protocol):
    """The only way to the network. It applies the rate limit, the timeout and the response size limit, and follows no
    redirects. What it gives you is what the vendor sent; secrets are masked where it is shown or stored."""

    async def send(self, request: Request) -> Answer:
        """Send one request. Raises RetryLater if the network fails or the timeout expires."""
        ...

    def secret(self, value: str) -> None:
        """Report a secret that you got at run time, such as a token, before anything else is done with it: from then on it is
        masked like those of the settings. The newest 32 of a destination are masked. A secret below 6 characters is not
        masked; one above 8,192 raises ValueError. They are forgotten when a new instance of the plugin is made: report again what you keep elsewhere."""
        ...


# ---------------------------------------------------------------- the hooks


class Hooks:
    """All hooks. A plugin implements those it needs. A call type without a hook is skipped (`unsupported`).

    The hooks of the six call types and `wake` are sync and pure. Events of one user are mapped in order, never two at
    once. A hook returns an Item or an iterable of Items (a generator also works), or raises Skip, Reject, RetryLater or
    Pause. No items: skipped (`empty`). None is a plugin error.

    Each hook says when it is called, whether calls overlap, and how long one may take. This is about one instance. There
    may be another one: a reload makes the new instance before the old one has ended, and `destinations test` makes its own.
    """

    @hookspec(firstresult=True)
    def identify(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user and their traits.

        When: at the event's turn. Once more after a crash before the commit, or after a RetryLater that it raised.
        Calls: one at a time, of one user in order.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def group(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user joins a group, or a group's traits.

        When: at the event's turn. Once more after a crash before the commit, or after a RetryLater that it raised.
        Calls: one at a time, of one user in order.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def track(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user did something, named `event.name`.

        When: at the event's turn. Once more after a crash before the commit, or after a RetryLater that it raised.
        Calls: one at a time, of one user in order.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def page(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user saw a web page.

        When: at the event's turn. Once more after a crash before the commit, or after a RetryLater that it raised.
        Calls: one at a time, of one user in order.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def screen(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """A user saw a screen of an app.

        When: at the event's turn. Once more after a crash before the commit, or after a RetryLater that it raised.
        Calls: one at a time, of one user in order.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def alias(self, event: Event, context: Context) -> Item | Iterable[Item]:
        """`event.previous_id` and `event.user_id` are one person.

        When: at the event's turn. Once more after a crash before the commit, or after a RetryLater that it raised.
        Calls: one at a time, of one user in order.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def state_key(self, event: Event) -> str | None:
        """The key of the state that this event reads and writes, if any. Called before the mapping hook.

        When: before the mapping hook of the event.
        Calls: one at a time, before the mapping hook of the event.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def wake(self, key: str, at: datetime, context: Context) -> Item | Iterable[Item]:
        """The timer of a state key is due. `at` is the time it was set for, and is "now". There is no event.

        When: the timer is due. Late if the router was down then.
        Calls: one at a time, in order with the events of the user whose event set the timer.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def forget(self, person: Person) -> Item | Iterable[Item]:
        """Items that ask the vendor to delete this person. Sync and pure; sent, retried and batched like any items. Raise Skip if
        the vendor cannot have the person. A 404 for such an item usually means Delivered. A plugin without this hook can say in
        `forget_by_hand` what an operator has to do.

        When: `forget --tools` reaches this person at this destination.
        Calls: one at a time.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def forget_group(self, group_id: str) -> Item | Iterable[Item]:
        """The same for a group. A plugin without this hook can say in `forget_group_by_hand` what an operator has to do.

        When: `forget-group --tools` reaches this group at this destination.
        Calls: one at a time.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def request(self, items: list[Item]) -> Request:
        """Build the request for these items, all of one kind, with the current settings. Pure, but a signature in a header or the query
        may use a clock. In a dry run the result is shown and nothing is sent.

        When: before each attempt of a plugin without `deliver`; else only in dry runs and trials, and where your `deliver` calls it.
        Calls: one at a time; while `deliver` waits, this may be called for other items.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        """Read the response: one outcome for all items, or one per item in order. Default: `by_status`.

        When: after each answer. A request that the network lost is retried without it.
        Calls: one at a time; while `deliver` waits, this may be called for other items.
        Time: a millisecond. 0.1 s is logged (`plugin_slow`), and after 30 s it is interrupted.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        """Send these items. Default: `verdict(items, await sender.send(request(items)))`. Implement it for two requests in
        a row, a token, or a destination without HTTP. The instance can cache values on itself, but it may disappear at any time.

        When: for each attempt, instead of `request` and `verdict`. Never in a dry run.
        Calls: several at a time, up to the concurrency of the kind; never two with items of one user.
        Time: six times `delivery.timeout` in total, then it is cancelled. Between two awaits: as a mapping hook.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    async def check(self, sender: Sender) -> str:
        """Try the credentials without sending an event. The operator sees the text. Raise Pause or Reject if they are bad.

        When: an operator runs `destinations test NAME`, and no secret is missing.
        Calls: one, on an instance of its own, beside the `deliver` of others.
        Time: six times `delivery.timeout`, then it is cancelled.
        """
        raise NotImplementedError

    @hookspec(firstresult=True)
    def lifetime(self, secret: Callable[[str], None]) -> AbstractAsyncContextManager[None] | AsyncIterator[None]:
        """An async context manager around the life of the instance: it closes what it opens. `secret` is `Sender.secret`.

        When: it is entered before any other hook of the instance, and left after the last.
        Calls: once for each instance, in a task of its own.
        Time: 30 s to open, 10 s to close.
        """
        raise NotImplementedError


# ---------------------------------------------------------------- helpers


def json_request(
    url: str, body: JSON, *, method: str = "POST", headers: Mapping[str, str] | None = None, private: bool = False
) -> Request:
    """A Request with this value as compact JSON. Raises ValueError for more than 8 MiB. No more than that is ever encoded."""
    try:
        encoded = json_within(body, MAX_BODY)
    except JsonTooLarge:
        raise ValueError(f"the JSON of Request.body has more bytes: {TOO_LARGE}") from None
    return Request(
        url=url,
        method=method,
        headers={"Content-Type": "application/json", **(headers or {})},
        body=encoded,
        private=private,
    )


def by_status(answer: Answer, n: int) -> Outcome:
    """The outcome for a request of `n` items by HTTP status, for vendors that say no more. Return it. It cannot be raised,
    since after a 2xx it is Delivered, which is no exception: see `raise_for_status`.

    2xx Delivered; 408, 425, 429 and 5xx RetryLater; 401 and 3xx Pause; 403 and 404 Pause(sure=False); any other 4xx
    Split, and Reject for a single item.
    """
    status = answer.status
    if 200 <= status < 300:
        return Delivered()
    reason, words = f"status_{status}", excerpt(answer.body)
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


def raise_for_status(answer: Answer, n: int = 1) -> None:
    """Raise what `by_status` says, and nothing after a 2xx: for a request that has to succeed before the next one.

    A request that only prepares the next one must never count as the delivery of the items. So Delivered is never raised.
    `n` is the number of items that wait for it: with 1, a 400 rejects all of them, good ones too.
    """
    outcome = by_status(answer, n)
    if isinstance(outcome, Exception):
        raise outcome


@runtime_checkable
class _Timed(Protocol):
    """A Sender of the router's. Its time is the router's, which a test can move."""

    def monotonic(self) -> float: ...


def _seconds(sender: Sender) -> float:
    """For spans only. A Sender that a test has made itself has the time of the machine."""
    return sender.monotonic() if isinstance(sender, _Timed) else asyncio.get_running_loop().time()


TOKEN_S = 60.0
"""How long the call that gets a token may take."""


class Token:
    """A token that a vendor gives for a while. It is kept until it expires, and asked for once however many calls wait for it.

        self.token = Token(self._ask)                                        # in __init__
        answer = await self.token.send(sender, lambda token: ...a Request with it)  # in deliver

    `ask` gets a Sender and returns the token and for how many seconds it is good (None: until it is refused). What it raises,
    every call that waits raises. It goes on when the call that began it ends.
    """

    def __init__(self, ask: Callable[[Sender], Awaitable[tuple[str, float | None]]]) -> None:
        self._ask = ask
        self._token: str | None = None
        self._until = math.inf
        self._asking: asyncio.Task[str] | None = None

    async def get(self, sender: Sender) -> str:
        """The token. It is renewed in the last tenth of its time, at most 60 s before it expires."""
        token = self._token
        if token is None or _seconds(sender) >= self._until:
            loop = asyncio.get_running_loop()  # the destination may move to another thread
            if self._asking is None or self._asking.get_loop() is not loop:
                self._asking = asyncio.create_task(self._fetch(sender), name="token")
                self._asking.add_done_callback(self._asked)
            token = await asyncio.shield(self._asking)
        sender.secret(token)
        return token

    def drop(self, token: str) -> None:
        """The vendor refused this one: `get` asks again, unless there is another one by now."""
        if self._token == token:
            self._token = None

    async def send(self, sender: Sender, request: Callable[[str], Request]) -> Answer:
        """Send a request with the token. After a 401 it is sent once more, with a new one."""
        token = await self.get(sender)
        answer = await sender.send(request(token))
        if answer.status == 401:
            self.drop(token)
            answer = await sender.send(request(await self.get(sender)))
        return answer

    async def _fetch(self, sender: Sender) -> str:
        async with asyncio.timeout(TOKEN_S):
            token, lasts_s = await self._ask(sender)
        sender.secret(token)
        lasts_s = math.inf if lasts_s is None else lasts_s
        self._token = token
        self._until = _seconds(sender) + lasts_s - min(60.0, lasts_s / 10)
        return token

    def _asked(self, task: asyncio.Task[str]) -> None:
        if self._asking is task:
            self._asking = None
        if not task.cancelled():
            task.exception()  # nobody may wait for it any more


MAX_TOKEN = 16_000
"""Characters of a token that can be sent in a header."""


def raise_for_login(answer: Answer) -> None:
    """Raise what a failed login means, and nothing after a 2xx: for the `ask` of a `Token`.

    RetryLater for an answer that may pass, Pause `credentials` for any other: a login that is refused is the fault of no event.
    """
    outcome = by_status(answer, 1)
    if isinstance(outcome, RetryLater):
        raise outcome
    if not isinstance(outcome, Delivered):
        raise _no_token(answer)


def _no_token(answer: Answer) -> Pause:
    return Pause("credentials", f"no token: status {answer.status}: {excerpt(answer.body)}")


def oauth_token(answer: Answer) -> tuple[str, float | None]:
    """Token and lifetime from an OAuth token endpoint's answer (`access_token`, `expires_in`). Raises RetryLater for an answer
    that may pass, such as a page about maintenance; Pause `credentials` for any other: a wrong secret there is no event's fault.
    A token has ASCII characters alone, without space, and at most 16,000 of them: another one would fail in each request."""
    raise_for_login(answer)
    told = answer.json()
    if not isinstance(told, dict):
        raise RetryLater("unreadable_token", f"no JSON object: status {answer.status}: {excerpt(answer.body)}")
    token = told.get("access_token")
    if not isinstance(token, str) or not token:
        raise _no_token(answer)
    if len(token) > MAX_TOKEN or not _VISIBLE.fullmatch(token):  # its characters are told to nobody
        raise Pause(
            "credentials",
            f"a token that no header can hold: {len(token)} characters; it may have 1 to {MAX_TOKEN} of ASCII, without space",
        )
    return token, as_number(told.get("expires_in"))


_VISIBLE = re.compile(r"[!-~]+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def as_number(given: JSON) -> int | float | None:
    """A finite number that JSON can represent, also from numeric text; None for anything else, including booleans."""
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


def as_text(given: JSON) -> str | None:
    """Text without blanks around it, also from a number (`7.0` is `7`); None for anything else, and for blank text."""
    if not isinstance(given, str):
        found = as_number(given)
        given = "" if found is None else str(int(found) if found == int(found) else found)
    return given.strip() or None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_EPOCH_S, _FIRST_EPOCH_MS, _END_EPOCH_MS = 100_000_000, 31_557_600_000, 32_503_680_000_000
"""Seconds since 1970 from 1973 on, else milliseconds from 1971 to 2999. Other numbers are not taken as times."""
_EPOCH_TEXT = re.compile(r"\d+(\.\d+)?", re.ASCII)
_WORDED = re.compile(
    r"(?:[A-Z][a-z]{2},? +)?(?:([A-Z][a-z]{2}) +(\d{1,2})|(\d{1,2}) +([A-Z][a-z]{2})),? +(\d{4}) +(\d\d:\d\d:\d\d)"
    r"(?: *(?:GMT|UTC|Z))? *([+-]\d\d:?\d\d)?(?: *\([^()]*\))?",
    re.ASCII,
)
"""A date as JavaScript writes it, `Sat Feb 28 2026 10:00:00 GMT+0100 (CET)`, or a mail, `Sat, 28 Feb 2026 09:00:00 GMT`."""
_MAX_INSTANT_TEXT = 128


def as_instant(given: JSON) -> datetime | None:
    """A time in aware UTC; a text without a zone is UTC. None if it cannot be read.

    Accepts ISO 8601 text, seconds and milliseconds since 1970 (number or text), and dates as JavaScript and e-mail headers
    write them.
    """
    if not isinstance(given, str):
        return _from_epoch(given)
    try:
        at = datetime.fromisoformat(given)
        if at.tzinfo is UTC:
            return at
        if at.tzinfo is None:
            # `1795010112345` can be read as an hour of the year 1795. Of digits only eight are a date: 20260228.
            return _from_epoch(int(given)) if given.isdigit() and len(given) != 8 else at.replace(tzinfo=UTC)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return _from_odd_text(given.strip()) if len(given) <= _MAX_INSTANT_TEXT else None


def _from_odd_text(given: str) -> datetime | None:
    if _EPOCH_TEXT.fullmatch(given):
        return _from_epoch(float(given) if "." in given else int(given))
    try:
        if worded := _WORDED.fullmatch(given):
            month, day, other_day, other_month, year, time, zone = worded.groups()
            words = f"{month or other_month} {day or other_day} {year} {time} {zone or '+0000'}"
            return datetime.strptime(words, "%b %d %Y %H:%M:%S %z").astimezone(UTC)
        at = datetime.fromisoformat(given.upper())  # a `z`, or blanks around it
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _from_epoch(given: JSON) -> datetime | None:
    if isinstance(given, bool) or not isinstance(given, int | float) or not _FIRST_EPOCH_S <= given < _END_EPOCH_MS:
        return None
    return _EPOCH + timedelta(milliseconds=given if given >= _FIRST_EPOCH_MS else given * 1000)


def iso_instant(at: datetime) -> str:
    """A time as ISO 8601 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def basic_auth(user: str, password: str = "") -> str:
    """The header Authorization of HTTP Basic: `Basic dXNlcjpwYXNz`."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


_ADDRESS = 'write an address such as "https://example.com/v1"'


def url_fault(url: str) -> str:
    """Why a setting cannot be an address to send to, in words for the operator; "" if it can."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not re.match(r"(?i)https?://", url):
        return f"{_ADDRESS}: it must begin with http:// or https://"
    if not usable or not re.fullmatch(r"[!-~]+", url):
        return f"{_ADDRESS}, other characters percent-encoded"
    if "#" in url:
        return "leave out # and what follows it; that is never sent"
    return "leave out user and password; a header is the place for them" if parts.username is not None else ""


def excerpt(body: bytes, limit: int = 500) -> str:
    """The first words of a response on one line, for people to read. It ends in `…` where there was more: there, the beginning
    of a secret is masked too."""
    text = re.sub(r"\s+", " ", body[: 4 * limit].decode("utf-8", "replace")).strip()
    if len(text) <= limit and len(body) <= 4 * limit:
        return text
    return text[: limit - 1].rstrip("\ufffd ") + "…"


# ---------------------------------------------------------------- how sizes and requests are checked: no plugin needs this

_FIRST_ROOMS = (1024, 16 * 1024)
"""Bytes that are tried first. Nearly all values fit, and such a buffer costs each of them 0.1 us."""
_encode_into = msgspec.json.Encoder().encode_into


class JsonTooLarge(ValueError):
    """A value has more JSON than there is room for."""


def json_within(value: JSON, room: int) -> bytes:
    """A value as JSON. No more than `room` bytes are ever encoded, whatever the value.

    Raises:
        JsonTooLarge: it takes more.
        TypeError, ValueError, RecursionError: it is no JSON.
    """
    for size in (*_FIRST_ROOMS, room):
        buffer = bytearray(max(0, min(size, room)))
        watched = memoryview(buffer)  # a bytearray that somebody looks at cannot grow: the encoder stops at its end
        try:
            _encode_into(value, buffer)
            return bytes(buffer)
        except BufferError:
            if size >= room:
                break
        finally:
            watched.release()
    raise JsonTooLarge


TOO_LARGE = f"at most {MAX_BODY:,} are sent; lower max_bytes or max_items in `kinds`, or make less of each item"
OUR_HEADERS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "expect", "te", "trailer", "upgrade", "keep-alive"}
)
"""They say how the connection is used: a plugin that sets one breaks the framing of its own request."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@lru_cache(maxsize=256)
def _is_token(word: str) -> bool:
    return _TOKEN.fullmatch(word) is not None


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises TypeError or ValueError for headers that would break a request apart. Its words hold no value."""
    if type(headers) is not dict and not isinstance(headers, Mapping):
        raise TypeError(f"Request.headers is {type(headers).__name__}: want a mapping")
    room = MAX_HEADERS_BYTES
    for name, value in headers.items():
        if not isinstance(name, str):
            raise TypeError(f"a header's name is {type(name).__name__}: want text")
        if not isinstance(value, str):
            raise TypeError(f"header {name[:100]}: its value is {type(value).__name__}, want text")
        room -= len(name) + len(value) + len(": \r\n")
        if room < 0:
            raise ValueError(f"Request.headers takes more than {MAX_HEADERS_BYTES:,} bytes: no more are sent")
        if fault := (_known_fault if len(value) <= MAX_REMEMBERED else _fault_of_header)(name, value):
            raise ValueError(fault)


MAX_REMEMBERED = 1024
"""Characters of a URL, and of a header's value, that is remembered as a good one."""


def _fault_of_url(url: str) -> str:
    if len(url) > MAX_URL:
        return f"Request.url has {len(url):,} characters: at most {MAX_URL:,} are sent"
    if not (url.isascii() and url.isprintable()) or " " in url:
        return "Request.url holds a space, a control character or one outside ASCII: quote it"
    if "#" in url:
        return "Request.url holds a #: quote it as %23"
    return ""


_known_url_fault = lru_cache(maxsize=256)(_fault_of_url)  # most requests of a destination go to the same few


def _fault_of_header(name: str, value: str) -> str:
    if not _is_token(name):
        return "a header's name is empty or holds a character that no name may have"
    if name.lower() in OUR_HEADERS:
        return f"header {name}: the router sets it itself"
    if _CONTROL.search(value):
        return f"header {name}: its value holds a line break or another control character"
    if not value.isascii() and max(value) > "\xff":
        return f"header {name}: its value holds a character outside latin-1"
    return ""


_known_fault = lru_cache(maxsize=256)(_fault_of_header)  # most requests of a destination have the same ones
