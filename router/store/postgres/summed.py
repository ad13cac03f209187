"""The units of a destination as one: what its shards have counted, added up."""

from __future__ import annotations

ADDED = (
    "delivered", "skipped", "filtered", "held", "retrying", "dead", "dry_run", "replayed", "parked_bytes", "letters", "letter_bytes",
    "again_skipped", "again_filtered", "again_held", "again_retrying", "again_queued", "again_dead",
)  # fmt: skip
OF_STATE = ("state", "state_reason", "state_since", "state_until", "state_detail")

_added = ", ".join(f"sum({name})::bigint AS {name}" for name in ADDED)
_state = ", ".join(f"(array_agg({name} ORDER BY state = 'running', shard))[1] AS {name}" for name in OF_STATE)
SUMMED = f"(SELECT part, destination, min(start) AS start, min(pos) AS pos, {_added}, {_state} FROM unit WHERE part = 0 GROUP BY part, destination)"
"""One row for each destination. Its state is that of a shard that does not run, if there is one; its cursor that of the slowest shard."""
LEFT = (
    "u.held + u.again_held AS held, u.retrying + u.again_retrying AS retrying,"
    " h.pos - u.start - u.delivered - u.skipped - u.filtered - u.held - u.retrying - u.dead + u.again_queued AS queued"
)
"""With the unit as `u` and the head as `h`: what waits, second sendings too. Queued is what is left of the accepted events."""
