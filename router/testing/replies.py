"""What a fake vendor can answer: usual answers, and every way in which an answer can go wrong."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from router.plugin import JSON

__all__ = [
    "Answers", "Garbage", "Hang", "Received", "Redirect", "Reply", "Reset", "ShortBody", "Slow", "once_only",
    "per_item",
]  # fmt: skip


@dataclass(frozen=True)
class Received:
    """One request as it came over the wire."""

    method: str
    url: str  #: path and query, byte for byte; behind a `Bench` or an `open_sender`, the whole URL that the plugin asked for
    headers: Mapping[str, str]  #: names in lower case
    body: bytes

    def json(self) -> JSON:
        """The body as JSON. Raises msgspec.DecodeError where it is not JSON."""
        return msgspec.json.decode(self.body)


@dataclass(frozen=True)
class Reply:
    """An answer: this status (200 to 599) with `json`, or with `body` as it stands, after `delay_s`."""

    status: int = 200
    json: JSON = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.status, int) or not 200 <= self.status <= 599:
            raise ValueError(f"the status of an answer is {self.status!r}: want 200 to 599")

    def content(self) -> bytes:
        """The bytes of the body."""
        return self.body if self.json is None else msgspec.json.encode(self.json)

    def sent_headers(self) -> dict[str, str]:
        """The headers, names in lower case: JSON where they do not say otherwise."""
        return {"content-type": "application/json", **{name.lower(): value for name, value in self.headers.items()}}


Answers = Reply | Callable[[Received], Reply]
"""An answer, or a function that makes it for a request."""


@dataclass(frozen=True)
class Garbage(Reply):
    """An answer that says it is JSON, and is not."""

    body: bytes = b'{"created": tr\xff<html>'
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Hang(Reply):
    """No answer until `FakeVendor.release` is called or the client leaves; then the answer."""


@dataclass(frozen=True)
class Reset(Reply):
    """The connection is reset without an answer."""


@dataclass(frozen=True)
class ShortBody(Reply):
    """The connection ends in the middle of the announced body."""

    body: bytes = b'{"created": true}'


@dataclass(frozen=True)
class Slow(Reply):
    """The head comes at once, the body in pieces, each after `delay_s`."""

    body: bytes = b'{"created": true}'
    delay_s: float = 1.0
    pieces: int = 4

    def parts(self) -> list[bytes]:
        """The body in its pieces."""
        content = self.content()
        size = max(1, -(-len(content) // self.pieces))
        return [content[at : at + size] for at in range(0, len(content), size)]


@dataclass(frozen=True)
class Redirect(Reply):
    """Elsewhere. The router follows no redirect."""

    status: int = 302
    headers: Mapping[str, str] = field(default_factory=lambda: {"Location": "https://elsewhere.example.com/"})


def unpacked(headers: Mapping[str, str], body: bytes) -> bytes:
    """The body as a server hands it on: without its gzip or deflate, where the header says so and it is true."""
    coding = headers.get("content-encoding", "").lower()
    try:
        if coding in ("gzip", "deflate"):
            return zlib.decompress(body, zlib.MAX_WBITS | 32 if coding == "gzip" else zlib.MAX_WBITS)
    except zlib.error:
        pass
    return body


def answer_to(seen: Received, answers: Answers) -> Reply:
    """The answer to this request. Raises TypeError where a function gives none, and what the function raises."""
    if isinstance(answers, Reply):
        return answers
    answer: object = answers(seen)
    if not isinstance(answer, Reply):
        raise TypeError(f"the function that answers a request gave {answer!r}: want a Reply")
    return answer


def checked_answers(given: object) -> Answers:
    """What was given, if it can answer a request. Raises TypeError if it cannot."""
    if isinstance(given, type) or not (isinstance(given, Reply) or callable(given)):
        raise TypeError(f"{given!r} answers no request: want a Reply, or a function of a request")
    answers: Answers = given
    return answers


def per_item(
    items: Callable[[JSON], Iterable[JSON]], result: Callable[[JSON], JSON], *, key: str = "results", status: int = 207
) -> Answers:
    """A vendor that answers item by item: `{"results": [...]}`, one result for each item of the request.

    Args:
        items: the items in the body of a request.
        result: what is said of an item: `lambda item: {"ok": "email" in item}`.
    """
    return lambda seen: Reply(status, json={key: [result(item) for item in items(seen.json())]})


def once_only(key: Callable[[Received], Hashable], first: Reply | None = None, again: Reply | None = None) -> Answers:
    """A vendor that knows duplicates: `again` (409) for a request whose key it has had, else `first` (200)."""
    had: set[Hashable] = set()

    def answer(seen: Received) -> Reply:
        it = key(seen)
        if it in had:
            return again or Reply(409, json={"error": "duplicate"})
        had.add(it)
        return first or Reply(200, json={})

    return answer
