"""What single keys of config.toml may hold: the types of values that several tables have, or that need a check of their own."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictInt, WithJsonSchema

from router.config.json_form import text
from router.config.store_url import PATTERN, read_store_url
from router.explain.trouble_codes import CODES
from router.plugin import check_headers

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

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


def as_tuple(value: Any) -> Any:
    """One text, where a list may stand, as a list of one."""
    return (value,) if isinstance(value, str) else value


def _write_key(value: str) -> str:
    if not re.fullmatch(_WRITE_KEY, value):
        raise ValueError("not a write key; use letters, digits and signs, without blanks and colons")
    return value


def network(value: str) -> str:
    """An address or network as it is compared. Raises ValueError."""
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


def at_most(limit_s: int) -> AfterValidator:
    """A time of at most so many seconds."""

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


def quoted(value: Any) -> Any:
    """A table by paths. Raises ValueError where TOML has read a path as tables."""
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


def sendable_headers(value: Mapping[str, str]) -> Mapping[str, str]:
    """Headers that can be sent. Raises ValueError."""
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
