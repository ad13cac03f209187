"""What is sent: requests of 0.85 KB events with random message ids, made from pieces that are ready.

Message ids must be random: ids with a rising prefix make any index of them look far cheaper than it is.
"""

from __future__ import annotations

import base64
import gzip
import random
from collections.abc import Callable, Iterator

import msgspec

SOURCE, WRITE_KEY = "bench", "bench_key"
BATCH = 100
DUPLICATE_EVERY = 20
USERS = 10_000

#: what a browser library adds to each call, about the size that is usual
_CONTEXT = {
    "library": {"name": "analytics.js", "version": "4.1.0"},
    "page": {
        "url": "https://www.example.com/reports/weekly?tab=usage",
        "path": "/reports/weekly",
        "title": "Weekly report",
    },
    "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
    "locale": "en-US",
    "timezone": "Europe/Berlin",
}
_PROPERTIES = {
    "module": "Reports",
    "rows": 1250,
    "format": "xlsx",
    "duration_ms": 318,
    "plan": "business",
    "note": "x" * 250,
}
_ID, _USER = "<<message-id>>", "<<user>>"


class Workload(msgspec.Struct, frozen=True):
    """What one run sends. `users`: first and one past the last number of the users it speaks of."""

    kind: str = "single"  #: single, batch, gzip, or groups: one group call for each user, in batches
    seed: int = 1
    users: tuple[int, int] = (0, USERS)
    most: int = 0  #: how many requests there are; 0: as many as there is time for
    duplicates: bool = False  #: in a batch every twentieth event repeats the id of the one before

    @property
    def events(self) -> int:
        """How many events a request carries."""
        return 1 if self.kind == "single" else BATCH

    @property
    def repeated(self) -> int:
        """How many of these repeat a message id."""
        return BATCH // DUPLICATE_EVERY if self.duplicates and self.kind in ("batch", "gzip") else 0

    @property
    def requests(self) -> int | None:
        """How many requests there are; None: as many as there is time for."""
        return (self.users[1] - self.users[0]) // BATCH if self.kind == "groups" else self.most or None


def user_id(number: int) -> str:
    """The userId of a number, always of the same length."""
    return f"user-{number:07d}"


def random_id(source: random.Random) -> str:
    """A version 4 UUID from this source of chance."""
    h = source.randbytes(16).hex()
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-a{h[17:20]}-{h[20:]}"


def request_maker(workload: Workload) -> Callable[[], bytes]:
    """A function that makes the next request, headers and all."""
    chance = random.Random(workload.seed)
    if workload.kind == "single":
        return _singles(workload, chance)
    if workload.kind == "groups":
        groups = _group_calls(workload, chance)
        return lambda: _post("/v1/batch", _batch([next(groups) for _ in range(BATCH)]))
    return _batches(workload, chance)


def track_call(message_id: str, user: str) -> bytes:
    """One event, 0.85 KB of JSON."""
    call = {
        "messageId": message_id, "type": "track", "userId": user, "event": "Report Exported",
        "timestamp": "2026-01-02T03:04:05.678Z", "properties": _PROPERTIES, "context": _CONTEXT,
    }  # fmt: skip
    return msgspec.json.encode(call)


def _singles(workload: Workload, chance: random.Random) -> Callable[[], bytes]:
    before, between, after = _pieces()
    length = len(before) + 36 + len(between) + len(user_id(0)) + len(after)
    head = _head("/v1/track", length)

    def make() -> bytes:
        user = user_id(chance.randrange(*workload.users)).encode()
        return b"".join((head, before, random_id(chance).encode(), between, user, after))

    return make


def _batches(workload: Workload, chance: random.Random) -> Callable[[], bytes]:
    before, between, after = _pieces()

    def make() -> bytes:
        ids = [random_id(chance) for _ in range(BATCH)]
        if workload.duplicates:
            for i in range(1, BATCH, DUPLICATE_EVERY):
                ids[i] = ids[i - 1]
        users = [user_id(chance.randrange(*workload.users)) for _ in ids]
        calls = [b"".join((before, i.encode(), between, u.encode(), after)) for i, u in zip(ids, users, strict=True)]
        body = _batch(calls)
        return (
            _post("/v1/batch", gzip.compress(body, 1, mtime=0), gzipped=True)
            if workload.kind == "gzip"
            else _post("/v1/batch", body)
        )

    return make


def _group_calls(workload: Workload, chance: random.Random) -> Iterator[bytes]:
    for number in range(*workload.users):
        group = number % 50
        yield msgspec.json.encode(
            {
                "messageId": random_id(chance), "type": "group", "userId": user_id(number), "groupId": f"group-{group}",
                "traits": {"name": f"Company {group}"},
            }
        )  # fmt: skip


def _pieces() -> tuple[bytes, bytes, bytes]:
    before, _, rest = track_call(_ID, _USER).partition(_ID.encode())
    between, _, after = rest.partition(_USER.encode())
    return before, between, after


def _batch(calls: list[bytes]) -> bytes:
    return b'{"batch":[' + b",".join(calls) + b'],"sentAt":"2026-01-02T03:04:05.700Z"}'


def _post(path: str, body: bytes, *, gzipped: bool = False) -> bytes:
    return _head(path, len(body), gzipped=gzipped) + body


def _head(path: str, length: int, *, gzipped: bool = False) -> bytes:
    credentials = base64.b64encode(f"{WRITE_KEY}:".encode()).decode()
    lines = [
        f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json",
        f"Authorization: Basic {credentials}", f"Content-Length: {length}", *(["Content-Encoding: gzip"] if gzipped else []),
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode()
