"""Compressed bodies: cut, doubled, spoiled, far too large, of the wrong kind."""

from __future__ import annotations

import gzip
import zlib
from random import Random

from tests.flow.fuzz.json_bodies import make
from tests.flow.fuzz.wire import Tally, Target, in_pieces, post, talk

ENCODINGS = (
    "gzip",
    "GZIP",
    "deflate",
    "x-gzip",
    "br",
    "zstd",
    "identity",
    "gzip, gzip",
    "gzip;q=1",
    "",
    "\x00",
    "deflate, gzip",
)
BOMBS = {
    "bomb of blanks": gzip.compress(b" " * 8_000_000 + b"{}"),
    "bomb of items": gzip.compress(b'{"batch":[' + b"{}," * 190_000 + b"{}]}"),
    "bomb in a bomb": gzip.compress(gzip.compress(b"\x00" * 20_000_000)),
    "bomb of depth": gzip.compress(b"[" * 4_000_000),
    "bomb of members": gzip.compress(b"") * 20_000,
}


async def send_gzip(random: Random, target: Target, tally: Tally) -> None:
    """One compressed body."""
    _, path, body = make(random)
    kind, packed = pack(random, body)
    encoding = "gzip" if random.random() < 0.8 else random.choice(ENCODINGS)
    tally.tried[f"gzip: {kind}"] += 1
    request = post(path, packed, f"Content-Encoding: {encoding}")
    pieces = in_pieces(random, request) if random.random() < 0.2 else [request]
    await talk(target.port, pieces, tally, gap_s=random.choice((0.0, 0.0, 0.02)))


def pack(random: Random, body: bytes) -> tuple[str, bytes]:
    """The body compressed, or something that says it is."""
    packed = gzip.compress(body, random.choice((0, 1, 9)))
    at = random.randrange(len(packed))
    drawn = random.random()
    if drawn < 0.03:
        name = random.choice(list(BOMBS))
        return name, BOMBS[name]
    match random.randrange(8):
        case 0:
            return "cut", packed[:at]
        case 1:
            half = len(body) // 2
            return "several members", gzip.compress(body[:half]) + gzip.compress(b"") + gzip.compress(body[half:])
        case 2:
            return "rubbish behind", packed + random.randbytes(random.randrange(1, 50))
        case 3:
            return "spoiled", packed[:at] + bytes([random.randrange(256)]) + packed[at + 1 :]
        case 4:
            return "zlib", zlib.compress(body)
        case 5:
            return "bare deflate", zlib.compress(body)[2:-4]
        case 6:
            return "not compressed", body
        case _:
            return "good", packed
