"""Violations of tracking plans: counted in the transaction that accepts their calls, and kept for `violations`. Bounded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from router.event import Call
from router.store import violation_kinds
from router.store.postgres.database import Connection
from router.store.postgres.rows_written import words
from router.store.violation_kinds import KEPT_IDS, PAGE, Met, kind_told, met_in

PUT = (
    "INSERT INTO violation AS v SELECT 0, a.source, a.event, a.type, a.field, a.description, a.n, a.first, a.last, "
    " ARRAY(SELECT jsonb_array_elements_text(a.ids::jsonb))"
    " FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[])"
    " AS a (source, event, type, field, description, n, first, last, ids) ON CONFLICT (part, source, event, type, field) DO UPDATE SET"
    " description = excluded.description, n = v.n + excluded.n, last = excluded.last,"
    f" ids = (v.ids || excluded.ids)[greatest(1, cardinality(v.ids || excluded.ids) - {KEPT_IDS - 1}):] RETURNING v.xmax = 0"
)
OLDEST = (
    "DELETE FROM violation WHERE ctid = ANY(ARRAY(SELECT ctid FROM violation WHERE part = 0 ORDER BY last LIMIT greatest(0,"
    " (SELECT count(*) FROM violation WHERE part = 0) - $1)))"
)


async def add(connection: Connection, calls: Iterable[tuple[Call, int]]) -> None:
    """Count what the plans say of these calls, each with its position. The head row is held, so that nobody else counts meanwhile."""
    if met := met_in(calls):
        await _write(connection, {tuple(map(words, kind)): one for kind, one in met.items()})


async def _write(connection: Connection, met: Mapping[tuple[str, ...], Met]) -> None:
    kinds = [list(column) for column in zip(*met, strict=True)]
    found = list(met.values())
    ids = [msgspec.json.encode(one.ids).decode() for one in found]
    numbers = ([one.n for one in found], [one.first for one in found], [one.last for one in found])
    are_new = await connection.fetch(PUT, *kinds, [words(one.description) for one in found], *numbers, ids)
    if any(row[0] for row in are_new):
        await connection.execute(OLDEST, violation_kinds.KEPT)


async def forget_ids(connection: Connection, ids: Collection[str]) -> None:
    """Take these message ids out: their events were erased. What was counted stays. Inside a transaction; the head row is held from here on."""
    if ids:
        await connection.execute("SELECT 1 FROM head WHERE part = 0 FOR UPDATE")
        left = (
            "ARRAY(SELECT id FROM unnest(ids) WITH ORDINALITY AS one (id, n) WHERE NOT id = ANY($1::text[]) ORDER BY n)"
        )
        await connection.execute(f"UPDATE violation SET ids = {left} WHERE part = 0 AND ids && $1::text[]", list(ids))


async def violations(connection: Connection, source: str | None, event: str | None, since_ms: int) -> dict[str, Any]:
    """The kinds of violations that were met since an instant, the most frequent first, and how many more there are."""
    rows = await connection.fetch(
        "SELECT source, event, type, field, description, n, first, last, ids, count(*) OVER () FROM violation WHERE part = 0"
        f" AND last >= $1 AND ($2::text IS NULL OR source = $2) AND ($3::text IS NULL OR event = $3) ORDER BY n DESC, last DESC LIMIT {PAGE}",
        since_ms, source, event,
    )  # fmt: skip
    items = [kind_told(tuple(row)[:4], *tuple(row)[4:9]) for row in rows]
    return {"items": items, "left_out": rows[0][-1] - len(rows) if rows else 0}
