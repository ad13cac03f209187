"""Compares what was sent with what arrived. Pure; every finding is a sentence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.flow.oracle.traffic import ALWAYS, Sent
from tests.flow.oracle.vendors import Vendor

SKIPPED, GATED = frozenset({"page"}), frozenset({"track"})


def fate(sent: Sent) -> tuple[str, str]:
    """State and reason that an event must come to, at either destination."""
    if sent.type in SKIPPED:
        return "skipped", "unsupported"
    return ("dead", "rejected") if sent.ill == ALWAYS else ("delivered", "")


def violations(sent: Sequence[Sent], vendors: Iterable[Vendor], ledger: Mapping[str, Any]) -> list[str]:
    """All that is wrong once nothing is on its way any more."""
    found = []
    if ledger["accepted"] != len(sent):
        found.append(f"{ledger['accepted']} events are accepted, {len(sent)} message ids had their 200")
    for vendor in vendors:
        wrong = [*vendor.wrong, *_arrivals(sent, vendor), *_ledger(sent, ledger["destinations"][vendor.name])]
        if not any(" never arrived" in words for words in wrong):
            wrong += [*_overtakings(sent, vendor), *_counts(sent, vendor)]
        found += [f"{vendor.name}: {words}" for words in wrong]
    return found


def _arrivals(sent: Sequence[Sent], vendor: Vendor) -> list[str]:
    due = {one.number for one in sent if fate(one)[0] == "delivered"}
    missing, surplus = due - vendor.taken.keys(), vendor.taken.keys() - due
    by_number = {one.number: one for one in sent if one.number in missing} if missing else {}
    wrong = [f"{by_number[number]} never arrived" for number in sorted(missing)]
    return wrong + [f"event {number} arrived and was not to" for number in sorted(surplus)]


def _ledger(sent: Sequence[Sent], counts: Mapping[str, Any]) -> list[str]:
    due = {"delivered": 0, "skipped": 0, "dead": 0, "filtered": 0, "held": 0, "retrying": 0, "queued": 0}
    for one in sent:
        due[fate(one)[0]] += 1
    return [f"the ledger has {counts[state]} {state}, not {n}" for state, n in due.items() if counts[state] != n]


def _overtakings(sent: Sequence[Sent], vendor: Vendor) -> list[str]:
    """Events of one user whose first receipts are in the wrong order. What waits for a group may be overtaken by what does
    not; a dead letter that was sent again has no place in the order."""
    wrong = []
    latest: dict[str, tuple[int, Sent]] = {}
    latest_ungated: dict[str, tuple[int, Sent]] = {}
    for one in sorted(sent):
        if fate(one)[0] != "delivered" or one.ill:
            continue
        place = vendor.taken[one.number].place
        before = latest_ungated if vendor.gated and one.type not in GATED else latest
        if one.key in before and before[one.key][0] > place:
            wrong.append(f"{one} came before {before[one.key][1]}")
        for seen in (latest, latest_ungated) if one.type not in GATED else (latest,):
            seen[one.key] = max(seen.get(one.key, (place, one)), (place, one))
    return wrong


def _counts(sent: Sequence[Sent], vendor: Vendor) -> list[str]:
    """Keyed state: each track carries how many tracks of its user were mapped, itself included. Behind the gate those of an
    anonymousId are mapped as the user's."""
    wrong = []
    mapped: defaultdict[str, int] = defaultdict(int)
    for one in sorted(sent):
        if one.type != "track":
            continue
        key = one.user if vendor.gated else one.key
        mapped[key] += 1
        first = vendor.taken.get(one.number)
        if first is not None and first.nth != mapped[key]:
            wrong.append(f"{one} was counted as {first.nth}, and is number {mapped[key]}")
    return wrong
