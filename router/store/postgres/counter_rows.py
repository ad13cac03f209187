"""What was counted by minute and by hour: a ring of rows, one for each source or destination in each bucket, which never grows beyond what
is configured. Minutes are kept for 48 hours, hours for 90 days."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from router.counts import Counted, Counts
from router.store.postgres.database import Connection
from router.store.rows import COUNTED_SPANS

ROWS = "unnest($1::int[], $2::text[], $3::text[], $4::bigint[]) AS a (span, kind, name, at)"
MAKE = f"INSERT INTO counted SELECT 0, a.span, a.kind, a.name, a.at, '{{}}' FROM {ROWS} ON CONFLICT DO NOTHING"
LOCK = (
    f"SELECT c.span, c.kind, c.name, c.at, c.counts FROM {ROWS} JOIN counted c ON c.part = 0 AND c.span = a.span AND c.kind = a.kind"
    " AND c.name = a.name AND c.at = a.at ORDER BY c.span, c.kind, c.name FOR UPDATE OF c"
)
CHANGE = (
    "UPDATE counted c SET counts = a.counts FROM unnest($1::int[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])"
    " AS a (span, kind, name, at, counts) WHERE c.part = 0 AND c.span = a.span AND c.kind = a.kind AND c.name = a.name AND c.at = a.at"
)

_decode = msgspec.json.Decoder(Counts).decode


async def add(connection: Connection, at_ms: int, counted: Mapping[Counted, Counts], now_ms: int) -> None:
    """Add to the buckets of this instant, and let go of what is too old. Every node takes the rows in one order."""
    keys = sorted((span_s, *whom, at_ms - at_ms % (1000 * span_s)) for span_s in COUNTED_SPANS for whom in counted)
    if keys:
        columns = [list(column) for column in zip(*keys, strict=True)]
        await connection.execute(MAKE, *columns)
        changed: list[bytes] = []
        rows = {tuple(row)[:4]: row[4] for row in await connection.fetch(LOCK, *columns)}
        for key in keys:
            counts = _decode(rows[key])
            counts.add(counted[Counted(key[1], key[2])])
            changed.append(msgspec.json.encode(counts))
        await connection.execute(CHANGE, *columns, changed)
    for span_s, kept_s in COUNTED_SPANS.items():
        await connection.execute(
            "DELETE FROM counted WHERE part = 0 AND span = $1 AND at < $2", span_s, now_ms - 1000 * kept_s
        )


async def buckets(
    connection: Connection, span_s: int, since_ms: int, kind: str | None, name: str | None
) -> list[tuple[int, Counted, Counts]]:
    """Buckets that begin at or after an instant, oldest first: (when, whose, counts). None: of all kinds, or names."""
    rows = await connection.fetch(
        "SELECT at, kind, name, counts FROM counted WHERE part = 0 AND span = $1 AND at >= $2 AND ($3::text IS NULL OR kind = $3)"
        " AND ($4::text IS NULL OR name = $4) ORDER BY at",
        span_s, since_ms, kind, name,
    )  # fmt: skip
    return [(at, Counted(kind, name), _decode(text)) for at, kind, name, text in rows]


async def drop(connection: Connection, destination: str) -> None:
    """Drop what was counted of a destination."""
    await connection.execute(
        "DELETE FROM counted WHERE part = 0 AND span = ANY($1::int[]) AND kind = 'destination' AND name = $2",
        list(COUNTED_SPANS),
        destination,
    )
