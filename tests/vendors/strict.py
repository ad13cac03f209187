"""What the strict vendors have in common: many callers beside each other, faults on demand, and words for every refusal.

    async with BrazeVendor() as vendor:
        settings = vendor.enrol("example-1", {"api_key": "K"})     # base_url now leads to the place of example-1
        vendor.faults["example-1"] = first(Reply(503))
        ...
        assert vendor.refusals["example-1"] == []
        assert [seen.url for seen in vendor.seen["example-1"]] == ["/users/track"]

A vendor judges by its contract alone and knows nothing of the plugins. What it refuses it answers as the vendor would, and
keeps the words.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeGuard

import msgspec
from aiohttp import web

from router.testing.vendor import FakeVendor, Received, Reply

Settings = Mapping[str, Any]
Fault = Callable[[int, "Seen"], Reply | None]
"""Called with the number of the caller's earlier requests and the new one; None: judge it by the contract."""


class Seen(NamedTuple):
    """One request of a caller."""

    method: str
    place: str  #: the setting whose address it was sent to
    url: str  #: path and query behind that address, byte for byte
    headers: Mapping[str, str]  #: names in lower case
    body: bytes
    at_s: float  #: on the monotonic clock

    def json(self) -> Any:
        """The body as JSON. Raises msgspec.DecodeError where it is not JSON."""
        return msgspec.json.decode(self.body)


class Judged(NamedTuple):
    """The vendor's answer, and what it found wrong."""

    reply: Reply
    words: tuple[str, ...] = ()


class Refused(Exception):
    """The whole request is refused with this answer; the words say why."""

    def __init__(self, words: str, reply: Reply) -> None:
        super().__init__(words)
        self.reply = reply


@dataclass(frozen=True)
class Noise(Reply):
    """Bytes that are no HTTP, then the end of the connection."""

    body: bytes = b"\x16\x03\xff\x00 no HTTP at all\r\n\r\n"


class StrictVendor(FakeVendor):
    """The server, while its context is open. The first two steps of a path name the caller and the setting."""

    places: ClassVar[tuple[str, ...]] = ("base_url",)  #: the settings that hold an address of this vendor

    def __init__(self) -> None:
        super().__init__()
        self.answer = self._answer
        self.callers: dict[str, Settings] = {}
        self.faults: dict[str, Fault] = {}
        self.seen: defaultdict[str, list[Seen]] = defaultdict(list)  #: by caller, in the order of arrival
        self.refusals: defaultdict[str, list[str]] = defaultdict(list)  #: by caller

    def judge(self, seen: Seen, settings: Settings) -> Judged:
        """The answer to one request of a caller with these settings. Raises Refused."""
        raise NotImplementedError

    def read(self, seen: Seen, settings: Settings) -> Judged:
        """The same, a refusal of the whole request being an answer too. Needs no server."""
        try:
            return self.judge(seen, settings)
        except Refused as refused:
            return Judged(refused.reply, (str(refused),))

    def enrol(self, caller: str, settings: Settings) -> dict[str, Any]:
        """Let a caller in; returns its settings with this server's addresses (a slash at the end stays)."""
        self.callers[caller] = settings
        ends = {place: "/" if str(settings.get(place, "")).endswith("/") else "" for place in self.places}
        return {**settings, **{place: f"{self.url}/{caller}/{place}{end}" for place, end in ends.items()}}

    def _answer(self, received: Received) -> Reply:
        caller, _, rest = received.url.removeprefix("/").partition("/")
        place, slash, path = rest.partition("/")
        seen = Seen(received.method, place, slash + path, received.headers, received.body, time.monotonic())
        earlier = len(self.seen[caller])
        self.seen[caller].append(seen)
        fault = self.faults.get(caller)
        reply = fault(earlier, seen) if fault else None
        if reply is not None:
            return reply
        known = caller in self.callers
        judged = (
            self.read(seen, self.callers[caller]) if known else Judged(Reply(404), ("nobody of this name was let in",))
        )
        self.refusals[caller] += judged.words
        return judged.reply

    async def _respond(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        if isinstance(reply, Noise) and request.transport is not None:
            request.transport.write(reply.body)
            request.transport.close()
        return await super()._respond(request, reply)


# ---------------------------------------------------------------- faults


def first(*replies: Reply) -> Fault:
    """These answers first, one a request."""
    return lambda earlier, seen: replies[earlier] if earlier < len(replies) else None


def poisoned(word: str, reply: Reply) -> Fault:
    """This answer to every request that holds the word."""
    return lambda earlier, seen: reply if word.encode() in seen.body else None


# ---------------------------------------------------------------- what contracts have in common

ISO_INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})", re.ASCII)
STEP = r"(?:[A-Za-z0-9\-._~]|%[0-9A-F]{2})+"
"""One step of a path, or one value of a query, with everything encoded that has to be."""


def is_text(value: object, longest: int | None = None) -> bool:
    """Whether it is text that is not blank, and no longer than that."""
    return isinstance(value, str) and bool(value.strip()) and (longest is None or len(value) <= longest)


def is_number(value: object) -> bool:
    """Whether it is a JSON number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether it is a whole JSON number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_instant(value: object) -> bool:
    """Whether it is an ISO 8601 instant with its zone."""
    return isinstance(value, str) and ISO_INSTANT.fullmatch(value) is not None
