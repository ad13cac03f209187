"""What must hold in a cluster, whatever happens to it. Each check has a name, and says what it found in words."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple

import aiohttp

from router.store.blocks import unpack
from tests.cluster.clients import GROUP_CALL, GROUPS, Clients, Sent
from tests.cluster.nodes import Cluster, Node
from tests.cluster.vendors import Arrival
from tests.flow.harness import SEVEN

LOG = "every 200 is one event of the log"
ARRIVED = "every 200 arrives, and nothing else"
LEDGER = "the ledger adds up"
ORDER = "first deliveries are in order per user"
GATE = "no event is sent before its group"
SAME = "what is sent twice is the same"
COUNTED = "keyed state has each event once"
REST = "nothing waits or is dead at the end"
FAULT = "the router has no fault of its own"
DEADLOCK = "no two transactions wait for each other"
POLL_S = 0.1


class Violation(NamedTuple):
    """What does not hold."""

    check: str
    words: str


class Watch:
    """Asks a node for the ledger, again and again, whichever it is. Nodes in `unwell` are left out."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.looks = 0
        self.found: list[Violation] = []
        self.unwell: set[Node] = set()
        self._cluster, self._random = cluster, Random(seed)
        self._stopped = False

    def stop(self) -> None:
        """Look no more."""
        self._stopped = True

    async def run(self) -> None:
        """Until `stop`."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as http:
            while not self._stopped:
                well = [node for node in self._cluster.nodes if node not in self.unwell]
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    await self._look(http, self._random.choice(well))
                await asyncio.sleep(POLL_S)

    async def _look(self, http: aiohttp.ClientSession, node: Node) -> None:
        async with http.get(f"{node.admin_url}/api/ledger") as answer:
            if answer.status == 200:
                self.looks += 1
                self.found += of_ledger(await answer.json())


def of_ledger(ledger: Mapping[str, Any]) -> Iterator[Violation]:
    """At each destination the seven states count every event, and none is below zero. All destinations began before the first event."""
    for name, counts in ledger["destinations"].items():
        states = {state: counts[state] for state in SEVEN}
        if sum(states.values()) != ledger["accepted"] or min(states.values()) < 0:
            yield Violation(LEDGER, f"{name}: {ledger['accepted']} accepted, {states}")


async def at_the_end(cluster: Cluster, clients: Clients, gated: str = "", counted: str = "") -> list[Violation]:
    """All checks, once nothing happens any more. `gated`, `counted`: which destination is that."""
    ledger = await cluster.nodes[0].ledger()
    found = [*of_ledger(ledger), *_at_rest(ledger), *await of_log(cluster, clients.sent)]
    for name in ledger["destinations"]:
        arrivals = cluster.vendors.of(name)
        found += of_arrivals(name, arrivals, clients.sent)
        found += of_gate(name, arrivals) if name == gated else ()
        found += of_counts(name, arrivals) if name == counted else ()
    found += _faults(cluster)
    [(deadlocks,)] = await cluster.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return [*found, *([Violation(DEADLOCK, f"{deadlocks} times")] if deadlocks else [])]


def _at_rest(ledger: Mapping[str, Any]) -> Iterator[Violation]:
    for name, counts in ledger["destinations"].items():
        for state in ("queued", "held", "retrying", "dead"):
            if counts[state]:
                yield Violation(REST, f"{name}: {counts[state]} {state}")


async def of_log(cluster: Cluster, sent: Mapping[str, Sent]) -> list[Violation]:
    """Each call that had its 200 has one position, and there are no other ones."""
    blocks = await cluster.rows("SELECT first, floor, at, dup, data FROM block ORDER BY first")
    rows = [row for block in blocks for row in unpack(*block)]
    found = Counter(row.message_id for row in rows)
    wrong = [f"{id} is lost" for id in sent if id not in found]
    wrong += [f"{id} is there {n} times" for id, n in found.items() if n > 1]
    wrong += [f"{id} had no 200" for id in found if id not in sent]
    if [row.pos for row in rows] != list(range(1, len(rows) + 1)):
        wrong.append("positions have a gap")
    return [Violation(LOG, words) for words in wrong]


def of_arrivals(name: str, arrivals: list[Arrival], sent: Mapping[str, Sent]) -> Iterator[Violation]:
    """Of one vendor: each event came, those of a user in order, and the same each time."""
    first: dict[str, Mapping[str, Any]] = {}
    newest: dict[tuple[str, bool], tuple[int, str]] = {}
    for arrival in arrivals:
        item, id = arrival.item, arrival.item["id"]
        if id in first:
            if item != first[id]:
                yield Violation(SAME, f"{name}: {id} came as {first[id]} and as {item}")
            continue
        first[id] = item
        line = (item["user"], item["type"] == "group")  # a gate lets the group call pass
        before, earlier = newest.get(line, (-1, ""))
        if item["n"] < before:
            yield Violation(ORDER, f"{name}: {id} came after {earlier}")
        newest[line] = (item["n"], id)
    for id in sent.keys() - first.keys():
        yield Violation(ARRIVED, f"{name}: {id} never came")
    for id in first.keys() - sent.keys():
        yield Violation(ARRIVED, f"{name}: {id} had no 200")


def of_gate(name: str, arrivals: list[Arrival]) -> Iterator[Violation]:
    """A track comes after the call that says in which group its user is, and after one that tells the group's name."""
    members: set[str] = set()
    named: set[str] = set()
    for arrival in arrivals:
        item = arrival.item
        if item["type"] == "group":
            members.add(item["user"])
            if int(item["user"][1:]) < GROUPS:
                named.add(item["group"])
        elif item["user"] not in members or item["group"] not in named or item["group_name"] != item["group"]:
            yield Violation(GATE, f"{name}: {item}")


def of_counts(name: str, arrivals: list[Arrival]) -> Iterator[Violation]:
    """The n-th track of a user is counted as the n-th."""
    for arrival in arrivals:
        item = arrival.item
        if item["type"] == "track" and item["count"] != item["n"] + (item["n"] < GROUP_CALL):
            yield Violation(COUNTED, f"{name}: {item}")


def _faults(cluster: Cluster) -> Iterator[Violation]:
    for node in cluster.nodes:
        for line in node.log():
            if line["level"] == "error":
                yield Violation(FAULT, f"{node.name}: {line.get('detail', line)}")
