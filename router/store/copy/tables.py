"""What is copied: every table that both stores have, with the columns that both have. What only one of them has follows from these, or
begins anew.

A test compares this with both schemas, so a table or a column that is added to one of them is missed here at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Table(NamedTuple):
    """Rows that are copied as they are. `key`: what tells them apart; they are read in this order."""

    name: str
    key: tuple[str, ...]
    rest: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them, in the order in which a row has them."""
        return self.key + self.rest

    def place(self, column: str) -> int:
        """Where a row has this column."""
        return self.columns.index(column)


def _table(name: str, key: str, rest: str = "") -> Table:
    return Table(name, tuple(key.split()), tuple(rest.split()))


REGULATION = _table("regulation", "id", "created_at job")
UNIT = _table(
    "unit",
    "destination shard",
    "epoch step clock start pos ahead delivered skipped filtered held retrying dead dry_run replayed parked_bytes letters letter_bytes"
    " mode gate state state_reason state_since state_until state_detail stopped_ms floors again_skipped again_filtered again_held"
    " again_retrying again_queued again_dead",
)
KEPT = _table("kept", "pos", "hash received_at source type user_key message_id body")
DISCARD = _table("discard", "id", "at source code message message_id type excerpt")
VIOLATION = _table("violation", "source event type field", "description n first last ids")
PERSON = _table("person", "user_key", "traits")
COMPANY = _table("company", "group_id", "traits since")
REPLAY = _table("replay", "destination shard", "job state kind pos")
OPENING = _table("opening", "destination shard need", "last_key")
RECEIPT = _table("receipt", "destination to_pos from_pos shard at", "codes tried")
ATTEMPT = _table("attempt", "", "destination pos at duration_ms status error reason request")
MEMBER = _table("member", "regulation user_key")
SUPPRESSED = _table("suppressed", "hash owner", "at")
CODE = _table("code", "code", "state reason")

TABLES = (
    REGULATION,
    UNIT,
    KEPT,
    _table("source", "name"),
    DISCARD,
    _table("discard_count", "source code", "n"),
    VIOLATION,
    PERSON,
    COMPANY,
    _table("membership", "user_key pos", "group_id call_pos"),
    _table("link", "anonymous_key pos", "user_key"),
    _table("consent", "user_key", "categories denied_at"),
    _table(
        "lane",
        "destination user_key",
        "mode need reason group_id due_at attempts held main held_since first_held also refused_pos",
    ),
    _table(
        "parked",
        "destination pos",
        "user_key queue place state reason parked_at linked given items made_by attempts first_at origin",
    ),
    _table("dead", "destination pos", "at user_key reason detail linked items made_by attempts size again"),
    _table("woken", "destination pos", "received_at source type message_id body"),
    REPLAY,
    _table("disabled", "destination began", "ended"),
    _table("supply", "destination pos", "user_key group_id missing"),
    OPENING,
    RECEIPT,
    CODE,
    _table("outcome", "destination pos", "at code tried"),
    ATTEMPT,
    _table("state", "destination key", "value"),
    _table("timer", "destination key", "due_at user_key"),
    _table("counted", "span kind name at", "counts"),
    MEMBER,
    SUPPRESSED,
)
"""In this order, behind the log. The people who are being forgotten come first: they say where blocks of the log end."""

WITHOUT_PART = frozenset({"source", "code", "discard", "discard_count"})
"""Of these, the tables of the database that have no column `part`. The file has it in `discard` and `discard_count`."""

OF_THE_FILE: Mapping[str, str] = {
    "meta": "hash_key people_key made_at notices; members of regulations are rows of `member`, and kept events are swept anew",
    "head": "part pos duplicates discarded clock merged",
    "log": "part pos received_at source type user_key message_id body",
    "seen": "part hash pos: made from the log, and from the hashes of erased events; the next three as well",
    "seen_run": "part run upto at",
    "seen_piece": "part id ids",
    "seen_filter": "part generation run words",
}
"""Tables that the file alone has, or has in another form."""

OF_THE_DATABASE: Mapping[str, str] = {
    "version": "only_row schema usable_from level: of a new database",
    "meta": "key value: hash_key people_key made_at notices",
    "head": "part pos duplicates discarded clock generation people: generations and demands are counted anew",
    "block": "part first n id floor at dup folded data: the log",
    **{f"seen_{n}": "hash block at: made from the log, all in the first generation" for n in range(8)},
    "generation": "g opened_at closed_at: the first one begins with the copy",
    "trim": "part pos: where the log begins",
    "erased": "part hash pos: what `seen` of the file has of erased events",
    "wanted": "part destination until: each node says it again when it starts",
    "configured": "part destination number hash node at: the node that starts first says what is in force",
    "duty": "name owner epoch expires: nobody has one",
    "command": "all: a source whose commands are not done is refused",
    "node": "all: no node uses the database",
}
"""Tables that the database alone has, or has in another form."""

MADE_BY_THE_FILE: Mapping[str, tuple[str, ...]] = {"attempt": ("upto",)}
COMPUTED_FOR_THE_DATABASE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("lane", "parked", "dead", "supply", "timer"), ("slot",)),
    "person": ("email",),
    "company": ("name",),
    "regulation": ("is_done", "owner"),
}
BEGUN_BY_THE_DATABASE: Mapping[str, tuple[str, ...]] = {
    "attempt": ("id",),
    "unit": ("owner", "node", "owner_name", "taken_at", "expires"),
}
"""Columns beside `part` that follow from the copied ones, or begin with their defaults."""

ONE_SHARD = frozenset({"replay", "opening", "receipt"})
"""Tables in which the file has no column `shard`: there it is 0."""
