"""A vendor of the oracle: it answers with faults while it is ill, and keeps what arrived first under each number."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from router.testing.vendor import FakeVendor, Garbage, Hang, Received, Reply, Reset, ShortBody
from tests.flow.oracle.traffic import ALWAYS, ONCE, number_of, told

FAULTS = {
    "500": 0.06, "429": 0.015, "429_bare": 0.01, "reset": 0.03, "hang": 0.005,
    "reset_after": 0.03, "half_body": 0.02, "garbage": 0.02, "slow": 0.10,
}  # fmt: skip
"""Shares of the requests. Behind `hang`, the request has been taken: a lost answer is followed by a duplicate."""


def drawn_fault(random: Random, times: float) -> str:
    """The fault of one request, or "": so many times as often as FAULTS says."""
    if not times:
        return ""
    dice = random.random() / times
    for name, share in FAULTS.items():
        dice -= share
        if dice < 0:
            return name
    return ""


def answer_untaken(fault: str, random: Random) -> Reply | None:
    """What a vendor with this fault answers without looking at the request; None: it takes it."""
    match fault:
        case "500":
            return Reply(500)
        case "429":
            return Reply(429, headers={"Retry-After": random.choice("01")})
        case "429_bare":
            return Reply(429)
        case "reset":
            return Reset()
        case "hang":
            return Hang()
    return None


def answer_taken(fault: str, random: Random) -> Reply:
    """What a vendor with this fault answers to what it has taken."""
    match fault:
        case "reset_after":
            return Reset()
        case "half_body":
            return ShortBody()
        case "garbage":
            return Garbage()
        case "slow":
            return Reply(200, json={}, delay_s=random.uniform(0.02, 0.3))
    return Reply(200, json={})


class First(NamedTuple):
    """What arrived first of an event, and as the how-manieth of all."""

    place: int
    user: str | None
    group: str | None
    nth: int  #: a track's number among those of its user


@dataclass
class Vendor:
    """One destination's far side. `faults`: how many times as often as FAULTS says; 0: it is well."""

    name: str
    fake: FakeVendor
    random: Random
    faults: float
    gated: bool = False
    taken: dict[int, First] = field(default_factory=dict)
    refused: Counter[int] = field(default_factory=Counter)
    duplicates: int = 0
    received: int = 0
    wrong: list[str] = field(default_factory=list)  #: what may not arrive at all
    _settled: set[str] = field(
        default_factory=set
    )  #: (user, group) and names of groups that group calls have told here

    def __post_init__(self) -> None:
        self.fake.answer = self._answer

    def _answer(self, seen: Received) -> Reply:
        self.fake.requests.clear()
        fault = drawn_fault(self.random, self.faults)
        if (untaken := answer_untaken(fault, self.random)) is not None:
            return untaken
        items = seen.json()
        if any(self._refuses(item) for item in items):
            if len(items) == 1:
                self.refused[number_of(items[0]["id"])] += 1
            return Reply(400, json={"error": "refused"})
        for item in items:
            self._take(item)
        return answer_taken(fault, self.random)

    def _refuses(self, item: dict[str, Any]) -> bool:
        ill = item["told"].get("ill")
        return ill == ALWAYS or (ill == ONCE and not self.refused[number_of(item["id"])])

    def _take(self, item: dict[str, Any]) -> None:
        number = number_of(item["id"])
        self.received += 1
        first = First(len(self.taken), item["user"], item["group"], item["count"])
        known = self.taken.setdefault(number, first)
        if known is not first:
            self.duplicates += 1
            if known[1:] != first[1:]:
                self.wrong.append(f"{item['id']} came as {known} and then as {first}")
        said = item["told"]
        if {name: value for name, value in said.items() if name != "name"} != told(number, said.get("ill", "")):
            self.wrong.append(f"{item['id']} says {said}")
        if item["type"] == "group":
            self._settled |= {f"{item['user']} {item['group']}"} | ({item["group"]} if "name" in said else set())
        elif self.gated and item["type"] == "track":
            missing = {f"{item['user']} {item['group']}", item["group"]} - self._settled
            if missing:
                self.wrong.append(f"{item['id']} came before the group call that opens its gate: {missing}")
