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
            return Item({"who": event.user_id, "did": event.name, "company": context.group.traits["name"]})

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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
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
    "Token",
    "UserId",
    "as_instant",
    "as_number",
    "by_status",
    "excerpt",
    "hookimpl",
    "json_request",
    "oauth_token",
]  # fmt: skip

API_VERSION = 1

JSON = Any
"""A JSON value: dict, list, str, int, float, bool or None."""

_UNREAD: Any = object()
"""Stands for a body that was not decoded from its JSON yet."""

hookimpl = pluggy.HookimplMarker("segment_router")
"""Marks a method of a plugin as one of the hooks below. A method with a hook's name and without this mark is refused."""

hookspec = pluggy.HookspecMarker("segment_router")


# ---------------------------------------------------------------- what a plugin is given


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted call, normalised. Ids are strings, times are aware UTC, absent values are None or {}."""

    type: str  #: identify, group, track, page, screen, alias (or a type no hook exists for)
    message_id: str  #: the sender's id, or one assigned at ingestion; duplicates are found by it
    source: str  #: name of the source that sent it
    user_id: str | None = None  #: also the linked user's id, if the event was held for an anonymousId
    anonymous_id: str | None = None
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
    payload: Mapping[str, JSON] = {}  #: the whole call in Segment's spelling, with the operator's mapping applied


class Profile(msgspec.Struct, frozen=True):
    """A user or a group: its id, and the merged traits of all calls so far."""

    id: str
    traits: Mapping[str, JSON]


class Person(msgspec.Struct, frozen=True):
    """Somebody whom the vendor is asked to delete."""

    user_id: str | None  #: None: known by anonymousIds only
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
    def state(self) -> JSON:
        """The JSON value of `state_key(event)`, None if absent. Assign a value to change it (at most 8 KiB), or None to
        remove it. It is stored in the same commit as the returned items, or not at all."""
        return self._state

    @state.setter
    def state(self, value: JSON) -> None:
        self._state = value
        self._changed = True

    def wake(self, at: datetime | None) -> None:
        """Set the one timer of this state key; None clears it. The router calls the `wake` hook when it is due."""
        self._wake = (at,)

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
        item = cls(_UNREAD, kind)
        item._json = json
        return item

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
    """The vendor's response. `retry_after_s`: its Retry-After (or rate-limit reset) in seconds from now, if any."""

    status: int
    headers: Mapping[str, str] = {}  #: names in lower case
    body: bytes = b""  #: at most the first 256 KiB
    retry_after_s: float | None = None

    def json(self) -> JSON:
        """The body as JSON, or None if it is not JSON."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


# ---------------------------------------------------------------- what a plugin declares


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
    disk until a group call that supplies them is settled at this destination. Held events are delivered in order."""

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

    max_items: int = 1
    max_bytes: int = 1_000_000
    concurrency: int | None = None  #: None: that of the destination
    linger_s: float = 0.0  #: how long to wait for a fuller batch; at most 5 s


class Request(msgspec.Struct, frozen=True):
    """One HTTP request. The URL is sent byte for byte. `private` keeps the request out of attempts and dry runs.

    Raises TypeError or ValueError, which name the field and hold no value, for what cannot be sent as it stands: a url with a
    space, a `#`, a control character or one outside ASCII; a header's name or value with a line break in it; a header that
    the router sets itself (Content-Length, Host, Connection and the like); a body that is not bytes.
    """

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    private: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.url, str):
            raise TypeError(f"Request.url is {type(self.url).__name__}: want text")
        if not (self.url.isascii() and self.url.isprintable()) or " " in self.url:
            raise ValueError("Request.url holds a space, a control character or one outside ASCII: quote it")
        if "#" in self.url:
            raise ValueError("Request.url holds a #: quote it as %23")
        if not isinstance(self.method, str) or not _is_token(self.method) or self.method == "CONNECT":
            raise ValueError("Request.method is none")
        if not isinstance(self.body, bytes):
            raise TypeError(f"Request.body is {type(self.body).__name__}: want bytes; json_request makes them of JSON")
        check_headers(self.headers)


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
    for name, value in headers.items():
        if not isinstance(name, str):
            raise TypeError(f"a header's name is {type(name).__name__}: want text")
        if not isinstance(value, str):
            raise TypeError(f"header {name}: its value is {type(value).__name__}, want text")
        if fault := _fault_of_header(name, value):
            raise ValueError(fault)


@lru_cache(maxsize=256)  # most requests of a destination have the same ones
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


# ---------------------------------------------------------------- what came of it


class Outcome:
    """The result for an item. All except Delivered can also be raised; they then apply to every item of the call."""


@dataclass
class Delivered(Outcome):
    """The vendor accepted it."""


@dataclass(unsafe_hash=True)
class Skip(Outcome, Exception):
    """There is nothing to send, and that is right: skipped with this reason. Mapping hooks only."""

    reason: str


@dataclass(unsafe_hash=True)
class Reject(Outcome, Exception):
    """It will never be accepted: a dead letter with this reason."""

    reason: str
    detail: str = ""


@dataclass(unsafe_hash=True)
class RetryLater(Outcome, Exception):
    """Retried with exponential backoff; later events of the user wait behind it. `after_s`: the wait before the next
    attempt. `for_s`: give up sooner than `delivery.max_age`."""

    reason: str
    detail: str = ""
    after_s: float | None = None
    for_s: float | None = None


