"""An oracle for the promise: whatever was answered 200 arrives at every destination, through kills at any instant.

Posters number the events of their users and send each until it gets its 200. Two vendors answer with faults. The daemon is
killed again and again. Then the faults stop, and what the vendors saw is held against what was acknowledged.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Received, Reply, Reset
from tests.flow.harness import Daemon, assert_ledger_adds_up, destination

POSTERS, USERS = 8, 40
GATED = frozenset({"track"})
"""The types that wait for a group; the others may overtake them."""


@dataclass(frozen=True)
class Sent:
    """An obligation: an event that was answered 200, the n-th of its user key."""

    id: str
    key: str
    type: str
    n: int


@dataclass
class FaultyVendor:
    """Answers with faults while `faulty`; remembers what it took, each id with its first place in the order."""

    vendor: FakeVendor
    random: Random
    faulty: bool = True
    taken: dict[str, dict[str, Any]] = field(default_factory=dict)
    duplicates: Counter[str] = field(default_factory=Counter)
    differing: list[tuple[Any, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.vendor.answer = self._answer

    def _answer(self, seen: Received) -> Reply:
        dice = self.random.random() if self.faulty else 1.0
        if dice < 0.10:
            return Reply(500)
        if dice < 0.14:
            return Reset()
        if dice < 0.16:
            return Reply(429, headers={"Retry-After": self.random.choice("01")})
        self._take(seen)
        if dice < 0.20:
            return Reset()  # it was taken, and the answer is lost: a duplicate follows
        return Reply(200, json={}, delay_s=self.random.uniform(0.02, 0.3) if dice < 0.3 else 0.0)

    def _take(self, seen: Received) -> None:
        for item in seen.json():
            first = self.taken.setdefault(item["id"], item)
            if first is not item:
                self.duplicates[item["id"]] += 1
                if {**first, "group_name": ""} != {**item, "group_name": ""}:
                    self.differing.append((first, item))
        self.vendor.requests.clear()


class Traffic:
    """The calls of one user: tracks and identifies, a group call early, late or at the very end."""

    def __init__(self, number: int, random: Random) -> None:
        self.user, self._random = f"u{number}", random
        self._n: Counter[str] = Counter()
        self._group_at = random.choice([0, 1, random.randrange(5, 30), random.randrange(10, 60), 10_000])
        self._anonymous_until = random.randrange(3, 12) if number % 5 == 0 else 0
        self._group = f"g{number % 7}"
        self._sent = 0
        self._grouped = False

    def next(self) -> tuple[str, dict[str, Any], str]:
        """Type, call and user key of the next event."""
        self._sent += 1
        if self._sent <= self._anonymous_until:
            return self._track({"anonymousId": f"anon-{self.user}"}, f"a:{self.user}")
        if self._sent == self._anonymous_until + 1:
            return self._identify({"anonymousId": f"anon-{self.user}"})
        if self._sent >= self._group_at and not self._grouped:
            return self.group({})
        if self._random.random() < 0.1:
            return self._identify({})
        if self._grouped and self._random.random() < 0.03:
            return self.group({"name": f"Name of {self._group}"})
        return self._track({"userId": self.user}, self.user)

    def last(self) -> Iterator[tuple[str, dict[str, Any], str]]:
        """What brings a group, with its name, to a user who still has none."""
        if not self._grouped:
            yield self.group({})
        if self.user in ("u0", "u1", "u2", "u3", "u4", "u5", "u6"):
            yield self.group({"name": f"Name of {self._group}"})

    def group(self, traits: dict[str, Any]) -> tuple[str, dict[str, Any], str]:
        """A group call."""
        self._grouped = True
        call = {"userId": self.user, "groupId": self._group, "traits": {**traits, "n": self._number(self.user)}}
        return "group", call, self.user

    def _identify(self, ids: dict[str, str]) -> tuple[str, dict[str, Any], str]:
        return "identify", {"userId": self.user, **ids, "traits": {"n": self._number(self.user)}}, self.user

    def _track(self, ids: dict[str, str], key: str) -> tuple[str, dict[str, Any], str]:
        return "track", {**ids, "event": "E", "properties": {"n": self._number(key)}}, key

    def _number(self, key: str) -> int:
        self._n[key] += 1
        return self._n[key]


class Posters:
    """Sends the traffic of all users from several tasks; each user's calls one after the other."""

    def __init__(self, daemon: Daemon, seed: int) -> None:
        self.obligations: list[Sent] = []
        self.resent = 0
        self._daemon = daemon
        self._users = [Traffic(number, Random(f"{seed}-{number}")) for number in range(USERS)]
        self._random = Random(f"{seed}-posters")

    async def send(self, n: int) -> None:
        """Send `n` events of random users, and return once each has its 200."""
        plan: list[list[Traffic]] = [[] for _ in range(POSTERS)]
        for _ in range(n):
            number = self._random.randrange(USERS)
            plan[number % POSTERS].append(self._users[number])
        async with asyncio.TaskGroup() as group:
            for users in plan:
                group.create_task(self._send([user.next for user in users]))

    async def send_last(self) -> None:
        """Send what opens every gate that is still closed."""
        for user in self._users:
            await self._send([lambda call=call: call for call in user.last()])

    async def _send(self, calls: list[Any]) -> None:
        for make in calls:
            type, call, key = make()
            number = (call.get("properties") or call.get("traits") or {})["n"]
            sent = Sent(f"{key}-{number}", key, type, number)
            tries = await self._daemon.post_until_taken(type, {**call, "messageId": sent.id})
            self.resent += tries - 1
            self.obligations.append(sent)


