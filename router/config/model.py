"""What config.toml holds, as frozen records. Attribute names carry units; `alias` is the key as the file spells it.

The shipped config.toml is the reference of every key: what it means stands there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationInfo,
)

from router.config.units import Address, Bytes, Listen, OptionalRate, Rate, Seconds

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S


def _name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{1,64}", value):
        raise ValueError("not a name; use a to z, 0 to 9, _ and -, at most 64 of them")
    if value == "all":
        raise ValueError('"all" means every destination in an event\'s integrations; choose another name')
    return value


def _keys(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _write_key(value: str) -> str:
    if not re.fullmatch(r"[!-9;-~]+", value):
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


def _store_url(value: str, info: ValidationInfo) -> str:
    if value.startswith(("postgresql:", "postgres:")):
        raise ValueError("postgresql arrives with the shared store; until then use sqlite:PATH")
    place = value.removeprefix("sqlite:")
    if place == value or not place or place == ":memory:" or place.startswith("//"):
        raise ValueError(
            'not a store; write "sqlite:" and a path, e.g. "sqlite:var/router.db" or "sqlite:/data/router.db"'
        )
    state_dir = info.context["state_dir"] if info.context else Path()
    return f"sqlite:{state_dir / place}"


def _origin(value: str) -> str:
    if value != "*" and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/\s]+", value):
        raise ValueError('not an origin; write e.g. "https://www.example.com" (no path), or "*" for any')
    return value


def _at_most(limit_s: int) -> AfterValidator:
    def check(value: float) -> float:
        if value > limit_s:
            raise ValueError(f"must be at most {limit_s}s")
        return value

    return AfterValidator(check)


def _requirement(value: str) -> str:
    if not re.fullmatch(r"group\.\S(.*\S)?", value):
        raise ValueError('not a requirement; write "group.id" or "group." and a trait, e.g. "group.name"')
    return value


def _quoted(value: Any) -> Any:
    if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
        raise ValueError('write each whole path between quotes, e.g. { "properties.area" = "properties.module" }')
    return value


Name = Annotated[str, AfterValidator(_name)]
WriteKey = Annotated[str, AfterValidator(_write_key)]
Positive = Annotated[StrictInt, Field(ge=1)]


class ConfigWarning(NamedTuple):
    """Something in config.toml that stops nothing but that the operator should know."""

    where: str  #: name of the source or destination, or "" for the whole file
    key: str
    words: str
    event: Literal["config_warned", "secret_missing"] = "config_warned"  #: the line of the log it becomes

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.words) if part)


class Section(BaseModel):
    """Base of every table: frozen, unknown keys refused, values never shown in errors."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )


class ServerConfig(Section):
    """`[server]`: Segment-compatible ingestion."""

    listen: Address = Listen("127.0.0.1", 8080)
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    public_url: Annotated[str, AfterValidator(_public_url)] = ""


class AdminConfig(Section):
    """`[admin]`: the admin API."""

    listen: Address = Listen("127.0.0.1", 8081)
    token: Annotated[str, Field(min_length=1)] | None = Field(default=None, repr=False)


class StoreConfig(Section):
    """`[store]`: where events are kept, and how long."""

    url: Annotated[str, AfterValidator(_store_url)] = Field(default="sqlite:var/router.db", validate_default=True)
    retention_s: Annotated[Seconds, Field(gt=0)] = Field(default=7 * DAY_S, alias="retention")
    dedupe_window_s: Annotated[Seconds, Field(gt=0)] = Field(default=DAY_S, alias="dedupe_window")
    min_free_bytes: Bytes = Field(default=512_000_000, alias="min_free")

    @property
    def path(self) -> Path:
        """The file of an `sqlite:` url; absolute in a loaded Config."""
        return Path(self.url.removeprefix("sqlite:"))


class LogConfig(Section):
    """`[log]`: what is written to standard output."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    decisions: Literal["all", "exceptions"] = "all"


class SourceConfig(Section):
    """One `[[source]]`: who sends, and its credentials."""

    name: Name
    write_keys: Annotated[tuple[WriteKey, ...], BeforeValidator(_keys), Field(min_length=1)] = Field(
        alias="write_key", repr=False
    )
    kind: Literal["segment", "segment-webhook"] = "segment"
    enabled: StrictBool = True
    rate: OptionalRate = None
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = ("*",)
    strict: StrictBool = False
    secrets: tuple[Annotated[str, Field(min_length=1)], ...] = Field(default=(), repr=False)


class DeliveryConfig(Section):
    """`[destination.delivery]`: how it is sent."""

    concurrency: Annotated[StrictInt, Field(ge=1, le=1000)] = 10
    timeout_s: Annotated[Seconds, Field(gt=0), _at_most(600)] = Field(default=10.0, alias="timeout")
    max_age_s: Annotated[Seconds, Field(gt=0)] = Field(default=72 * HOUR_S, alias="max_age")
    rate: OptionalRate = None
    linger_s: Annotated[Seconds, _at_most(5)] = Field(default=0.0, alias="linger")
    isolation: Literal["loop", "thread"] = "loop"


class HoldConfig(Section):
    """`[destination.hold]`: bounds of what waits for its group."""

    max_age_s: Annotated[Seconds, Field(gt=0)] = Field(default=30 * DAY_S, alias="max_age")
    max_events_per_user: Positive = 10_000
    max_bytes: Annotated[Bytes, Field(gt=0)] = 1_000_000_000
    require: tuple[Annotated[str, AfterValidator(_requirement)], ...] = ()


class DeadConfig(Section):
    """`[destination.dead]`: bounds of the dead letters."""

    max_age_s: Annotated[Seconds, Field(gt=0)] = Field(default=90 * DAY_S, alias="max_age")
    max_bytes: Annotated[Bytes, Field(gt=0)] = 1_000_000_000


class MappingConfig(Section):
    """`[destination.mapping]`: changes to traits and properties before the plugin sees them, made in this order.

    Keys and entries are dotted paths (`properties.area`); `router.config.mapping` knows which there are.
    """

    rename: Annotated[Mapping[str, str], BeforeValidator(_quoted)] = {}
    drop: tuple[str, ...] = ()
    set: Mapping[str, Any] = {}
    only: tuple[str, ...] = ()


class DestinationConfig(Section):
    """One `[[destination]]`. `settings` is the plugin's affair; the secrets in it are already looked up (SecretStr)."""

    name: Name
    plugin: str
    enabled: StrictBool = True
    mode: Literal["live", "dry-run"] = "live"
    sources: tuple[str, ...] = ("*",)
    filter: str = ""
    settings: Mapping[str, Any] = Field(default={}, repr=False)
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
    state_dir: Path  #: what is written is relative to this: $STATE_DIRECTORY, else config.toml's folder
    plugins_dir: Path | None = None
    server: ServerConfig = ServerConfig()
    admin: AdminConfig = AdminConfig()
    store: StoreConfig = StoreConfig()
    log: LogConfig = LogConfig()
    sources: tuple[SourceConfig, ...] = ()
    destinations: tuple[DestinationConfig, ...] = ()
    warnings: tuple[ConfigWarning, ...] = ()


__all__ = [
    "AdminConfig", "Config", "ConfigWarning", "DeadConfig", "DeliveryConfig", "DestinationConfig", "HoldConfig",
    "Listen", "LogConfig", "MappingConfig", "Rate", "Section", "ServerConfig", "SourceConfig", "StoreConfig",
]  # fmt: skip
