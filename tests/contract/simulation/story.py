"""Random stories: users, groups, links, a faulty vendor and disk, operators, reloads, deaths at any instant. What a seed draws
stays the same; what must hold is asked after each step, and all of it at the end."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from router.deliver.runner import ReplayOrder, Runner
from router.event import Call
from router.store import Letters
from tests.contract.simulation import invariants
from tests.contract.simulation.connections import FAULTS
from tests.contract.simulation.invariants import Accepted, hold
from tests.contract.simulation.vendor import plugin
from tests.contract.simulation.world import COMMAND, World, run_world

GIFT = {"id": "gift", "name": "GIFT"}
"""The group an operator releases with."""


class Story:
    """One seed's story, told to a world."""

    def __init__(self, world: World, seed: int, steps: int) -> None:
        self.world, self.steps = world, steps
        self.random = Random(f"{seed} story")
        self.messages = 0
        self.gated, self.folding = self.random.random() < 0.7, self.random.random() < 0.5
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
        self.world.plugin = plugin(gated=self.gated, folding=self.folding, batch=r.choice((1, 1, 4)))
        mode = "live" if live else "dry-run"
        enabled = r.random() > 0.05
        self.world.tables = {"hold": hold_, "delivery": delivery, "dead": dead, "mode": mode, "enabled": enabled}

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
                self.world.vendor.poison.add(f"m{self.messages}")
            calls.append(self.world.make(type_, f"m{self.messages}", **fields))
        return calls

    def operation(self) -> Callable[[Runner], Coroutine[Any, Any, Any]]:
        """Something an operator asks for."""
        r = self.random
        key = r.choice((f"u:u{r.randrange(5)}", f"a:x{r.randrange(3)}"))
        pos = r.randrange(1, self.messages + 2)
        since = self.world.clock.ms - r.choice((1_000, 60_000, 1 << 40))
        which = Letters(reason=r.choice((None, None, "refused")))

        async def replay(runner: Runner, order: ReplayOrder) -> None:
            self.again |= {f"m{n}" for n in range(self.messages + 1)}
            await runner.replay(order)

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

    async def step(self) -> None:
        """Something happens, and the loop runs a little."""
        world, r = self.world, self.random
        dice = r.random()
        if dice < 0.62:
            world.spawn(world.send(self.calls()))
        elif dice < 0.68:
            await (world.restart() if r.random() < 0.6 else self.crash_worker())
        elif dice < 0.74:
            world.disk.plan(r.choice(FAULTS), r.randrange(40))
        elif dice < 0.78:
            if world.tables["mode"] == "live":
                self.settings()
                await self.reload()
        elif dice < 0.9:
            await world.send_again()
            world.clock.advance(r.choice((200, 2_000, 30_000, 120_000)))
        else:
            world.spawn(world.command(self.operation()), COMMAND)
        await world.turns(r.randrange(60))

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
        with self.world.reading() as db:
            invariants.rows_and_counters(db)

    # ------------------------------------------------------------ the end

    async def end(self) -> None:
        """No more faults; everything comes to where it belongs."""
        world = self.world
        world.vendor.faults, world.disk.left = False, -1
        self.settings()
        world.tables["enabled"] = True
        await world.stand_up()
        await world.stop()
        await world.stand_up()
        world.start()
        await world.loop.quiet()
        await world.send_again()
        await world.command(lambda runner: runner.resume())
        for _ in range(6):
            await world.pass_time(400)
            self.look()
        hold("clients are answered", not world.unanswered, world.unanswered)
        hold("commands are answered", world.commands == 0, world.commands)
        self.check_all()
        await self.check_gates_left_shut()
        if self.random.random() < 0.3:
            await self.replay_all()

    def check_all(self) -> None:
        """What holds once all is calm."""
        world = self.world
        with world.reading() as db:
            events = invariants.read_log(db)
            invariants.one_fate_each(db, events)
            invariants.nothing_lost(events, world.answered, world.vendor.received)
            invariants.order_kept(events, world.vendor.received, self.gated, self.again | world.buried)
            if self.gated:
                invariants.gates_kept(events, world.vendor.received, self.given)
            if self.folding and not any(e.reason == "dry_run" for e in events):
                invariants.state_is_the_fold(db, events, world.vendor.received, self.again)
            lanes = db.execute("SELECT user_key, mode, due_at, need FROM lane WHERE mode <> 'waiting'").fetchall()
        hold(
            "nothing is left queued",
            not [e for e in events if e.state == "queued"],
            [e for e in events if e.state == "queued"],
        )
        hold("nothing is tried for ever", not lanes, lanes)
        for event in events:
            self.check_end(event)
        told = world.faults_told()
        steps = sum(hit.startswith("step") for hit in world.disk.hit)
        hold("no fault of the router itself", len(told) <= steps, told)

    def check_end(self, event: Accepted) -> None:
        """Whether this event could come to this."""
        vendor = self.world.vendor
        if event.state == "held":
            hold("only gated calls are held", self.gated and event.type == "track", event)
        if event.state == "dead" and event.reason in ("refused", "rejected", "plugin_error"):
            odd = event.fields.get("properties", {}).get("odd")
            cause = event.m in vendor.poison or event.m in vendor.blamed or odd == "boom"
            hold("nothing is dead without a cause", cause, event)
        if event.m in vendor.poison:
            hold("what is refused is not delivered", event.state != "delivered" or event.reason == "dry_run", event)

    async def check_gates_left_shut(self) -> None:
        """Asking every gate again releases nothing, also after a restart."""
        world = self.world
        before = len(world.vendor.received)
        await world.restart()
        for round_ in range(2):
            with world.reading() as db:
                held = [key for (key,) in db.execute("SELECT user_key FROM lane WHERE held > 0")]
            for key in held:
                await world.command(lambda runner, key=key: runner.release(key, None))  # type: ignore[misc]
            await world.pass_time(61 * round_)
        hold("no gate is left shut", len(world.vendor.received) == before, world.vendor.received[before:])

    async def replay_all(self) -> None:
        """Everything once more, in calm weather: second sendings are counted, in order, and change no event's state."""
        world = self.world
        with world.reading() as db:
            before = invariants.read_log(db)
            replayed = db.execute("SELECT replayed FROM cursor").fetchone()[0]
            letters = {m for (m,) in db.execute("SELECT message_id FROM dead")}
            waiting = {m for (m,) in db.execute("SELECT message_id FROM parked")}
        place = len(world.vendor.received)
        await world.command(lambda runner: runner.stop_replay())
        await world.command(lambda runner: runner.replay(ReplayOrder()))
        await world.pass_time(400)
        self.look()
        received = world.vendor.received[place:]
        with world.reading() as db:
            after = invariants.read_log(db)
            invariants.one_fate_each(db, after)
            counted = db.execute("SELECT replayed FROM cursor").fetchone()[0] - replayed
        once = letters | {e.m for e in before if e.state == "held"}
        sent = Counter(body["m"] for body in received if body.get("part") == 0)
        twice = sum(n - (m in once) for m, n in sent.items())
        hold("replayed counts second sendings", counted == twice, (counted, twice, sent))
        changed = [
            (old, new) for old, new in zip(before, after, strict=True) if old.state != new.state and old.m not in once
        ]
        wrong = [pair for pair in changed if not pair[0].early]  # of those it never was to get, the last sending says
        hold("a second sending changes no state", not wrong, wrong)
        calls = (
            [e for e in before if e.type == "group"] + [e for e in before if e.type != "group"]
            if self.gated
            else before
        )
        invariants.order_kept(calls, received, self.gated, waiting)


def trace_of(world: World) -> str:
    """What happened, so that two runs can be compared."""
    seen = (world.vendor.received, world.loop.rounds, world.clock.ms, world.disk.statements, world.disk.hit)
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()[:16]


def run_story(seed: int, steps: int | None = None) -> World:
    """Run one seed's story. Raises Broken where an invariant does not hold."""
    stories: list[Story] = []

    async def tell(world: World) -> None:
        stories.append(Story(world, seed, steps if steps is not None else 30 + seed % 50))
        await stories[0].tell()

    return run_world(seed, tell)
