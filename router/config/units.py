"""Amounts as config.toml writes them ("10s", "512MB", "100/s", "127.0.0.1:8080") and as the code uses them.

Each parser takes the text of one value and raises ValueError with the words the operator reads.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator

from router.config.json_form import text

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


@dataclass(frozen=True)
class Rate:
    """At most `count` in `per_s` seconds."""

    count: int
    per_s: float

    @property
    def per_second(self) -> float:
        """The same rate as a number a second."""
        return self.count / self.per_s


@dataclass(frozen=True)
class Listen:
    """Where a server listens. Port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999
"""The years 1 to 9999: an instant beyond them cannot be shown."""
HOW = "write 2026-01-31T10:00:00Z, or 36h for so long ago"


def parse_instant(text: str, now_ms: int) -> int:
    """Milliseconds since 1970 of an instant, "2026-01-31T10:00:00Z" (UTC without an offset), or of a time ago, "36h". Raises ValueError."""
    at_ms: float
    if _AMOUNT.fullmatch(text.strip()):
        at_ms = now_ms - parse_duration(text) * 1000
    else:
        try:
            at = datetime.fromisoformat(text.strip())
            at_ms = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000
        except (ValueError, OverflowError):
            raise ValueError(f"not a time; {HOW}") from None
    if not FIRST_MS <= at_ms <= LAST_MS:
        raise ValueError(f"there is no such time; {HOW}")
    return int(at_ms)


def parse_given_instant(key: str, text: str | None, now_ms: int) -> int | None:
    """The same of an instant that may be left out; None then. Raises ValueError, which names the key."""
    if not text:
        return None
    try:
        return parse_instant(text, now_ms)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None


def parse_duration(value: Any) -> float:
    """Seconds of "250ms", "10s", "5m", "72h", "7d" or "2w"."""
    remedy = 'write a number and a unit (ms, s, m, h, d, w), e.g. "10s"'
    match = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"not a duration; {remedy}")
    number, unit = match.groups()
    if unit.lower() not in _SECONDS:
        raise ValueError(f'"{unit}" is not a unit of time; {remedy}')
    return round(float(number) * _SECONDS[unit.lower()], 3)


def parse_optional_duration(value: Any) -> float:
    """The same; 0 for the empty string, which means never."""
    return 0.0 if value == "" else parse_duration(value)


def parse_size(value: Any) -> int:
    """Bytes of "512MB" (a million each) or "512MiB" (1024 x 1024 each)."""
    remedy = 'write a number and a unit (B, KB, MB, GB, TB, KiB, MiB, GiB), e.g. "512MB"'
    match = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"not a size; {remedy}")
    number, unit = match.groups()
    if unit.upper() not in _BYTES:
        raise ValueError(f'"{unit}" is not a unit of size; {remedy}')
    return int(float(number) * _BYTES[unit.upper()])


def parse_rate(value: Any) -> Rate | None:
    """The rate of "100/s", "1000/m" or "5000/h"; None for the empty string, which means no limit."""
    if value == "":
        return None
    match = re.fullmatch(r"(\d+)\s*/\s*([smh])", value.strip()) if isinstance(value, str) else None
    if match is None or int(match[1]) == 0:
        raise ValueError('not a rate; write a count a second, minute or hour, e.g. "100/s", or "" for no limit')
    return Rate(int(match[1]), _SECONDS[match[2]])


def parse_listen(value: Any) -> Listen:
    """The address of "127.0.0.1:8080", "localhost:8080" or "[::1]:8080"."""
    remedy = 'write "host:port", e.g. "127.0.0.1:8080", "0.0.0.0:8080" or "[::1]:8080"'
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})", str(value))
    if not isinstance(value, str) or match is None or int(match[3]) > 65_535:
        raise ValueError(f"not an address to listen on; {remedy}")
    if match[1] is not None:
        try:
            ipaddress.IPv6Address(match[1])
        except ValueError:
            raise ValueError(f"not an IPv6 address between the brackets; {remedy}") from None
    return Listen(match[1] or match[2], int(match[3]))


_DURATION = r"\s*\d+(\.\d+)?\s*([mM][sS]|[sSmMhHdDwW])\s*"
_SIZE = r"\s*\d+(\.\d+)?\s*([kKmMgGtT][iI]?)?[bB]\s*"
_RATE = r"(\s*0*[1-9]\d*\s*/\s*[smh]\s*)?"
_LISTEN = r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+):\d{1,5}"

Seconds = Annotated[float, BeforeValidator(parse_duration), text(_DURATION)]
OptionalSeconds = Annotated[float, BeforeValidator(parse_optional_duration), text(f"({_DURATION})?")]
Bytes = Annotated[int, BeforeValidator(parse_size), text(_SIZE)]
OptionalRate = Annotated[Rate | None, BeforeValidator(parse_rate), text(_RATE)]
Address = Annotated[Listen, BeforeValidator(parse_listen), text(_LISTEN)]
