"""Which events of a person wait at destinations."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from router.store.rows import PART
from router.store.sqlite.event_columns import key_list

# INDEXED BY, else SQLite may walk all rows of the destination backwards to save itself the sorting.
ROWS = (
    "SELECT iif(origin = 0, pos, origin) AS at_pos FROM parked INDEXED BY parked_in_order WHERE part = :part AND destination = :place"
    " AND user_key IN ({lanes}){moved} AND at_pos > :low AND at_pos < :at ORDER BY at_pos DESC LIMIT :most"
)
KEYS = "SELECT value FROM json_each(:keys)"
LINKED = f"SELECT user_key FROM link WHERE part = :part AND anonymous_key IN ({KEYS})"
OWN, MOVED = ROWS.format(lanes=KEYS, moved=""), ROWS.format(lanes=LINKED, moved=" AND linked <> ''")
"""In their own lanes; and what was held for an anonymousId, in the lane of whomever it was linked to."""


def waiting_of(
    db: sqlite3.Connection, keys: Sequence[str], destinations: Sequence[str], low: int, at: int, most: int
) -> list[int]:
    """Positions of what waits for these user keys behind `low` and in front of `at`, newest first, so many at most. What was held for
    somebody else's anonymousId may be among them. Reads as many rows as their lanes have."""
    values = {"part": PART, "keys": key_list(keys), "low": low, "at": at, "most": most}
    asks = [(sql, {**values, "place": place}) for place in destinations for sql in (OWN, MOVED)]
    return sorted({row[0] for ask in asks for row in db.execute(*ask)}, reverse=True)[:most]
