"""What must hold in every committed state of a store, and what must hold at the end of a story."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from router.store.questions import _fate
from router.store.receipts import unpack_ahead
from tests.contract.simulation.vendor import Body, state_key_of, timer_of

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


def rows_and_counters(db: sqlite3.Connection) -> None:
    """Of any committed state: the seven add up, counters say what rows say, lanes are the image of the parked rows."""
    row = db.execute(f"SELECT start, {', '.join(NAMES)} FROM cursor").fetchone()
    if row is None:
        return
    start, *values = row
    counted = dict(zip(NAMES, values, strict=True))
    head = db.execute("SELECT pos FROM head").fetchone()[0]
    queued = head - start - sum(counted[state] for state in STATES)
    hold("the seven add up", queued >= 0 and min(values) >= 0, (queued, counted))
    rows: dict[str, int] = dict.fromkeys(NAMES[-3:], 0)
    queues: dict[str, list[int]] = {}
    states: Counter[str] = Counter()
    for key, queue, state, pos, size in db.execute("SELECT user_key, queue, state, pos, length(body) FROM parked"):
        queues.setdefault(key, [0, 0])[queue == "main"] += 1
        states[state] += pos > 0
        rows["parked_bytes"] += size
    for (size,) in db.execute("SELECT length(body) + coalesce(length(items), 0) + length(detail) FROM dead"):
        rows["letters"] += 1
        rows["letter_bytes"] += size
    rows |= {"held": states["held"], "retrying": states["retrying"]}
    told = {name: counted[name] for name in rows}
    hold("counters equal the rows", rows == told, f"rows {rows}, counters {told}")
    hold("queued covers the parked", states["queued"] <= queued, (states, queued))
    lanes = {key: [held, main] for key, held, main in db.execute("SELECT user_key, held, main FROM lane")}
    hold("lanes are the image of parked rows", lanes == queues, f"lanes {lanes}, rows {queues}")


def read_log(db: sqlite3.Connection) -> list[Accepted]:
    """All accepted events with their fates, in order."""
    events = []
    (start,) = db.execute("SELECT start FROM cursor").fetchone()
    for pos, m, type_, key, body, at in db.execute(
        "SELECT pos, message_id, type, user_key, body, received_at FROM log ORDER BY pos"
    ):
        fields = json.loads(body.partition(b"\n")[2])
        event = Accepted(pos, m, type_, key, fields, at, early=pos <= start)
        if fate := _fate(db, "d", pos):
            event.state, event.reason = fate["state"], fate["reason"]
        events.append(event)
    return events


def one_fate_each(db: sqlite3.Connection, events: Sequence[Accepted]) -> None:
    """The fates, counted one by one, are the ledger; nothing settled has a row, nothing that was passed is undecided."""
    start, *values = db.execute(f"SELECT start, {', '.join(STATES)} FROM cursor").fetchone()
    fates = Counter(event.state for event in events if event.pos > start)
    ledger = dict(zip(STATES, values, strict=True))
    hold("the ledger counts the fates", {s: fates[s] for s in STATES} == ledger, f"fates {fates}, ledger {ledger}")
    both = db.execute("SELECT pos FROM parked JOIN dead USING (part, destination, pos)").fetchall()
    hold("one state each", not both, f"parked and dead: {both}")
    ids = [event.m for event in events]
    hold("accepted once", len(ids) == len(set(ids)))
    pos, ahead = db.execute("SELECT pos, ahead FROM cursor").fetchone()
    passed = {*range(1, pos + 1), *unpack_ahead(pos, ahead)}
    parked = {pos for (pos,) in db.execute("SELECT pos FROM parked")}
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


def gates_kept(events: Sequence[Accepted], received: Sequence[Body], given: set[str]) -> None:
    """Each track went out for a group whose name was settled before, and which the user was known to belong to; or for one
    that an operator gave. What was settled without being sent may have been so at any time: it is believed."""
    by_id = {event.m: event for event in events}
    links = [(e.key, e.fields.get("anonymousId") or e.fields.get("previousId")) for e in events if e.type != "group"]
    linked = {key for key, other in links if key.startswith("u:") and other}
    named, joined = set[str](), set[tuple[str, str]]()

    def supply(event: Accepted) -> None:
        joined.add((event.key, event.fields["groupId"]))
        if event.fields["traits"].get("name"):
            named.add(event.fields["groupId"])

    for event in events:
        unsent = event.early or event.state in ("skipped", "filtered") or event.reason == "dry_run"
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
    db: sqlite3.Connection, events: Sequence[Accepted], received: Sequence[Body], again: set[str]
) -> None:
    """Keyed state holds what was mapped, once each and in order; the timers are what that order leaves.

    `again`: message ids that were sent a second time, which changes no state.
    """
    by_id = {event.m: event for event in events}
    stored: dict[str, list[str]] = {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM state")}
    timers = dict(db.execute("SELECT key, due_at FROM timer").fetchall())
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
        if key_ is None or odd in ("boom", "later"):
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
