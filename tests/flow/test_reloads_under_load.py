"""Plans and filters that are changed by reloads while events come, are held, are retried and are replayed: nothing is sent that the newest
filter stops, each event ends in one state, and the ledger adds up at every look."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.harness import SEVEN, Daemon, assert_ledger_adds_up, destination, eventually
from tests.patience import HANG_S

NAMES = ("A", "B", "C", "D", "E")
USERS = [f"u{n}" for n in range(12)]
OPEN, GATED, ONCE = "open", "gated", "once"
"""The first two have a filter and are replayed. What comes to the third one is what the plan said when an event was accepted."""
WAITS = ("held", "retrying")


@dataclass(frozen=True)
class Rules:
    """What a configuration lets through, by name of the event."""

    planned: frozenset[str]
    wanted: Mapping[str, frozenset[str]]  #: by destination

    def lets_through(self, name: str, at: str) -> bool:
        return name in self.planned and name in self.wanted[at]


def rules_of(chance: random.Random) -> Rules:
    planned, *wanted = (frozenset(chance.sample(NAMES, 3)) for _ in range(3))
    return Rules(planned, dict(zip((OPEN, GATED), wanted, strict=True)))


@dataclass(frozen=True)
class Sent:
    """An event that was answered 200."""

    id: str
    name: str
    first: int  #: the number of the configuration that was in force when it was sent
    last: int  #: of the one that may have been in force when it was answered


class Story:
    """A daemon, a vendor that judges what arrives, and who sends and reloads."""

    def __init__(self, daemon: Daemon, vendor: FakeVendor, seed: int) -> None:
        self.daemon, self.vendor, self.chance = daemon, vendor, random.Random(seed)
        self.rules = [rules_of(self.chance)]
        self.in_force = 0  #: the newest configuration of which a reload was answered
        self.sent: list[Sent] = []
        self.taken: dict[str, set[str]] = {name: set() for name in (OPEN, GATED, ONCE)}  #: message ids of tracks
        self.wrong: list[str] = []
        self.met: Counter[str] = Counter()  #: what was under way when a reload came
        self.is_ill, self.is_over = True, False
        self.numbers = itertools.count()
        vendor.answer = self.answer

    def answer(self, seen: Received) -> Reply:
        """Nothing arrives that the newest filter stops; while it is put in force, it may be the one before."""
        items: Any = seen.json()
        at, ids = seen.url.split("/")[1], [item["id"] for item in items if item["type"] == "track"]
        newest = self.rules[self.in_force :]
        allowed = NAMES if at == ONCE else [name for one in newest for name in one.wanted[at]]
        self.wrong += [f"{at} got {id}" for id in ids if id[0] not in allowed]
        if self.is_ill and self.chance.random() < 0.3:
            return Reply(503)
        self.taken[at].update(ids)
        return Reply(200, json={}, delay_s=0.01 if self.is_ill else 0.0)

    # ------------------------------------------------------------ what goes on meanwhile

    async def send(self, batches: int) -> None:
        for _ in range(batches):
            first = self.in_force
            chosen = [(f"{name}-{next(self.numbers)}", name) for name in self.chance.choices(NAMES, k=8)]
            await self.daemon.batch([
                {"type": "track", "event": name, "userId": self.chance.choice(USERS), "messageId": id} for id, name in chosen
            ])  # fmt: skip
            self.sent += [Sent(id, name, first, len(self.rules) - 1) for id, name in chosen]

    async def look(self) -> bool:
        """The ledger adds up, and what was delivered stays so."""
        before: Counter[str] = Counter()

        async def adds_up() -> bool:
            ledger = await self.daemon.ledger()
            assert_ledger_adds_up(ledger)
            for name, counts in ledger["destinations"].items():
                assert counts["delivered"] >= before[name], name
                before[name] = counts["delivered"]
            return self.is_over

        return await eventually(adds_up, within_s=5 * HANG_S)

    async def change(self) -> None:
        """Another plan and other filters, while whatever is under way goes on."""
        ledger = await self.daemon.ledger()
        for counts in ledger["destinations"].values():
            self.met.update(state for state in WAITS if counts[state])
        self.rules.append(rules_of(self.chance))
        write(self.daemon, self.rules[-1])
        await self.daemon.reload()
        self.in_force = len(self.rules) - 1

    async def replay(self, name: str) -> None:
        status, answer = await self.daemon.admin("POST", f"/api/destinations/{name}/replay", {"since": "1h"})
        assert status == 200 or answer["code"] == "replay_running", answer

    async def is_replaying(self, name: str) -> bool:
        status, replay = await self.daemon.admin("GET", f"/api/destinations/{name}/replay")
        return status == 200 and bool(replay["state"] == "running")

    async def replayed(self, name: str) -> None:
        async def is_done() -> bool:
            return not await self.is_replaying(name)

        await eventually(is_done, what=f"the replay of {name} is done")

    def brought_by_replays(self) -> set[tuple[str, str]]:
        """Destination and message id of each event that a replay has fed."""
        return {(line["destination"], line["message_id"]) for line in self.daemon.log("event_replayed")}

    def on_their_way_at_reloads(self) -> int:
        """How many events that a replay had fed were on their way when a reload came; of each reload."""
        under_way, met = set[tuple[str, str]](), 0
        for line in self.daemon.log():
            event = line.get("destination", ""), line.get("message_id", "")
            if line["event"] == "event_replayed":
                under_way.add(event)
            elif line["event"] == "config_reloaded":
                met += len(under_way)
            elif line["event"] == "event_delivered" or line.get("outcome") == "filtered":
                under_way.discard(event)
        return met

    async def groups(self, *users: str) -> None:
        """Group calls of these users; each opens the gate of one."""
        for user in users:
            id = f"group-{next(self.numbers)}"
            await self.daemon.post("group", userId=user, groupId="acme", traits={"name": "Acme"}, messageId=id)

    async def fates(self) -> dict[str, dict[str, tuple[str, str]]]:
        """State and reason of each track, by destination."""
        found: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in self.taken}
        for sent in self.sent:
            told = (await self.daemon.message(sent.id))["destinations"]
            for name, fate in told.items():
                found[name][sent.id] = fate["state"], fate["reason"]
        return found


def write(daemon: Daemon, rules: Rules) -> None:
    """The files of a configuration."""
    plan = [{"type": "TRACK", "key": name, "version": 1, "jsonSchema": {}} for name in sorted(rules.planned)]
    (daemon.folder / "plan.json").write_text(json.dumps(plan))
    for table in daemon.destinations:
        if table["name"] == ONCE:
            continue
        wanted = ", ".join(f"'{name}'" for name in sorted(rules.wanted[table["name"]]))
        table["filter"] = f"type != 'track' or event in [{wanted}]"
    daemon.write_config()


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with FakeVendor() as vendor:
        tables = [
            destination(name, "collector", {"base_url": f"{vendor.url}/{name}", "gated": name == GATED})
            for name in (OPEN, GATED, ONCE)
        ]
        daemon = Daemon(tmp_path, tables)
        daemon.source = {"plan": "plan.json", "on_violation": {"track": {"unplanned_events": "block"}}}
        story = Story(daemon, vendor, seed=5)
        write(daemon, story.rules[0])
        async with daemon:
            yield story


@pytest.mark.parametrize("reloads", [pytest.param(9, marks=pytest.mark.long), pytest.param(90, marks=pytest.mark.slow)])
async def test_each_event_ends_in_one_state_by_the_newest_rules_that_were_asked(story: Story, reloads: int) -> None:
    async with asyncio.TaskGroup() as meanwhile:
        meanwhile.create_task(story.look())
        for n in range(reloads):
            async with asyncio.TaskGroup() as load:
                load.create_task(story.send(batches=8))
                if n % 3 == 1:
                    await story.replay((OPEN, GATED)[n % 2])
                if n % 4 == 2:
                    load.create_task(story.groups(USERS[n % len(USERS)]))
                await story.change()
        for name in (OPEN, GATED):
            await story.replayed(name)
        await story.change()
        before = {name: frozenset(ids) for name, ids in story.taken.items()}
        waited = await story.fates()
        await what_waited_is_decided_by_the_newest_filter(story, waited, before)
        await a_replay_asks_plan_and_filter_again(story)
        story.is_over = True
    assert story.wrong == []
    assert min(story.met[state] for state in WAITS) > 0, story.met
    assert story.on_their_way_at_reloads() > 0


async def what_waited_is_decided_by_the_newest_filter(
    story: Story, waited: Mapping[str, Mapping[str, tuple[str, str]]], before: Mapping[str, frozenset[str]]
) -> None:
    """The plan had let it through, and is asked again only of what a replay brought and nothing was made of yet."""
    story.is_ill = False
    await story.groups(*USERS)
    await story.daemon.emptied()
    ended, newest, brought = await story.fates(), story.rules[-1], story.brought_by_replays()
    for sent in story.sent:
        for name in (OPEN, GATED):
            state = waited[name][sent.id][0]
            if state not in WAITS:
                continue
            goes = sent.name in newest.wanted[name]
            expected = ("delivered", "") if goes else ("filtered", "filter")
            if sent.id in before[name]:  # it waited to be sent a second time: what was delivered stays so
                expected = "delivered", ""
            elif state == "held" and (name, sent.id) in brought and sent.name not in newest.planned:
                expected = "filtered", "plan"
            assert ended[name][sent.id] == expected, (name, sent)
        at_acceptance = {sent.name in rules.planned for rules in story.rules[sent.first : sent.last + 1]}
        came = ended[ONCE][sent.id]
        assert came in [("delivered", "") if planned else ("filtered", "plan") for planned in at_acceptance], sent


async def a_replay_asks_plan_and_filter_again(story: Story) -> None:
    """What the newest rules let through is delivered by then; else it stays what it is, for the reason that they give."""
    for name in (OPEN, GATED):
        await story.replay(name)
        await story.replayed(name)
    ledger = await story.daemon.emptied()
    ended, newest = await story.fates(), story.rules[-1]
    for name, fates in ended.items():
        for sent in story.sent if name != ONCE else ():
            if newest.lets_through(sent.name, name) or sent.id in story.taken[name]:
                expected = "delivered", ""
            else:
                expected = "filtered", "filter" if sent.name in newest.planned else "plan"
            assert fates[sent.id] == expected, (name, sent, newest)
        came = {id for id, (state, _) in fates.items() if state == "delivered"}
        assert came == story.taken[name], name
        states = Counter(state for state, _ in fates.values())
        states["delivered"] += ledger["accepted"] - len(story.sent)  # the group calls
        assert {state: ledger["destinations"][name][state] for state in SEVEN} == {
            state: states[state] for state in SEVEN
        }, name
