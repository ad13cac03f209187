"""JSON values that few programs expect, good calls, and how to spoil both: as values first, then as bytes."""

from __future__ import annotations

import json
from itertools import count
from random import Random
from typing import Any

TYPES = ("track", "identify", "group", "page", "screen", "alias")
ODD_TEXTS = (
    "", " ", "\x00", "\ud800", "\udfff\ud800", "a\u0000b", "\ufeff", "\u202e", "🙂" * 40, "x" * 600, "x" * 20_000, "null", "NaN", "-0",
    "1e400", "../../etc/passwd", "%00", "{{user}}", "__proto__", "true", "2026-13-45T99:99:99Z", "1970-01-01", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00", "24:00:00", "1795010112345", "user:u1", "anonymous:", "group:g", "é\u0301", "a\r\nb: c", "\u2028",
)  # fmt: skip
ODD_NUMBERS = (
    0, -1, -0.0, 2**31, 2**53, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, 5e-324, 1.5, 253402300800, 253402300800000, 1e20,
    float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
KEYS = (
    "userId", "anonymousId", "groupId", "previousId", "messageId", "type", "event", "name", "category", "properties", "traits",
    "context", "integrations", "timestamp", "sentAt", "originalTimestamp", "receivedAt", "writeKey", "channel", "version", "batch",
    "options", "email", "products", "revenue", "",
)  # fmt: skip
INSTANTS = ("timestamp", "sentAt", "originalTimestamp", "receivedAt")
_numbers = count(1)


def odd_value(random: Random, depth: int = 0) -> Any:
    """Anything, some levels deep."""
    kind = random.randrange(9 if depth < 4 else 5)
    if kind < 2:
        return random.choice(ODD_TEXTS)
    if kind < 4:
        return random.choice(ODD_NUMBERS)
    if kind == 4:
        return random.choice((None, True, False, [], {}))
    if kind == 5:
        return [odd_value(random, depth + 1) for _ in range(random.randrange(5))]
    if kind == 6:
        return nested(random.choice((10, 127, 128, 129, 400)), random.random() < 0.5)
    return {random.choice(KEYS + ODD_TEXTS): odd_value(random, depth + 1) for _ in range(random.randrange(5))}


def nested(levels: int, lists: bool) -> Any:
    """A value in so many lists or objects."""
    value: Any = 1
    for _ in range(levels):
        value = [value] if lists else {"a": value}
    return value


def good_call(random: Random, type: str = "") -> dict[str, Any]:
    """A call that can be used, of one of some hundred users. None of them is one of the honest client's."""
    type, user = type or random.choice(TYPES), f"noise-{random.randrange(300)}"
    call: dict[str, Any] = {
        "type": type,
        "userId": user,
        "messageId": f"noise-{random.getrandbits(32):x}-{next(_numbers)}",
    }
    if random.random() < 0.2:
        call["anonymousId"] = f"a-{random.randrange(300)}"
    if type == "group":
        call |= {"groupId": f"noise-group-{random.randrange(30)}", "traits": {"name": "Noise Inc", "employees": 3}}
    elif type == "alias":
        call["previousId"] = f"noise-{random.randrange(300)}"
    elif type == "identify":
        call["traits"] = {"email": f"{user}@noise.example", "name": "Noise", "createdAt": "2026-01-02T03:04:05Z"}
    else:
        name = random.choice(("Opened", "Order Completed", "Product Added"))
        products = [{"product_id": "p", "price": 1.5, "quantity": 2}]
        call |= {
            "event": name,
            "name": name,
            "properties": {"n": 1, "revenue": 12.5, "currency": "EUR", "products": products},
        }
    if random.random() < 0.3:
        call["context"] = {"groupId": f"noise-group-{random.randrange(40)}", "traits": {"plan": "x"}, "ip": "10.0.0.1"}
    if random.random() < 0.1:
        call["integrations"] = {"All": random.random() < 0.5, "braze": random.choice((True, False, {"alias": "x"}))}
    return call


def spoiled(random: Random, value: Any) -> Any:
    """The same value with one place in it changed: another type, gone, doubled or deeper."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        changed, key = dict(value), random.choice(list(value))
        act = random.randrange(6)
        if act == 0:
            del changed[key]
        elif act == 1:
            changed[random.choice(KEYS)] = odd_value(random)
        elif act == 2:
            changed[random.choice(INSTANTS)] = odd_value(random)
        else:
            changed[key] = spoiled(random, value[key])
        return changed
    if isinstance(value, list) and value and random.random() < 0.7:
        at = random.randrange(len(value))
        return [*value[:at], spoiled(random, value[at]), *value[at + random.randrange(2) :]]
    return odd_value(random)


def spoiled_bytes(random: Random, body: bytes) -> bytes:
    """Bytes of JSON, changed so that a parser has to look twice."""
    at = random.randrange(len(body) + 1)
    match random.randrange(12):
        case 0:
            return body[:at]
        case 1:
            return b"\xef\xbb\xbf" + body
        case 2:
            return body.replace(b"{", b'{"userId":"noise-twice","userId":7,"type":"page",', 1)
        case 3:
            return body[:at] + bytes([random.randrange(256)]) + body[at + 1 :]
        case 4:
            return body + random.choice((b"\x00", b"]", b"{}", b" \n\t", b"\xff\xfe", b"//x"))
        case 5:
            return body.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass")
        case 6:
            return body.replace(b'"', b"'")
        case 7:
            return body.replace(
                b":", b":" + random.choice((b"NaN,", b"-Infinity", b"1e99999", b"0x10", b"+1", b"9" * 5_000)), 1
            )
        case 8:
            return b'{"a":' * random.choice((50, 5_000)) + body
        case 9:
            return b"[" * random.choice((100, 30_000))
        case 10:
            return body[:at] + random.choice((b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\xc0\xaf")) + body[at:]
        case _:
            return random.randbytes(random.randrange(200))


def encoded(value: Any, random: Random) -> bytes:
    """The JSON of a value; texts that are no UTF-8 as escapes or as they are."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")
