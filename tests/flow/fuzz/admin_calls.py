"""The admin API with odd paths, queries and bodies. Commands that would harm what the honest client waits for are left out."""

from __future__ import annotations

from random import Random
from urllib.parse import quote

from tests.flow.fuzz.fuzzed_daemon import HONEST, NOISY
from tests.flow.fuzz.odd_values import ODD_TEXTS, encoded, odd_value, spoiled, spoiled_bytes
from tests.flow.fuzz.wire import Tally, Target, post, talk

LOOKS = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/api/troubles",
    "/api/ledger",
    "/api/discards",
    "/api/sources",
    "/api/destinations",
)
INSTANTS = (
    "36h",
    "7d",
    "0s",
    "-1s",
    "1e9d",
    "99999999999d",
    "2026-01-31T10:00:00Z",
    "0001-01-01T00:00:00+23:00",
    "9999-12-31T23:59:59Z",
    "now",
    "",
)
BODIES = {
    "replay": {"dead": True, "reason": "plugin_error", "since": "1h", "until": "0s", "message_id": "x", "source": "website", "count_only": True},
    "release": {"user": "noise-1", "group": {"id": "g", "name": "G"}, "drop": True},
    "dead/drop": {"reason": "rejected", "since": "1h", "until": "1s", "message_id": "x"},
    "pause": {},
    "resume": {},
    "nothing": {"a": 1},
}  # fmt: skip


async def send_admin(random: Random, target: Target, tally: Tally) -> None:
    """One request."""
    kind, request = make(random)
    tally.tried[f"admin: {kind}"] += 1
    await talk(target.admin_port, [request], tally, read_s=5.0)


def make(random: Random) -> tuple[str, bytes]:
    """The kind, and the request."""
    match random.randrange(6):
        case 0:
            return "look", get(random.choice(LOOKS) + odd_query(random))
        case 1:
            return "message", get(f"/api/messages/{odd_name(random)}{odd_query(random)}")
        case 2:
            path = f"/api/destinations/{name(random)}/{random.choice(('held', 'dead', 'replay', 'nothing'))}"
            return "destination", get(path + odd_query(random))
        case 3:
            return "unknown destination", command(random, odd_name(random))
        case 4:
            head = get(f"/api/destinations/{random.choice((*NOISY, 'gone'))}/replay").replace(b"GET", b"DELETE", 1)
            return "replay stopped", head
        case _:
            return "command", command(random, random.choice(NOISY))


def name(random: Random) -> str:
    """A destination, perhaps one that is not there."""
    return random.choice((*NOISY, *HONEST, odd_name(random)))


def odd_name(random: Random) -> str:
    """Any text, quoted for a path."""
    return quote(random.choice((*ODD_TEXTS, "noise-1", "all"))[:2_000], safe="", errors="surrogatepass") or "x"


def odd_query(random: Random) -> str:
    """A query of the parameters there are, with values that fit or not."""
    if random.random() < 0.3:
        return ""
    keys = ("reason", "since", "until", "after", "user", "source", "x")
    texts = (*ODD_TEXTS, *INSTANTS, "0", "1", "-1", str(2**63), str(2**70), "user:noise-1", "anonymous:", "1,2", "zz")
    pairs = [
        f"{random.choice(keys)}={quote(random.choice(texts)[:2_000], errors='surrogatepass')}"
        for _ in range(random.randint(1, 3))
    ]
    return "?" + "&".join(pairs)


def command(random: Random, destination: str) -> bytes:
    """A POST with a body that is nearly right."""
    verb = random.choice(list(BODIES))
    body = {key: value for key, value in BODIES[verb].items() if random.random() < 0.4}  # type: ignore[attr-defined]
    for key in ("since", "until"):
        if key in body and random.random() < 0.7:
            body[key] = random.choice(INSTANTS)
    drawn = random.random()
    data = encoded(spoiled(random, body) if drawn < 0.5 else odd_value(random) if drawn < 0.6 else body, random)
    if drawn > 0.9:
        data = spoiled_bytes(random, data)
    request = post(f"/api/destinations/{destination}/{verb}", data)
    return request if random.random() < 0.95 else request.replace(b"application/json", b"text/plain")


def get(path: str) -> bytes:
    """A GET."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
