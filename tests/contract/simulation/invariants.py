"""What must hold in every committed state of a store, and what must hold at the end of a story."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from router.store.outcome_blocks import unpack_ahead
from tests.contract.simulation import inside
from tests.contract.simulation.vendor import UNMAPPED, Body, state_key_of, timer_of

STATES = ("delivered", "skipped", "filtered", "held", "retrying", "dead")
NAMES = (*STATES, "parked_bytes", "letters", "letter_bytes")


class Broken(AssertionError):
    """An invariant does not hold. `name`: which one."""

    def __init__(self, name: str, words: object) -> None:
        super().__init__(f"{name}: {words}")
        self.name = name


def hold(name: str, condition: bool, words: object = "") -> None:
    """Raise Broken unless it does."""
    if not condition:
        raise Broken(name, words)


class Accepted(msgspec.Struct):
    """An event as the log has it."""

    pos: int
    m: str
    type: str
    key: str
    fields: dict[str, Any]
    received_ms: int
    state: str = "before"  #: its fate; "before": the destination began later
    reason: str = ""
    early: bool = False  #: the destination began later; a replay may have given it a state since
    is_trimmed: bool = False  #: the log has it no more


class Kept:
    """What trimming took away: the events, and what had become of them."""

    def __init__(self) -> None:
        self.events: dict[int, Accepted] = {}
        self.fates: dict[tuple[str, int], tuple[str, str]] = {}

    def look(self, db: sqlite3.Connection, names: Sequence[str], before_ms: int) -> None:
        """What is older than this may go now. Called in the transaction that trims, before it does; what that stored itself is
        not looked at, as it may be taken back."""
        last = max(self.events, default=0)
        committed = "pos > ? AND pos <= (SELECT pos FROM head)"
        for event in _logged(db, committed, (last,)):
            self.events[event.pos] = event
        old = "SELECT pos FROM log WHERE received_at < ? AND pos <= (SELECT min(pos) FROM cursor)"
        positions = [pos for (pos,) in db.execute(old, (before_ms,))]
        late = db.execute("SELECT destination, pos, at FROM outcome WHERE at < ?", (before_ms,)).fetchall()
        for name, pos in [
            *((name, pos) for name in names for pos in positions),
            *((name, pos) for name, pos, _ in late),
        ]:
            fate = inside.fate(db, name, pos)
            if fate is not None and fate[0] in ("delivered", "skipped", "filtered", "dead"):
                self.fates[name, pos] = fate


def _logged(db: sqlite3.Connection, where: str, values: Sequence[Any]) -> list[Accepted]:
    """Events as the log has them, in order."""
    rows = db.execute(
        f"SELECT pos, message_id, type, user_key, body, received_at FROM log WHERE {where} ORDER BY pos", values
    )
    return [
        Accepted(pos, m, type_, key, json.loads(body.partition(b"\n")[2]), at) for pos, m, type_, key, body, at in rows
    ]


def rows_and_counters(db: sqlite3.Connection, name: str = "d") -> None:
    """Of any committed state: the seven add up, counters say what rows say, lanes are the image of the parked rows, and each
    row has its body."""
    row = db.execute(f"SELECT start, {', '.join(NAMES)} FROM cursor WHERE destination = ?", (name,)).fetchone()
    if row is None:
        return
    start, *values = row
    counted = dict(zip(NAMES, values, strict=True))
    head = db.execute("SELECT pos FROM head").fetchone()[0]
    queued = head - start - sum(counted[state] for state in STATES)
    hold("the seven add up", queued >= 0 and min(values) >= 0, (queued, counted))
    parked, letters = inside.parked_rows(db, name), inside.letter_sizes(db, name)
    without = [one.pos for one in parked if not one.has_body] + [pos for pos, (_, body) in letters.items() if not body]
    hold("each row has its body", not without, without)
    queues: dict[str, list[int]] = {}
    states: Counter[str] = Counter()
    for one in parked:
        queues.setdefault(one.user_key, [0, 0])[one.queue == "main"] += 1
        states[one.state] += one.pos > 0
    rows = {
        "held": states["held"],
        "retrying": states["retrying"],
        "parked_bytes": inside.parked_bytes(parked),
        "letters": len(letters),
        "letter_bytes": sum(size for size, _ in letters.values()),
    }
    told = {name: counted[name] for name in rows}
    hold("counters equal the rows", rows == told, f"rows {rows}, counters {told}")
    hold("queued covers the parked", states["queued"] <= queued, (states, queued))
    nothing_is_kept_for_nobody(db)
    lanes = {key: list(counts) for key, counts in inside.lanes(db, name).items()}
    hold("lanes are the image of parked rows", lanes == queues, f"lanes {lanes}, rows {queues}")


def nothing_is_kept_for_nobody(db: sqlite3.Connection) -> None:
    """What is kept beside the log is what rows refer to."""
    here = "(SELECT pos FROM parked UNION SELECT origin FROM parked UNION SELECT pos FROM dead)"
    kept = db.execute(f"SELECT pos FROM kept WHERE body IS NOT NULL AND pos NOT IN {here}").fetchall()
    hold("nothing is kept for nobody", not kept, kept)
    woken = db.execute(f"SELECT pos FROM woken WHERE pos NOT IN {here}").fetchall()
    hold("nothing is kept for nobody", not woken, woken)


def read_log(db: sqlite3.Connection, name: str = "d", kept: Kept | None = None) -> list[Accepted]:
    """All accepted events with their fates at a destination, in order; also those that were trimmed."""
    (start,) = db.execute("SELECT start FROM cursor WHERE destination = ?", (name,)).fetchone()
    events = _logged(db, "true", ())
    fates: dict[tuple[str, int], tuple[str, str]] = {}
    if kept is not None:
        there = {event.pos for event in events}
        gone = [msgspec.structs.replace(e, is_trimmed=True) for pos, e in kept.events.items() if pos not in there]
        events, fates = sorted([*gone, *events], key=lambda event: event.pos), kept.fates
    for event in events:
        event.early = event.pos <= start
        if fate := inside.fate(db, name, event.pos):
            event.state, event.reason = fate
        if (event.state, event.reason) in (("queued", "in_flight"), ("before", "")):
            event.state, event.reason = fates.get((name, event.pos), (event.state, event.reason))
    return events


def one_fate_each(db: sqlite3.Connection, events: Sequence[Accepted], name: str = "d") -> None:
    """The fates, counted one by one, are the ledger; nothing settled has a row, nothing that was passed is undecided."""
    here = "FROM cursor WHERE destination = ?"
    start, *values = db.execute(f"SELECT start, {', '.join(STATES)} {here}", (name,)).fetchone()
    fates = Counter(event.state for event in events if event.pos > start)
    ledger = dict(zip(STATES, values, strict=True))
    # What was filtered or dead may have been trimmed in the transaction that stored what its replay came to.
    settled_anew = {state: fates[state] - ledger[state] for state in ("filtered", "dead")}
    unknown = Counter(event.state for event in events if event.is_trimmed and event.pos > start)
    may_be = all(0 <= n <= unknown[state] for state, n in settled_anew.items())
    is_moved = may_be and sum(fates[s] for s in STATES) == sum(ledger.values())
    is_same = {s: fates[s] for s in STATES} == ledger
    hold("the ledger counts the fates", is_same or is_moved, f"fates {fates}, ledger {ledger}")
    held = [event.pos for event in events if event.state == "held" and event.pos > start]
    shown, told = inside.shown_as_held(db, name, held)
    hold("what was released is held nowhere", shown == told, f"why {shown}, ledger {told} of {len(held)}")
    second = inside.second_sendings(db, name)
    hold("second sendings are counted", all(told == rows for told, rows in second.values()), second)
    parked = {row.pos for row in inside.parked_rows(db, name)}
    both = parked & inside.letter_sizes(db, name).keys()
    hold("one state each", not both, f"parked and dead: {both}")
    ids = [event.m for event in events]
    hold("accepted once", len(ids) == len(set(ids)))
    pos, ahead = db.execute(f"SELECT pos, ahead {here}", (name,)).fetchone()
    passed = {*range(1, pos + 1), *unpack_ahead(pos, ahead)}
    lost = [e.m for e in events if e.pos in passed and e.state == "queued" and e.pos not in parked]
    hold("what was passed is settled or has a row", not lost, lost)


def nothing_lost(events: Iterable[Accepted], answered: Iterable[str], received: Sequence[Body]) -> None:
    """What was answered is in the log, what was delivered was received."""
    events = list(events)
    gone = set(answered) - {event.m for event in events}
    hold("200 means stored", not gone, gone)
    arrived = {body["m"] for body in received}
    missing = [e for e in events if e.state == "delivered" and e.reason != "dry_run" and e.m not in arrived]
    hold("delivered means received", not missing, missing)
    pairs = {(body["m"], body["part"]) for body in received if "part" in body}
    halves = [
        e.m
        for e in events
        if e.state == "delivered"
        and e.reason != "dry_run"
        and e.fields.get("properties", {}).get("odd") == "pair"
        and not {(e.m, 0), (e.m, 1)} <= pairs
    ]
    hold("delivered means all items received", not halves, halves)


def linked_keys(events: Iterable[Accepted]) -> set[str]:
    """Anonymous keys that were linked to a user: a part of their events went another way, with their user's."""
    linked = {f"a:{e.fields['anonymousId']}" for e in events if e.type == "identify" and "anonymousId" in e.fields}
    return linked | {f"a:{e.fields['previousId']}" for e in events if e.type == "alias"}