def overtakings(obligations: list[Sent], taken: dict[str, dict[str, Any]], may_overtake: bool) -> list[str]:
    """Pairs of one user's events whose first receipts are in the wrong order."""
    place = {id: index for index, id in enumerate(taken)}
    by_key: dict[str, list[Sent]] = {}
    for sent in obligations:
        by_key.setdefault(sent.key, []).append(sent)
    wrong = []
    for sents in by_key.values():
        sents.sort(key=lambda sent: sent.n)
        for index, later in enumerate(sents):
            for earlier in sents[:index]:
                allowed = may_overtake and earlier.type in GATED and later.type not in GATED
                if place[later.id] < place[earlier.id] and not allowed:
                    wrong.append(f"{later.type} {later.id} came before {earlier.type} {earlier.id}")
    return wrong


async def crash_and_compare(folder: Path, seed: int, kills: int, events_a_kill: int) -> None:
    """The whole oracle, once."""
    random = Random(seed)
    async with FakeVendor() as open_vendor, FakeVendor() as gated_vendor:
        vendors = {
            "open": FaultyVendor(open_vendor, Random(f"{seed}-open")),
            "gated": FaultyVendor(gated_vendor, Random(f"{seed}-gated")),
        }
        destinations = [
            destination("open", "collector", {"base_url": open_vendor.url}),
            destination("gated", "collector", {"base_url": gated_vendor.url, "gated": True}),
        ]
        async with Daemon(folder, destinations, log={"level": "warning", "format": "json"}) as daemon:
            posters = Posters(daemon, seed)
            for _ in range(kills):
                async with asyncio.TaskGroup() as group:
                    sending = group.create_task(posters.send(events_a_kill))
                    await daemon.kill_after(random.choice([0.15, 0.4, 1.2]) * random.random())
                    daemon.spawn()  # a kill may come while it is still starting
                    if random.random() < 0.2:
                        await daemon.kill_after(random.uniform(0.0, 0.8))
                        daemon.spawn()
                    await daemon.ready()
                    assert_ledger_adds_up(await daemon.ledger())
                    await sending
            await posters.send_last()
            for vendor in vendors.values():
                vendor.faulty = False
            obligations = posters.obligations
            try:
                ledger = await daemon.emptied(within_s=60)
            except AssertionError as error:
                error.add_note(f"held: {await daemon.held('gated')}")
                error.add_note(f"lanes: {daemon.rows('SELECT * FROM lane LIMIT 20')}")
                raise
            assert ledger["accepted"] == len(obligations), "each message id stored exactly once"
            expected = {sent.id for sent in obligations}
            for name, vendor in vendors.items():
                missing = sorted(expected - set(vendor.taken))
                fates = [(id, await daemon.fate(id, name)) for id in missing[:5]]
                assert not missing, f"{len(missing)} events never reached {name}: {fates}"
                assert set(vendor.taken) <= expected, "nothing arrives that was not sent"
                assert not vendor.differing, "a duplicate says what the first one said"
                assert not (wrong := overtakings(obligations, vendor.taken, name == "gated")), (name, wrong[:5])
                counts = ledger["destinations"][name]
                assert counts["delivered"] == len(expected), (name, counts)
            for sent in random.sample(obligations, 20):
                assert await daemon.fate(sent.id, "open") == ("delivered", "")
                assert await daemon.fate(sent.id, "gated") == ("delivered", "")
            assert daemon.rows("SELECT count(*) FROM parked") == [(0,)]
            assert daemon.rows("SELECT count(*) FROM lane") == [(0,)]
            await daemon.post("track", userId="u1", event="Fresh", properties={"n": 0}, messageId="fresh")
            await daemon.becomes("fresh", "gated", "delivered")
            await daemon.becomes("fresh", "open", "delivered")
            duplicates = {name: vendor.duplicates.total() for name, vendor in vendors.items()}
            print(f"seed {seed}: {len(expected)} events, {posters.resent} sent again, duplicates {duplicates}")


@pytest.mark.timeout(240)
async def test_every_event_answered_200_arrives_in_order_through_twenty_kills(tmp_path: Path) -> None:
    """The short form: one seed."""
    await crash_and_compare(tmp_path, int(os.environ.get("CRASH_SEED", "1")), kills=20, events_a_kill=90)


@pytest.mark.slow
@pytest.mark.timeout(36_000)
@pytest.mark.parametrize("seed", range(int(os.environ.get("CRASH_SEEDS", "10"))))
async def test_every_event_answered_200_arrives_in_order_through_a_hundred_kills(tmp_path: Path, seed: int) -> None:
    """The long form: CRASH_SEEDS seeds, CRASH_KILLS kills each."""
    await crash_and_compare(tmp_path, 1000 + seed, kills=int(os.environ.get("CRASH_KILLS", "100")), events_a_kill=150)
