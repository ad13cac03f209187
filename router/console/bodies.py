"""Calls, items and requests as text for a page: pretty or raw, with personal traits masked until somebody asks to see them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any, NamedTuple

from router.console.words import pretty
from router.event import decode_json
from router.personal_data.mask import masked

PERSONAL = frozenset({"traits", "properties"})
"""Keys of a call whose values may be personal, also those of its context."""


class Shown(NamedTuple):
    """How bodies are shown on a page."""

    mask: str  #: as `[console] mask`; "none" once somebody asked to see all
    is_raw: bool = False

    def call(self, value: Any) -> str:
        """A call, or something that holds one."""
        hidden = hide_values(value, PERSONAL) if self.mask == "all" else value
        return masked(self._text(hidden), "emails" if self.mask == "all" else self.mask)

    def made(self, value: Any) -> str:
        """What a plugin made: any of its values may be personal."""
        hidden = hide_values(value) if self.mask == "all" else value
        return masked(self._text(hidden), "emails" if self.mask == "all" else self.mask)

    def words(self, text: str) -> str:
        """What somebody else said of an event."""
        return masked(text, self.mask) if text else ""

    def raw_text(self, text: str) -> str:
        """A body as it is, where it is no JSON as JSON is."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):  # a vendor may answer anything
            return masked(text, self.mask)
        return self.made(value) if self.mask == "all" or not self.is_raw else masked(text, self.mask)

    def request(self, shown: Mapping[str, Any]) -> dict[str, Any]:
        """A request as a dry run or a trial gives it, with its body as text."""
        if "body" not in shown:
            return {key: self.made(value) for key, value in shown.items()}
        return {**shown, "url": masked(shown["url"], self.mask), "body": self.raw_text(shown["body"])}

    def _text(self, value: Any) -> str:
        return json.dumps(value, ensure_ascii=False) if self.is_raw else pretty(value)


def as_received(body: bytes) -> Any:
    """The call in a stored body, as it came."""
    return decode_json(body.partition(b"\n")[2])


def as_stored(body: bytes) -> Any:
    """The same with what is stored beside it."""
    return {"envelope": decode_json(body.partition(b"\n")[0]), "call": as_received(body)}


def hide_values(value: Any, under: frozenset[str] | None = None) -> Any:
    """The same with dots in place of each text and number: everywhere, or under these keys only."""
    if isinstance(value, Mapping):
        return {
            key: hide_values(inner, None if under is None or key in under else under) for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [hide_values(inner, under) for inner in value]
    return value if under is not None or value is None or isinstance(value, bool) else "••••"


def as_curl(request: Mapping[str, Any]) -> str:
    """A request as a line for a shell. What is masked in it stays masked."""
    words = ["curl", "--request", request["method"], request["url"]]
    for name, value in request["headers"].items():
        words += ["--header", f"{name}: {value}"]
    if request["body"]:
        words += ["--data-raw", request["body"]]
    return " ".join(map(shlex.quote, words))