def order_kept(events: Sequence[Accepted], received: Sequence[Body], gated: bool, replayed: set[str]) -> None:
    """First receipts keep the order of acceptance per user key; only what needs no group may overtake what waits for one."""
    first: dict[str, int] = {}
    for place, body in enumerate(received):
        first.setdefault(body["m"], place)
    linked, last = linked_keys(events), dict[tuple[str, bool], tuple[int, str]]()
    for event in events:
        if event.m not in first or event.key in linked or event.m in replayed:
            continue
        place, waits = first[event.m], gated and event.type == "track"
        before = [last.get((event.key, False), (-1, ""))] + ([last.get((event.key, True), (-1, ""))] if waits else [])
        latest = max(before)
        hold("order per user", latest[0] < place, f"{event.key}: {event.m} arrived before {latest[1]}")
        last[event.key, waits] = max(last.get((event.key, waits), (-1, "")), (place, event.m))


def gates_kept(events: Sequence[Accepted], received: Sequence[Body], given: set[str], filtered: set[str]) -> None:
    """Each track went out for a group whose name was settled before, and which the user was known to belong to; or for one
    that an operator gave. What was settled without being sent may have been so at any time: it is believed. So is what was
    filtered once, and sent by a replay since."""
    by_id = {event.m: event for event in events}
    links = [(e.key, e.fields.get("anonymousId") or e.fields.get("previousId")) for e in events if e.type != "group"]
    linked = {key for key, other in links if key.startswith("u:") and other}
    named, joined = set[str](), set[tuple[str, str]]()

    def supply(event: Accepted) -> None:
        joined.add((event.key, event.fields["groupId"]))
        if event.fields["traits"].get("name"):
            named.add(event.fields["groupId"])

    for event in events:
        unsent = (
            event.early or event.state in ("skipped", "filtered") or event.reason == "dry_run" or event.m in filtered
        )
        if event.type == "group" and unsent:
            supply(event)
    for body in received:
        event_ = by_id.get(body["m"])
        if event_ is None:
            continue
        if event_.type == "group":
            supply(event_)
        if event_.type != "track" or body["group"] in given:
            continue
        hold("no gate opens before its supply is settled", body["group"] in named, f"{body}: the name of its group")
        if event_.key.startswith("u:") and event_.key not in linked and "groupId" not in event_.fields:
            known = (event_.key, body["group"]) in joined
            hold("no gate opens before its supply is settled", known, f"{body}: that the user belongs to it")


