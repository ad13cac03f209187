"""Random stories: users, groups, links, a faulty vendor and disk, operators, reloads, deaths at any instant. What a seed draws
stays the same; what must hold is asked after each step, and all of it at the end."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any
from unittest.mock import patch

from router.deliver.runner import ReplayOrder, Runner
from router.event import Call
from router.store import DeadLetterFilter
from router.store.sqlite.event_columns import DEAD
from tests.contract.simulation import inside, invariants
from tests.contract.simulation.connections import FAULTS
from tests.contract.simulation.invariants import Accepted, hold
from tests.contract.simulation.scenes import SCENES, SPINS
from tests.contract.simulation.traits import NOT_YET, Traits, draw
from tests.contract.simulation.vendor import Folding, SimGated, SimVendor, plugin
from tests.contract.simulation.world import COMMAND, Side, World, run_world

GIFT = {"id": "gift", "name": "GIFT"}
"""The group an operator releases with."""
RETENTION_S = 3_600.0
"""Of a story whose log is trimmed."""


class Story:
    """One seed's story, told to a world. `traits`: what makes it special, drawn apart from the rest."""

    def __init__(self, world: World, seed: int, steps: int, traits: Traits) -> None:
        self.world, self.steps, self.traits = world, steps, traits
        self.random = Random(f"{seed} story")
        self.more = Random(f"{seed} more of the story")  #: what the traits draw
        self.seed = seed
        self.messages = 0
        self.looked_at = -1  #: how much had been written by then
        self.gated, self.folding = self.random.random() < 0.7, self.random.random() < 0.5
        self.gated |= traits.gated
        self.given: set[str] = set()
        self.again: set[str] = set()  #: may have been sent a second time
        self.went_live = False

    # ------------------------------------------------------------ what is drawn

    def settings(self, *, live: bool = True) -> None:
        """Configure the destination anew."""
        r = self.random
        hold_: dict[str, Any] = {}
        if r.random() < 0.3:
            hold_["max_events_per_user"] = r.choice((1, 3, 10))
        if r.random() < 0.15:
            hold_["max_bytes"] = r.choice(("300B", "2KB"))
        if r.random() < 0.3:
            hold_["max_age"] = r.choice(("1m", "30m"))
        delivery: dict[str, Any] = {"concurrency": r.choice((1, 3, 10))}
        if r.random() < 0.2:
            delivery["max_age"] = r.choice(("2s", "1m"))
        if r.random() < 0.1:
            delivery["linger"] = "500ms"
        dead: dict[str, Any] = {"max_age": "10m"} if r.random() < 0.1 else {}
        self.world.d.plugin = plugin(gated=self.gated, folding=self.folding, batch=r.choice((1, 1, 4)))
        mode = "live" if live else "dry-run"
        enabled = r.random() > 0.05
        self.world.d.tables = {"hold": hold_, "delivery": delivery, "dead": dead, "mode": mode, "enabled": enabled}

    def next_call(self) -> tuple[str, dict[str, Any]]:
        """A random call of a small world, so that things meet."""
        r = self.random
        user, anonymous, group = f"u{r.randrange(5)}", f"x{r.randrange(3)}", f"g{r.randrange(3)}"
        dice = r.random()
        more: dict[str, Any] = {"integrations": {"d": False}} if r.random() < 0.02 else {}
        if dice < 0.6:
            who = {"anonymousId": anonymous} if r.random() < 0.2 else {"userId": user}
            if r.random() < 0.05:
                more["groupId"] = group
            odd = r.choice(("boom", "later", "none", "pair")) if r.random() < 0.12 else None
            return "track", {**who, **more, "event": "E", "properties": {"odd": odd}}
        if dice < 0.8:
            who = {"anonymousId": anonymous} if r.random() < 0.15 else {"userId": user}
            if r.random() < 0.05:
                who = {}
            return "group", {
                **who,
                **more,
                "groupId": group,
                "traits": {"name": group.upper()} if r.random() < 0.4 else {},
            }
        if dice < 0.83:
            return "alias", {"userId": user, "previousId": anonymous}
        link = {"anonymousId": anonymous} if r.random() < 0.4 else {}
        return "identify", {"userId": user, **link, **more, "traits": {"n": r.randrange(9)}}

    def calls(self) -> list[Call]:
        """A request's worth."""
        calls = []
        for _ in range(self.random.choice((1, 1, 3, 10))):
            type_, fields = self.next_call()
            self.messages += 1
            if self.random.random() < 0.04:
                for side in self.world.sides:
                    side.vendor.poison.add(f"m{self.messages}")
            calls.append(self.world.make(type_, f"m{self.messages}", **self.by_traits(type_, fields)))
        return calls

    def by_traits(self, type_: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The call as this story's traits have it: of other users, or one that the plugin makes a slip with."""
        r, traits = self.more, self.traits
        if traits.users == "hot" and "userId" in fields and r.random() < 0.6:
            fields = {**fields, "userId": "u0"}
        if traits.users == "few":
            kept = {name: value for name, value in fields.items() if name != "anonymousId" or type_ == "identify"}
            fields = {**kept, "userId": f"u{r.randrange(traits.few)}"}
        if traits.slips and type_ == "track" and r.random() < 0.06:
            fields = {**fields, "properties": {"odd": "slip"}}
        return fields

    def expect_all_again(self) -> None:
        """All that was said so far may be sent a second time."""
        self.again |= {f"m{n}" for n in range(self.messages + 1)}

    def operation(self) -> Callable[[Runner], Coroutine[Any, Any, Any]]:
        """Something an operator asks for."""
        r = self.random
        key = r.choice((f"u:u{r.randrange(5)}", f"a:x{r.randrange(3)}"))
        pos = r.randrange(1, self.messages + 2)
        since = self.world.clock.ms - r.choice((1_000, 60_000, 1 << 40))
        which = DeadLetterFilter(reason=r.choice((None, None, "refused")))

        async def replay(runner: Runner, order: ReplayOrder) -> None:
            try:
                await runner.replay(order)
            finally:  # calls that came while the order waited for its commit belong to it too
                self.expect_all_again()

        async def release(runner: Runner) -> None:
            self.given.add(GIFT["id"])
            await runner.release(key, GIFT)

        return r.choice((
            lambda runner: runner.pause(),
            lambda runner: runner.resume(),
            lambda runner: runner.resume(),
            lambda runner: runner.release(key, None),
            release,
            lambda runner: runner.drop(key),
            lambda runner: replay(runner, ReplayOrder(letters=which)),
            lambda runner: replay(runner, ReplayOrder(letters=which)),
            lambda runner: replay(runner, ReplayOrder(since_ms=max(0, since))),
            lambda runner: replay(runner, ReplayOrder(pos=pos)),
            lambda runner: runner.drop_letters(which),
            lambda runner: runner.drop_letters(which, pos),
            lambda runner: runner.stop_replay(),
        ))  # fmt: skip

    # ------------------------------------------------------------ the story

    async def tell(self) -> None:
        """All of it, to its calm end."""
        world, r = self.world, self.random
        dry = r.random() < 0.15
        self.settings(live=not dry)
        self.prepare()
        await world.open()
        if r.random() < 0.2:
            world.spawn(world.send(self.calls()))
            await world.turns(r.randrange(30))
        await world.stand_up()
        world.start()
        for step in range(self.steps):
            if dry and step == self.steps // 3:
                self.settings()
                await self.reload()
            await self.step()
            await world.stand_up()
            self.look()
        await self.end()

    def prepare(self) -> None:
        """What the traits want before the first start."""
        world, traits = self.world, self.traits
        world.d.vendor.slips = traits.slips
        if traits.trims:
            world.retention_s = RETENTION_S
            world.patches.enter_context(patch(inside.MERGE_AT, 3))
        if traits.beside:
            side = Side("e", f"{self.seed} e")
            side.plugin = plugin(
                gated=self.more.random() < 0.5, folding=self.more.random() < 0.5, batch=self.more.choice((1, 4))
            )
            side.tables = {"delivery": {"concurrency": self.more.choice((1, 3))}}
            world.sides.append(side)

    async def step(self) -> None:
        """Something happens, and the loop runs a little."""
        world, r = self.world, self.random
        if self.traits.trims and self.more.random() < 0.05:
            await self.night()
        dice = r.random()
        if dice < 0.62:
            world.spawn(world.send(self.calls()))
        elif dice < 0.68:
            await (world.restart() if r.random() < 0.6 else self.crash_worker())
        elif dice < 0.74:
            world.disk.plan(r.choice(FAULTS), r.randrange(40))
        elif dice < 0.78:
            if world.d.tables["mode"] == "live":
                self.settings()
                await self.reload()
        elif dice < 0.9:
            await world.send_again()
            world.clock.advance(r.choice((200, 2_000, 30_000, 120_000)))
        else:
            world.spawn(world.command(self.operation()), COMMAND)
        await world.turns(r.randrange(60))

    async def night(self) -> None:
        """Longer than the retention. No client waits that long before it tries again."""
        await self.world.send_again()
        await self.world.loop.quiet()
        await self.world.stand_up()
        self.look()
        if not self.world.unanswered:
            self.world.clock.advance(int(1_200 * RETENTION_S))

    async def crash_worker(self) -> None:
        """The destination's task is cut off; the store goes on."""
        await self.world.crash_worker()
        await self.world.turns(self.random.randrange(5))
        if not self.world.disk.dead:
            self.world.start()

    async def reload(self) -> None:
        """Stop and start with other settings."""
        await self.world.stop()
        if not self.world.disk.dead:
            self.world.start()

    def look(self) -> None:
        """What holds in every committed state."""
        if self.looked_at == self.world.disk.statements:
            return
        self.looked_at = self.world.disk.statements
        with self.world.reading() as db:
            for side in self.world.sides:
                invariants.rows_and_counters(db, side.name)
                hold("a recount finds nothing to correct", not inside.miscounts(db, side.name), side.name)
        for side in self.world.sides:
            if side.runner is not None and side.running is not None:
                in_memory, most = inside.rows_in_memory(side.runner), inside.most_rows_in_memory(10)
                hold("few rows are in memory", in_memory <= most, (in_memory, most))

    # ------------------------------------------------------------ the end

    async def end(self) -> None:
        """No more faults; everything comes to where it belongs."""
        world = self.world
        world.disk.left = -1
        for side in world.sides:
            side.vendor.faults = side.vendor.slips = False
        self.settings()
        world.d.tables["enabled"] = True
        await world.stand_up()
        await world.stop()
        await world.stand_up()
        world.start()
        await world.loop.quiet()
        await world.send_again()
        for side in world.sides:
            # A worker that found no room waits before it writes again: the command is answered once time passes.
            world.spawn(world.command(lambda runner: runner.resume(), side), COMMAND)
        for _ in range(6):
            await world.pass_time(400)
            self.look()
        hold("clients are answered", not world.unanswered, world.unanswered)
        hold("commands are answered", world.commands == 0, world.commands)
        self.check_all()
        await self.check_gates_left_shut()
        if self.random.random() < 0.3:
            await self.replay_all()
        if self.traits.scene:
            await SCENES[self.traits.scene](self)
            self.check_all()

    def check_all(self) -> None:
        """What holds once all is calm."""
        world = self.world
        with world.reading() as db:
            for side in world.sides:
                self.check_side(db, side)
        told = world.faults_told()
        steps = sum(hit.startswith("step") for hit in world.disk.hit)
        hold("no fault of the router itself", len(told) <= steps, told)
        hold("nobody spins", SPINS in NOT_YET or world.loop.spun == 0, world.loop.spun)

    def check_side(self, db: sqlite3.Connection, side: Side) -> None:
        """The same, of one destination."""
        events = invariants.read_log(db, side.name, self.world.kept)
        received, gated, folding = (
            side.vendor.received,
            issubclass(side.plugin, SimGated),
            issubclass(side.plugin, Folding),
        )
        own = side is self.world.d
        invariants.one_fate_each(db, events, side.name)
        invariants.nothing_lost(events, self.world.answered, received)
        invariants.order_kept(events, received, gated, (self.again if own else set()) | side.buried)
        if gated:
            invariants.gates_kept(events, received, self.given if own else set(), side.filtered)
        if folding and not any(e.reason == "dry_run" for e in events):
            invariants.state_is_the_fold(db, events, received, self.again if own else set(), side.name)
        hold("each event has its own body", not side.vendor.mixed, side.vendor.mixed)
        queued = [e for e in events if e.state == "queued"]
        hold("nothing is left queued", not queued, queued)
        lanes = inside.retried_lanes(db, side.name)
        hold("nothing is tried for ever", not lanes, lanes)
        for event in events:
            check_end(event, side.vendor, gated)

    async def check_gates_left_shut(self) -> None:
        """Asking every gate again releases nothing, also after a restart."""
        world = self.world
        before = len(world.d.vendor.received)
        await world.restart()
        for round_ in range(2):
            with world.reading() as db:
                held = [key for key, (held, _) in inside.lanes(db, "d").items() if held]
            for key in held:
                await world.command(lambda runner, key=key: runner.release(key, None))  # type: ignore[misc]
            await world.pass_time(61 * round_)
        received = world.d.vendor.received
        hold("no gate is left shut", len(received) == before, received[before:])

    async def replay_all(self) -> None:
        """Everything once more, in calm weather: second sendings are counted, in order, and change no event's state."""
        world, received = self.world, self.world.d.vendor.received
        with world.reading() as db:
            before = invariants.read_log(db, kept=world.kept)
            retained = {m for (m,) in db.execute("SELECT message_id FROM log")}
            replayed = _replayed(db)
            letters = {
                m for (m,) in db.execute(f"SELECT message_id FROM ({DEAD} WHERE d.destination = 'd' AND NOT d.again)")
            }
            waiting = {row.message_id for row in inside.parked_rows(db, "d")}
        place = len(received)
        self.expect_all_again()
        await world.command(lambda runner: runner.stop_replay())
        await world.command(lambda runner: runner.replay(ReplayOrder()))
        await world.pass_time(400)
        self.look()
        received = received[place:]
        with world.reading() as db:
            after = invariants.read_log(db, kept=world.kept)
            invariants.one_fate_each(db, after)
            counted = _replayed(db) - replayed
        # What was filtered was never sent: the replay's is its first sending. The letter of a second sending is sent a second time once more.
        once = letters | {e.m for e in before if e.state in ("held", "filtered")}
        sent = Counter(body["m"] for body in received if body.get("part") == 0)
        twice = sum(n - (m in once) for m, n in sent.items())
        hold("replayed counts second sendings", counted == twice, (counted, twice, sent))
        changed = [
            (old, new) for old, new in zip(before, after, strict=True) if old.state != new.state and old.m not in once
        ]
        wrong = [pair for pair in changed if not pair[0].early]  # of those it never was to get, the last sending says
        hold("a second sending changes no state", not wrong, wrong)
        calls = [e for e in before if e.m in retained]
        if self.gated:
            calls.sort(key=lambda event: event.type != "group")
        invariants.order_kept(calls, received, self.gated, waiting)


def _replayed(db: sqlite3.Connection) -> int:
    """How many second sendings were counted."""
    return int(db.execute("SELECT replayed FROM cursor WHERE destination = 'd'").fetchone()[0])


def check_end(event: Accepted, vendor: SimVendor, gated: bool) -> None:
    """Whether this event could come to this."""
    odd = event.fields.get("properties", {}).get("odd")
    if event.state == "held":
        hold("only gated calls are held", gated and event.type == "track", event)
    if event.state == "dead" and event.reason in ("refused", "rejected", "plugin_error"):
        cause = event.m in vendor.poison or event.m in vendor.blamed or odd in ("boom", "slip")
        hold("nothing is dead without a cause", cause, event)
    if event.m in vendor.poison:
        hold("what is refused is not delivered", event.state != "delivered" or event.reason == "dry_run", event)
    if odd == "slip":
        hold(
            "a slip of the plugin is delivered to nobody",
            event.state != "delivered" or event.reason == "dry_run",
            event,
        )


def trace_of(world: World) -> str:
    """What happened, so that two runs can be compared."""
    received = [side.vendor.received for side in world.sides]
    seen = (received, world.loop.rounds, world.clock.ms, world.disk.statements, world.disk.hit)
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]


def run_story(seed: int, steps: int | None = None, traits: Traits | None = None) -> World:
    """Run one seed's story. Raises Broken where an invariant does not hold."""
    stories: list[Story] = []

    async def tell(world: World) -> None:
        told = steps if steps is not None else 30 + seed % 50
        stories.append(Story(world, seed, told, traits if traits is not None else draw(seed)))
        await stories[0].tell()

    return run_world(seed, tell)