@dataclass(unsafe_hash=True)
class Pause(Outcome, Exception):
    """The whole destination waits (a wrong key or configuration), and no attempt is counted. `sure=False`: pause only if
    three users get it and none succeeds; until then it is a retry, and a dead letter after three attempts."""

    reason: str
    detail: str = ""
    after_s: float | None = None
    sure: bool = True


@dataclass(unsafe_hash=True)
class Split(Outcome, Exception):
    """Something in this batch is bad, and the vendor did not say what. It is sent again in halves; a single item is rejected."""

    reason: str
    detail: str = ""


class Sender(Protocol):
    """The only way to the network. It applies the rate limit, the timeout and the response size limit, and follows no
    redirects. What it gives you is what the vendor sent; secrets are masked where it is shown or stored."""

    async def send(self, request: Request) -> Answer:
        """Send one request. Raises RetryLater if the network fails or the timeout expires."""
        ...

    def secret(self, value: str) -> None:
        """Report a secret that you got at run time, such as a token, before anything else is done with it: from then on it is
        masked like those of the settings. Of one destination the 32 told last are masked. One below 6 characters is not; one
        above 8192 is a ValueError. They are forgotten when a new instance of the plugin is made: report again what you keep elsewhere."""
        ...


# ---------------------------------------------------------------- the hooks


class Hooks:
    """All hooks. A plugin implements those it needs. A call type without a hook is skipped (`unsupported`).

    The hooks of the six call types and `wake` are sync and pure. They are called once per event, at its turn, and again
    after a crash before the commit. Events of one user are mapped in order, never two at once. A hook returns an Item or
    an iterable of Items (a generator also works), or raises Skip, Reject, RetryLater or Pause. No items: skipped
    (`empty`). None is a plugin error.
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
        """The key of the state that this event reads and writes, if any. Called before the mapping hook."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def wake(self, key: str, at: datetime, context: Context) -> Item | Iterable[Item]:
        """The timer of a state key is due. `at` is the time it was set for, and is "now". There is no event."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def forget(self, person: Person) -> Item | Iterable[Item]:
        """Items that ask the vendor to delete this person. Sync and pure; sent, retried and batched like any items. Raise Skip if
        the vendor cannot have the person. A plugin without this hook can say in `forget_by_hand` what an operator has to do."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def request(self, items: list[Item]) -> Request:
        """Build the request for these items, all of one kind. Pure; called for every attempt, with the current settings.
        In a dry run the result is shown and nothing is sent."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def verdict(self, items: list[Item], answer: Answer) -> Outcome | Sequence[Outcome]:
        """Read the response: one outcome for all items, or one per item in order. Default: `by_status`."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        """Send these items. Default: `verdict(items, await sender.send(request(items)))`. Implement it for two requests in
        a row, a token, or a destination without HTTP. Several calls run at a time. The instance can cache values on itself,
        but it may disappear at any time."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    async def check(self, sender: Sender) -> str:
        """Try the credentials without sending an event. The operator sees the text. Raise Pause or Reject if they are bad."""
        raise NotImplementedError

    @hookspec(firstresult=True)
    def lifetime(self, secret: Callable[[str], None]) -> AbstractAsyncContextManager[None] | AsyncIterator[None]:
        """An async context manager around the life of the instance: it closes what it opens. `secret` is `Sender.secret`."""
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
    """The outcome for a request of `n` items by HTTP status, for vendors that say no more. Return it; it cannot be raised,
    since after a 2xx it is Delivered, which is no exception.

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
        loop = asyncio.get_running_loop()
        if token is None or loop.time() >= self._until:
            if (
                self._asking is None or self._asking.get_loop() is not loop
            ):  # the destination may move to another thread
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
        self._until = asyncio.get_running_loop().time() + lasts_s - min(60.0, lasts_s / 10)
        return token

    def _asked(self, task: asyncio.Task[str]) -> None:
        if self._asking is task:
            self._asking = None
        if not task.cancelled():
            task.exception()  # nobody may wait for it any more


def oauth_token(answer: Answer) -> tuple[str, float | None]:
    """Token and lifetime from an OAuth token endpoint's answer (`access_token`, `expires_in`). Raises RetryLater for an answer
    that may pass, Pause `credentials` for any other: a wrong secret there is no event's fault."""
    outcome, told = by_status(answer, 1), answer.json()
    if isinstance(outcome, RetryLater):
        raise outcome
    token = told.get("access_token") if isinstance(told, dict) else None
    if not isinstance(outcome, Delivered) or not isinstance(token, str) or not token:
        raise Pause("credentials", f"no token: status {answer.status}: {excerpt(answer.body)}")
    return token, as_number(told.get("expires_in"))


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


def excerpt(body: bytes, limit: int = 500) -> str:
    """The first words of a response on one line, for people to read. It ends in `…` where there was more: there, the beginning
    of a secret is masked too."""
    text = re.sub(r"\s+", " ", body[: 4 * limit].decode("utf-8", "replace")).strip()
    if len(text) <= limit and len(body) <= 4 * limit:
        return text
    return text[: limit - 1].rstrip("\ufffd ") + "…"