def state_is_the_fold(
    db: sqlite3.Connection, events: Sequence[Accepted], received: Sequence[Body], again: set[str], name: str = "d"
) -> None:
    """Keyed state holds what was mapped, once each and in order; the timers are what that order leaves.

    `again`: message ids that were sent a second time, which changes no state.
    """
    by_id = {event.m: event for event in events}
    rows = db.execute("SELECT key, value FROM state WHERE destination = ?", (name,))
    stored: dict[str, list[str]] = {key: json.loads(value) for key, value in rows}
    timers = dict(db.execute("SELECT key, due_at FROM timer WHERE destination = ?", (name,)).fetchall())
    for key, folded in stored.items():
        told = [m for m in folded if m in by_id]  # a timer may be set anew for the same instant
        hold("state has each event once", len(told) == len(set(told)), f"{key}: {folded}")
        due: int | None = None
        for m in folded:
            if m in by_id:
                rule = timer_of(m, by_id[m].received_ms)
                due = due if rule is None else (rule or None)
                continue
            hold("a timer fires once, when it is due", due is not None and abs(due - int(m[1:])) <= 1, (key, m, due))
            due = int(m[1:]) + 40_000 if int(m[1:]) % 7 == 0 else None
        at = timers.pop(key, None)
        same = at == due or (at is not None and due is not None and abs(at - due) <= 1)
        hold("timers are what the state left", same, f"{key}: stored {at}, want {due}")
    hold("timers are what the state left", not timers, timers)
    sent: dict[str, list[Body]] = {}
    for body in received:
        sent.setdefault(body["m"], []).append(body)
    for event in events:
        key_ = state_key_of(event.fields.get("userId"))
        odd = event.fields.get("properties", {}).get("odd")
        if key_ is None or odd in UNMAPPED:
            continue
        folded = stored.get(key_, [])
        if event.state == "delivered" and event.reason != "dry_run":
            hold("state holds what was mapped", event.m in folded, f"{event.m} is not in {key_}: {folded}")
        if event.state == "held" and event.m not in again:
            hold("state holds nothing else", event.m not in folded, f"{event.m} is held, yet in {key_}")
        if event.state == "delivered" and event.m in sent and event.m not in again:
            upto = folded[: folded.index(event.m) + 1]
            hold(
                "items carry the state they were mapped with", sent[event.m][-1]["state"] == upto, (sent[event.m], upto)
            )
