"""What ruins a database slowly: a snapshot that is kept open, a replication slot that nobody reads, rows that are dead and not removed."""

from __future__ import annotations

from router.store.postgres.database import Connection
from router.store.rows import Upkeep

SNAPSHOT = (
    "SELECT max(extract(epoch FROM clock_timestamp() - since)) FROM ("
    "SELECT xact_start AS since FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()"
    " UNION ALL SELECT prepared FROM pg_prepared_xacts) kept"
)
"""Of other users only who has pg_monitor sees it."""
SLOTS = "SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)) FROM pg_replication_slots"
DEAD = "SELECT max(n_dead_tup) FROM pg_stat_user_tables WHERE relid IN (to_regclass('head'), to_regclass('unit'))"
"""Of the tables that are updated with every group and every commit."""


async def upkeep(connection: Connection) -> Upkeep:
    """As of now."""
    row = await connection.fetchrow(f"SELECT ({SNAPSHOT}), ({SLOTS}), ({DEAD})")
    snapshot_s, slot_bytes, dead_rows = (value or 0 for value in row)
    return Upkeep(float(snapshot_s), int(slot_bytes), int(dead_rows))
