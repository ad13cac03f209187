"""What config.toml holds, as frozen records. Attribute names carry units; `alias` is the key as the file spells it.

Each `description` and `examples` is printed in docs/configuration.md: run `python -m tests.docs.reference` after a change.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    field_validator,
)

from router.config.consent_need import ConsentNeed
from router.config.filter_tables import FilterTable
from router.config.json_form import FILLED, one_or_many, text
from router.config.plan_tables import Forward, OnViolation
from router.config.section import Section
from router.config.store_url import PATTERN, is_database, read_store_url, shown_url
from router.config.units import Address, Bytes, Listen, OptionalRate, OptionalSeconds, Rate, Seconds
from router.explain.troubles import CODES
from router.plans import Plan
from router.plugin import check_headers

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
MIN_KEY = 16
"""Characters of `privacy.key`."""

_NAME, _WRITE_KEY = r"[a-z0-9_-]{1,64}", r"[!-9;-~]+"
_WEB, _ORIGIN = r"https?://[^/\s]+", r"\*|null|[a-z][a-z0-9+.-]*://[^/\s]+"
_COLLECTOR = r"https?://[^/\s@?#]+(/[!\x22$->@-~]*)?"  # without ? and #: a query may be a key, and addresses are shown
_REQUIREMENT = r"group\.\S(.*\S)?"


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        raise ValueError("not a name; use a to z, 0 to 9, _ and -, at most 64 of them")
    if value == "all":
        raise ValueError('"all" means every destination in an event\'s integrations; choose another name')
    return value


def _keys(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _write_key(value: str) -> str:
    if not re.fullmatch(_WRITE_KEY, value):
        raise ValueError("not a write key; use letters, digits and signs, without blanks and colons")
    return value


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError('not an address or network; write e.g. "10.0.0.5" or "10.0.0.0/8"') from None


def _public_url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^/\s]+(/[^\s?#]*)?", value):
        raise ValueError('not a URL; write e.g. "https://events.example.com", or "" to take it from each request')
    return value.rstrip("/")


def _origin(value: str) -> str:
    if not re.fullmatch(_ORIGIN, value):
        raise ValueError(
            'not an origin; write e.g. "https://www.example.com" (no path), "null" for pages without one, or "*" for any'
        )
    return value


def _at_most(limit_s: int) -> AfterValidator:
    def check(value: float) -> float:
        if value > limit_s:
            raise ValueError(f"must be at most {limit_s}s")
        return value

    return AfterValidator(check)


def _integration(value: str) -> str:
    value = value.strip()
    if not value or value.lower() == "all":
        raise ValueError('not a name of this destination; write e.g. "Braze Cloud Mode (Actions)"')
    return value


def _requirement(value: str) -> str:
    if not re.fullmatch(_REQUIREMENT, value):
        raise ValueError('not a requirement; write "group.id" or "group." and a trait, e.g. "group.name"')
    return value


def _quoted(value: Any) -> Any:
    if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
        raise ValueError('write each whole path between quotes, e.g. { "properties.area" = "properties.module" }')
    return value


def _notify_url(value: str) -> str:
    if not re.fullmatch(r"https?://[^/\s]+(/[!-~]*)?", value) or "#" in value:
        raise ValueError('not a URL; write e.g. "https://hooks.example.com/router"')
    return value


def _collector(value: str) -> str:
    if value and not re.fullmatch(_COLLECTOR, value):
        raise ValueError('not a collector\'s address; write e.g. "http://127.0.0.1:4318"; keys go into headers')
    return value if not value or re.fullmatch(r"https?://[^/]+/.+", value) else f"{value.rstrip('/')}/v1/traces"


def _headers(value: Mapping[str, str]) -> Mapping[str, str]:
    try:
        check_headers(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error}; write a header's name and its value") from None
    return value


def _code(value: str) -> str:
    if value != "*" and value not in CODES:
        raise ValueError(f'no trouble has this code; write "*" for all, or one of {", ".join(CODES)}')
    return value


Code = Annotated[str, AfterValidator(_code), WithJsonSchema({"enum": ["*", *CODES]})]
Name = Annotated[str, AfterValidator(_name), text(_NAME, **{"not": {"const": "all"}})]
WriteKey = Annotated[str, AfterValidator(_write_key), text(_WRITE_KEY)]
PublicUrl = Annotated[str, AfterValidator(_public_url), text(rf"({_WEB}(/[^\s?#]*)?)?")]
StoreUrl = Annotated[str, AfterValidator(read_store_url), text(PATTERN, **{"not": {"const": "sqlite::memory:"}})]
Origin = Annotated[str, AfterValidator(_origin), text(_ORIGIN)]
Requirement = Annotated[str, AfterValidator(_requirement), text(_REQUIREMENT)]
Integration = Annotated[
    str, AfterValidator(_integration), text(r".*\S.*", **{"not": {"pattern": r"^\s*[aA][lL][lL]\s*$"}})
]
NotifyUrl = Annotated[str, AfterValidator(_notify_url), text(rf'({_WEB}(/[!-"$-~]*)?)?')]
CollectorUrl = Annotated[str, AfterValidator(_collector), text(rf"({_COLLECTOR})?")]
Positive = Annotated[StrictInt, Field(ge=1)]


class ConfigWarning(NamedTuple):
    """Something in config.toml that stops nothing but that the operator should know."""

    where: str  #: name of the source or destination, or "" for the whole file
    key: str
    words: str
    event: Literal["config_warned", "secret_missing"] = "config_warned"  #: the line of the log it becomes

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.words) if part)


class ServerConfig(Section):
    """`[server]`: Segment-compatible ingestion."""

    listen: Address = Field(
        default=Listen("127.0.0.1", 8080), description="Address of the ingestion listener.", examples=["0.0.0.0:8080"]
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        default=(),
        description="Proxies whose X-Forwarded-For, X-Forwarded-Host and X-Forwarded-Proto headers are trusted: addresses"
        " or networks.",
        examples=[["10.0.0.0/8"]],
    )
    public_url: PublicUrl = Field(
        default="",
        description="The URL that browser and mobile libraries are told to send to. Empty: the host of their request.",
        examples=["https://events.example.com"],
    )


class AdminConfig(Section):
    """`[admin]`: the admin API."""

    listen: Address = Field(
        default=Listen("127.0.0.1", 8081),
        description="Address of the admin listener: admin API, health checks and metrics.",
        examples=["0.0.0.0:8081"],
    )
    token: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        repr=False,
        description="Bearer token of the admin API. Required unless `listen` is a loopback address.",
        examples=[{"file": "secrets/admin"}],
    )


class StoreConfig(Section):
    """`[store]`: where events are kept, and how long."""

    _state_dir: Path = PrivateAttr(default=Path())
    url: StoreUrl = Field(
        default="sqlite:var/router.db",
        validate_default=True,
        repr=False,
        description="A file of SQLite: `sqlite:` and a path. Or a database of PostgreSQL, text or a secret, which needs the extra"
        " `postgres`. See [cluster](cluster.md).",
        examples=["sqlite:/data/router.db", {"file": "secrets/store_url"}],
    )
    retention_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=7 * DAY_S,
        alias="retention",
        description="How long settled events are kept for `why` and `replay`. Unread, held and dead events are kept longer.",
        examples=["30d"],
    )
    dedupe_window_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=DAY_S,
        alias="dedupe_window",
        description="A message id that arrives again within this time is a duplicate. At most `retention`.",
        examples=["72h"],
    )
    min_free_bytes: Bytes = Field(
        default=512_000_000,
        alias="min_free",
        description="When less disk space than this is free, events are answered 503. It is reserved for commits.",
        examples=["2GB"],
    )
    backup_max_age_s: OptionalSeconds = Field(
        default=0.0,
        alias="backup_max_age",
        description="Without a backup that is this young, `status` and `/healthz` report a problem. Empty: never.",
        examples=["26h"],
    )

    def model_post_init(self, context: Any) -> None:
        """Remember where this node keeps files of its own."""
        self._state_dir = context["state_dir"] if context else Path()

    @property
    def is_database(self) -> bool:
        """Whether it is a database, which several nodes may use."""
        return is_database(self.url)

    @property
    def path(self) -> Path:
        """The file of an `sqlite:` url, else the place beside which this node keeps files of its own. Absolute in a loaded Config."""
        return self._state_dir / "var/node" if self.is_database else Path(self.url.removeprefix("sqlite:"))

    @property
    def shown(self) -> str:
        """Where events are, without any secret: the path of the file, or the address of the database."""
        return shown_url(self.url) if self.is_database else str(self.path)


class ClusterConfig(Section):
    """`[cluster]`: this node among those that use one database."""

    node: str = Field(
        default="",
        max_length=64,
        description="What people call this node. Empty: the name of the machine.",
        examples=["router-a"],
    )
    lease_s: Annotated[Seconds, Field(ge=3)] = Field(
        default=15.0,
        alias="lease",
        description="So long after its last sign of life a node is taken for dead, and others deliver what it delivered. Longer for a"
        " destination with a long `timeout`. At least `3s`.",
        examples=["10s"],
    )


class LogConfig(Section):
    """`[log]`: what is written to standard output."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Minimum log level.", examples=["warning"]
    )
    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto` writes `console` on a terminal and `json` otherwise.", examples=["json"]
    )
    decisions: Literal["all", "exceptions"] = Field(
        default="all",
        description="`exceptions` omits the three log lines of an event that is simply delivered.",
        examples=["exceptions"],
    )


class SourcePrivacyConfig(Section):
    """`[source.privacy]`: personal data that is taken from calls before they are stored.

    Entries are dotted paths (`context.ip`) or ids (`userId`); `router.config.privacy_rules` knows which there are.
    """

    drop: tuple[str, ...] = Field(
        default=(),
        description="Removes values before the event is stored. The router keeps no copy of them.",
        examples=[["context.ip", "properties.password"]],
    )
    hash: tuple[str, ...] = Field(
        default=(),
        description="Replaces values by a hash with `privacy.key` before the event is stored. Ids can be hashed too.",
        examples=[["traits.phone", "userId"]],
    )


class SourceConfig(Section):
    """One `[[source]]`: who sends, and its credentials."""

    name: Name = Field(
        description="Name of the source in logs, metrics and commands. Unique; `a` to `z`, `0` to `9`, `_` and `-`.",
        examples=["website"],
    )
    write_keys: Annotated[tuple[WriteKey, ...], BeforeValidator(_keys), Field(min_length=1)] = Field(
        alias="write_key",
        repr=False,
        description="The write key, or a list of keys while you rotate them.",
        examples=[["new_key", "old_key"]],
    )
    kind: Literal["segment", "segment-webhook"] = Field(
        default="segment",
        description="`segment-webhook` accepts what Segment's Webhooks destination sends.",
        examples=["segment-webhook"],
    )
    enabled: StrictBool = Field(
        default=True,
        description="`false`: calls are answered 200 and dropped; `discards` counts them.",
        examples=[False],
    )
    rate: OptionalRate = Field(
        default=None,
        description="Rate limit in calls; every stored call of a batch counts. Above it the answer is 429.",
        examples=["1000/s"],
    )
    origins: tuple[Origin, ...] = Field(
        default=("*",),
        description="Origins of web pages that may send; other pages get 403. `*` allows all.",
        examples=[["https://www.example.com"]],
    )
    strict: StrictBool = Field(
        default=False,
        description="`true`: a single call that cannot be used is answered 400 instead of being discarded with 200.",
        examples=[True],
    )
    secrets: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        repr=False,
        description="Shared secrets of a `segment-webhook` source. Each request must be signed with one of them. Empty:"
        " signatures are not checked.",
        examples=[[{"file": "secrets/webhook"}]],
    )
    plan: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_keys), one_or_many(**FILLED)] = (
        Field(
            default=(),
            description="The file of a tracking plan, relative to config.toml, or a list of files that are one plan. See"
            " [tracking plans](tracking-plans.md).",
            examples=["plans/acme.json"],
        )
    )
    on_violation: OnViolation = OnViolation()
    forward: Forward = Forward()
    privacy: SourcePrivacyConfig = SourcePrivacyConfig()


class DeliveryConfig(Section):
    """`[destination.delivery]`: how it is sent."""

    concurrency: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(
        default=10,
        description="Requests in flight at a time. Events of one user are always sent one after the other.",
        examples=[20],
    )
    timeout_s: Annotated[Seconds, Field(gt=0), _at_most(600)] = Field(
        default=10.0, alias="timeout", description="Timeout of one attempt. At most 600 s.", examples=["30s"]
    )
    max_age_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=72 * HOUR_S,
        alias="max_age",
        description="How long one event is retried before it becomes a dead letter (`expired`). Pauses do not count.",
        examples=["24h"],
    )
    rate: OptionalRate = Field(default=None, description="Rate limit in requests.", examples=["100/s"])
    linger_s: Annotated[Seconds, _at_most(5)] = Field(
        default=0.0,
        alias="linger",
        description="How long to wait for a fuller batch, at most 5 s. `0s`: the plugin decides. One user gets at most one event"
        " in this time.",
        examples=["500ms"],
    )
    isolation: Literal["loop", "thread"] = Field(
        default="loop",
        description="Where the plugin's hooks run: `loop`, in the event loop of all destinations; `thread`, in their own thread.",
        examples=["thread"],
    )
    slow_hooks: Literal["thread", "pause"] = Field(
        default="thread",
        description="What happens if hooks block the event loop for 0.1 s five times in a minute, or one had to be interrupted: `thread` moves the destination"
        " to its own thread, `pause` pauses it.",
        examples=["pause"],
    )


class HoldConfig(Section):
    """`[destination.hold]`: bounds of what waits for its group."""

    max_age_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=30 * DAY_S,
        alias="max_age",
        description="How long an event is held before it becomes a dead letter (`hold_expired`).",
        examples=["7d"],
    )
    max_events_per_user: Positive = Field(
        default=10_000,
        description="Held events per user; further ones become dead letters (`hold_full`). It also limits the events that"
        " wait behind a retried event of the same user: at the limit the retried event is given up (`expired`).",
        examples=[5000],
    )
    max_bytes: Annotated[Bytes, Field(gt=0)] = Field(
        default=1_000_000_000,
        description="Total size of waiting events at the destination; further held events become dead letters (`hold_full`)."
        " It also limits events behind a retry, as above.",
        examples=["4GB"],
    )
    require: tuple[Requirement, ...] = Field(
        default=(),
        description="What must be known of the group before track, page and screen events are sent, in addition to what the"
        " plugin requires: `group.id`, or `group.` and a trait.",
        examples=[["group.id", "group.plan"]],
    )


class DeadConfig(Section):
    """`[destination.dead]`: bounds of the dead letters."""

    max_age_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=90 * DAY_S,
        alias="max_age",
        description="How long dead letters are kept for replay. Their events stay `dead` afterwards.",
        examples=["30d"],
    )
    max_bytes: Annotated[Bytes, Field(gt=0)] = Field(
        default=1_000_000_000,
        description="Total size of dead letters. Above it the oldest are deleted (`letters_dropped`); their events stay `dead`.",
        examples=["200MB"],
    )


class MappingConfig(Section):
    """`[destination.mapping]`: changes to traits and properties before the plugin sees them, made in this order.

    Keys and entries are dotted paths (`properties.area`); `router.config.mapping_rules` knows which there are.
    """

    rename: Annotated[Mapping[str, str], BeforeValidator(_quoted)] = Field(
        default={}, description="Applied first: moves values to other paths.", examples=[{"group.title": "group.name"}]
    )
    drop: tuple[str, ...] = Field(
        default=(), description="Applied after `rename`: removes values.", examples=[["properties.password"]]
    )
    set: Mapping[str, Any] = Field(
        default={},
        description="Applied after `drop`: sets constants (text, number, true, false, list or table).",
        examples=[{"properties.product": "shop"}],
    )
    type: Annotated[Mapping[str, Literal["text", "number", "date", "bool"]], BeforeValidator(_quoted)] = Field(
        default={},
        description="Applied after `set`: converts values to `text`, `number`, `date` or `bool`.",
        examples=[{"properties.amount": "number"}],
    )
    default: Mapping[str, Any] = Field(
        default={}, description="Applied after `type`: sets missing values.", examples=[{"properties.plan": "free"}]
    )
    max_length: Annotated[Mapping[str, Positive], BeforeValidator(_quoted)] = Field(
        default={},
        description="Applied after `default`: cuts text to this number of characters.",
        examples=[{"properties.note": 255}],
    )
    hash: tuple[str, ...] = Field(
        default=(),
        description="Applied after `max_length`: replaces values by a hash with `privacy.key`.",
        examples=[["user.email"]],
    )
    only: tuple[str, ...] = Field(
        default=(),
        description="Applied last: of each root that it names (`properties`, `user`, `group`), keeps nothing else.",
        examples=[["properties.plan"]],
    )
    event_names: Mapping[str, str | Literal[False]] = Field(
        default={},
        description="Renames track events, or drops them (`false`).",
        examples=[{"Signed Up": "Signup", "Heartbeat": False}],
    )

    @field_validator("event_names", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        names = value.items() if isinstance(value, dict) else ()
        faults = [f'"{name}": write the new name between quotes, or false to drop events of this name'
                  for name, other in names if other is not False and not isinstance(other, str)]  # fmt: skip
        if faults:
            raise ValueError("\n".join(faults))
        return value


def _privacy_key(value: str) -> str:
    if len(value.strip()) < MIN_KEY:
        raise ValueError(f"too short; it must have at least {MIN_KEY} characters beside white space at its ends")
    return value


class PrivacyConfig(Section):
    """`[privacy]`: how values are hashed."""

    key: Annotated[str, AfterValidator(_privacy_key), text(r"([\s\S]{16,})?")] | None = Field(
        default=None,
        repr=False,
        description="Key of every `hash`, 16 characters or more. Required if a source or a mapping hashes. With another key the"
        " same value has another hash, so a reload with another key must be confirmed while anything is hashed.",
        examples=[{"file": "secrets/privacy_key"}],
    )
    normalize: StrictBool = Field(
        default=True,
        description="Hash e-mail addresses in lower case, and phone numbers without spaces and punctuation.",
        examples=[False],
    )


class ConsentConfig(Section):
    """`[consent]`: what is kept of users' consent."""

    follow: StrictBool = Field(
        default=False,
        description="`true`: the latest preferences of each user are stored, and decide too before a waiting event is sent. A"
        " withdrawal stops what waits. See [consent](consent.md#a-user-changes-their-mind).",
        examples=[True],
    )


class ConsoleConfig(Section):
    """`[console]`: the pages on the admin listener."""

    enabled: StrictBool = Field(
        default=True,
        description="`false`: no pages; the admin API stays. `console = false` at the top of the file says the same.",
        examples=[False],
    )
    instance: Annotated[str, Field(max_length=64)] = Field(
        default="",
        description="Name of this router on its pages. Empty: the name of the machine.",
        examples=["prod-1"],
    )
    mask: Literal["emails", "all", "none"] = Field(
        default="emails",
        description="Personal traits that the pages mask until somebody asks to see them, which is logged: e-mail addresses, `all` or `none`.",
        examples=["all"],
    )
    search_traits: StrictBool = Field(
        default=False,
        description="`true`: the search box also finds people by their e-mail address and companies by their name.",
        examples=[True],
    )
    edit: StrictBool = Field(
        default=False,
        description="`true`: destinations can be added and changed from the pages, which writes config.toml.",
        examples=[True],
    )


class NotifyConfig(Section):
    """`[notify]`: an address that gets a message when a trouble begins and when it ends."""

    url: NotifyUrl | None = Field(
        default=None,
        repr=False,
        description="Address that each change is POSTed to, text or a secret. Empty: no messages.",
        examples=["https://hooks.slack.com/services/T000/B000/XXXX", {"file": "secrets/slack_url"}],
    )
    secret: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        repr=False,
        description="Signs each request as Segment's webhooks do: `X-Signature` is the HMAC-SHA1 of the body, in hex.",
        examples=[{"file": "secrets/notify"}],
    )
    format: Literal["json", "slack", "teams"] = Field(
        default="json",
        description="Form of the body: `json`, or the form that an incoming webhook of Slack or Teams takes.",
        examples=["slack"],
    )
    events: Annotated[tuple[Code, ...], Field(min_length=1)] = Field(
        default=("*",),
        description='Which troubles are reported, by code, e.g. `credentials`; `"*"` for all. See [monitoring](monitoring.md#tell-somebody).',
        examples=[["breaker_open", "credentials", "dead"]],
    )


class TracingConfig(Section):
    """`[tracing]`: the spans of requests and deliveries go to an OpenTelemetry collector."""

    endpoint: CollectorUrl = Field(
        default="",
        description="Address of a collector that takes OTLP over HTTP; `/v1/traces` is added if it has no path. Needs the extra"
        " `otel`. Empty: nothing is traced. See [tracing](tracing.md).",
        examples=["http://127.0.0.1:4318"],
    )
    headers: Annotated[Mapping[str, str], AfterValidator(_headers)] = Field(
        default={},
        repr=False,
        description="Headers of each export, e.g. the key that a hosted collector asks for. Each is text or a secret.",
        examples=[{"x-api-key": {"file": "secrets/tracing"}}],
    )
    sample: Annotated[float, Field(ge=0, le=1, strict=True)] = Field(
        default=1.0,
        description="Share of the requests that are traced, from 0 to 1. Deliveries are traced where a request of theirs was.",
        examples=[0.01],
    )


class DestinationConfig(Section):
    """One `[[destination]]`. `settings` is the plugin's affair; the secrets in it are already looked up (SecretStr)."""

    name: Name = Field(
        description="Name of the destination in commands, logs, metrics and an event's `integrations` object. Unique.",
        examples=["braze"],
    )
    plugin: str = Field(description="An installed plugin, or a file of `plugins_dir`.", examples=["braze"])
    enabled: StrictBool = Field(
        default=True,
        description="`false`: new events are `filtered` (`disabled`). What waits here is kept and does not age.",
        examples=[False],
    )
    mode: Literal["live", "dry-run"] = Field(
        default="live",
        description="`dry-run` decides, holds, maps and records, and sends nothing.",
        examples=["dry-run"],
    )
    sources: tuple[str, ...] = Field(
        default=("*",), description="Names of the sources whose events it gets. `*`: all.", examples=[["website"]]
    )
    integrations: tuple[Integration, ...] = Field(
        default=(),
        description="Additional names of this destination in an event's `integrations` object. Its own name and the plugin's"
        " names always count.",
        examples=[["Braze EU"]],
    )
    consent: ConsentNeed = Field(
        default=None,
        description="Ids of the consent categories that an event must give: all of a list, or one of `any`. Not set: no consent"
        " is needed. See [consent](consent.md).",
        examples=[["marketing"]],
    )
    consent_missing: Literal["allow", "block"] = Field(
        default="allow",
        description="What becomes of an event that says nothing of consent: `allow` sends it, `block` makes it `filtered`"
        " (`consent_missing`). Only with `consent`.",
        examples=["block"],
    )
    consent_updates: StrictBool = Field(
        default=False,
        description='`true`: "Segment Consent Preference Updated" is sent whatever it says. Only with `consent`.',
        examples=[True],
    )
    filter: str = Field(
        default="",
        description="An expression in FQL: only events for which it is true are sent. Empty: all. See [filters](filters.md).",
        examples=["type = 'track'"],
    )
    filters: tuple[FilterTable, ...] = Field(
        default=(),
        description="Destination filters as Segment exports them. See [filters](filters.md#segments-destination-filters).",
    )
    settings: Mapping[str, Any] = Field(
        default={},
        repr=False,
        description="The settings of the plugin, see below.",
        examples=[{"api_key": {"env": "BRAZE_API_KEY"}}],
    )
    delivery: DeliveryConfig = DeliveryConfig()
    hold: HoldConfig = HoldConfig()
    dead: DeadConfig = DeadConfig()
    mapping: MappingConfig = MappingConfig()

    @property
    def is_live(self) -> bool:
        """Whether it really sends: enabled, and not a dry run."""
        return self.enabled and self.mode == "live"


class Config(Section):
    """The whole of config.toml. Paths are absolute."""

    path: Path  #: of the file itself
    text: str = Field(default="", repr=False)  #: of the file, as it was read
    state_dir: Path  #: what is written is relative to this: $STATE_DIRECTORY, else config.toml's folder
    plugins_dir: Path | None = Field(
        default=None,
        description="Folder of single-file plugins. A file's name is the plugin's name.",
        examples=["plugins.d"],
    )
    server: ServerConfig = ServerConfig()
    admin: AdminConfig = AdminConfig()
    store: StoreConfig = StoreConfig()
    cluster: ClusterConfig = ClusterConfig()
    log: LogConfig = LogConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    consent: ConsentConfig = ConsentConfig()
    console: ConsoleConfig = ConsoleConfig()
    notify: NotifyConfig = NotifyConfig()
    tracing: TracingConfig = TracingConfig()
    sources: tuple[SourceConfig, ...] = ()
    destinations: tuple[DestinationConfig, ...] = ()
    plans: Mapping[str, Plan] = {}  #: the tracking plans that were read, by source
    warnings: tuple[ConfigWarning, ...] = ()

    @property
    def consent_categories(self) -> frozenset[str]:
        """The categories that any destination needs."""
        return frozenset(id for table in self.destinations if table.consent is not None for id in table.consent.ids)


__all__ = [
    "AdminConfig", "ClusterConfig", "Config", "ConfigWarning", "ConsentConfig", "ConsoleConfig", "DeadConfig", "DeliveryConfig", "DestinationConfig", "Forward",
    "HoldConfig", "Listen", "LogConfig", "MappingConfig", "NotifyConfig", "OnViolation", "PrivacyConfig", "Rate", "Section", "ServerConfig",
    "SourceConfig", "SourcePrivacyConfig", "StoreConfig", "TracingConfig",
]  # fmt: skip
