"""Scenes at the end of a story, each with a vendor whose mood is known: so that what is promised of fairness, pauses, ages and
replays can be asked exactly. Most of them are cut in two by the end of the process, in some seeds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from router.deliver.runner import ReplayOrder
from router.event import Call
from tests.contract.simulation import inside
from tests.contract.simulation.invariants import hold
from tests.contract.simulation.vendor import plugin

if TYPE_CHECKING:
    from tests.contract.simulation.story import Story


class Stage:
    """What the scenes have in common: fresh users with fresh events, one item a request, and a look at the vendor."""

    def __init__(self, story: Story) -> None:
        self.story, self.world = story, story.world
        self.vendor = story.world.d.vendor
        self.random: Random = story.more
        self._made = 0

    async def configure(self, *, concurrency: int, **tables: Any) -> None:
        """Reload the destination, one item a request."""
        delivery = {"concurrency": concurrency, **tables.pop("delivery", {})}
        self.world.d.plugin = plugin(gated=self.story.gated, folding=self.story.folding, batch=1)
        self.world.d.tables = {"mode": "live", "delivery": delivery, **tables}
        await self.world.stop()
        self.world.start()
        await self.world.loop.quiet()

    def call(self, type_: str, **fields: Any) -> Call:
        """A fresh event."""
        self._made += 1
        return self.world.make(type_, f"s{self._made}", **fields)

    async def send(self, calls: list[Call]) -> list[str]:
        """Accept them in one go. Returns their message ids."""
        await self.world.send(calls)
        return [call.message_id for call in calls]

    def asked(self, since: int = 0) -> list[tuple[int, str]]:
        """What the vendor was asked since so many requests: when (ms), and what first."""
        return [(at, ids[0]) for at, ids in self.vendor.requests[since:]]

    def waiting(self, ids: Iterable[str]) -> set[str]:
        """Those that did not reach the vendor."""
        on_their_way = {m for some in self.vendor.in_flight.values() for m in some}
        return set(ids) - on_their_way - self.arrived()

    def arrived(self, since: int = 0) -> set[str]:
        """What the vendor took, since so many items."""
        return {body["m"] for body in self.vendor.received[since:]}

    @property
    def state(self) -> str:
        """Whether the destination runs, and if not, why."""
        assert self.world.d.runner is not None
        status = self.world.d.runner.status
        return status.reason or status.state

    async def perhaps_die(self, chance: float = 0.3) -> None:
        """In some seeds the process ends here, and begins anew."""
        if self.random.random() < chance:
            await self.world.restart()
            await self.world.loop.quiet()

    def fates(self, ids: Iterable[str]) -> dict[str, tuple[str, str]]:
        """State and reason of these events."""
        with self.world.reading() as db:
            return inside.fates(db, "d", ids)

    async def rest(self) -> None:
        """The vendor is well and quick again; time for all that waits."""
        self.vendor.mood, self.vendor.latency_s = None, 0.0
        for _ in range(2):
            await self.world.pass_time(400)
            self.story.look()


def without_bounds_of_bytes(story: Story) -> None:
    """The scene counts requests: as many go out as may, whatever their size."""
    for name in inside.BYTES:
        story.world.patches.enter_context(patch(name, inside.LATER_BOUNDS[name][-1]))


async def hot_user(story: Story) -> None:
    """One user sends more than all others together, to a slow vendor. Nobody else waits while requests are free."""
    stage, r = Stage(story), story.more
    without_bounds_of_bytes(story)
    concurrency = r.choice((2, 3, 10))
    for name, size in {inside.WINDOW_EVENTS: 40, inside.WINDOW_USER: 4}.items():
        if inside.bound(name) is not None:
            story.world.patches.enter_context(patch(name, size))
    await stage.configure(concurrency=concurrency)
    hot = [stage.call("identify", userId="hot") for _ in range(90)]
    others = [stage.call("identify", userId=f"other{n}") for n in range(8)]
    mixed = sorted([*hot, *others], key=lambda call: r.random() + (call in others))  # most of the hot ones go first
    stage.vendor.latency_s = 1.0
    for at in range(0, len(mixed), 10):
        await stage.send(mixed[at : at + 10])
    await stage.world.loop.quiet()
    ids = [call.message_id for call in others]
    for _ in range(len(others) + 3):
        waiting, busy = stage.waiting(ids), len(stage.vendor.in_flight)
        hold("nobody waits while requests are free", not waiting or busy >= concurrency, (waiting, busy, concurrency))
        assert story.world.d.runner is not None
        most = max((events for events, _ in inside.window(story.world.d.runner).values()), default=0)
        hold("no user fills the window", most <= inside.user_events(), (most, inside.user_events()))
        await stage.perhaps_die(0.1)
        await stage.world.pass_time(1)
    hold("nobody waits for long", not stage.waiting(ids), stage.waiting(ids))
    await stage.rest()


async def retry_beside_release(story: Story) -> None:
    """A retry becomes due while many released events go out: it is tried within a few requests."""
    stage, r = Stage(story), story.more
    without_bounds_of_bytes(story)
    concurrency = r.choice((2, 3))
    await stage.configure(concurrency=concurrency)
    held = [stage.call("track", userId=f"held{n}", groupId="late", event="E", properties={}) for n in range(60)]
    await stage.send(held)
    await stage.world.loop.quiet()
    again = stage.call("identify", userId="again")
    stage.vendor.mood = lambda bodies: "503" if bodies[0]["m"] == again.message_id else ""
    await stage.send([again])
    await stage.world.loop.quiet()
    stage.vendor.mood = lambda bodies: ""
    with stage.world.reading() as db:
        due = inside.retried_lanes(db, "d")["u:again"]
    stage.vendor.latency_s = 0.2
    before = len(stage.vendor.requests)
    await stage.send([stage.call("group", userId="boss", groupId="late", traits={"name": "LATE"})])
    most = 3 * concurrency + 6
    for _ in range(60):
        asked = stage.asked(before)
        late = [m for at, m in asked if at > due]
        tried = next((place for place, m in enumerate(late) if m == again.message_id), None)
        hold("a due retry does not wait behind a release", (len(late) if tried is None else tried) <= most, late)
        if tried is not None or any(m == again.message_id for _, m in asked):
            break
        await stage.world.pass_time(0.1)
        busy = len(stage.vendor.in_flight)
        left = stage.waiting(call.message_id for call in held)
        used = len(left) < 60 and len(left) > concurrency and stage.state == "running"
        usable = max(1, min(concurrency * 3 // 4, inside.bound(inside.DRAINING) or concurrency))
        hold("a release uses what is free", not used or busy >= usable, (busy, concurrency))
    await stage.rest()


async def full_outbox(story: Story) -> None:
    """More events wait for a slow vendor than the window has room for, with released ones. The destination waits, and does not
    spin."""
    stage = Stage(story)
    without_bounds_of_bytes(story)
    story.world.patches.enter_context(patch(inside.WINDOW_EVENTS, 6))
    await stage.configure(concurrency=1)
    held = [stage.call("track", userId=f"door{n}", groupId="door", event="E", properties={}) for n in range(10)]
    ids = await stage.send(held)
    await stage.world.loop.quiet()
    stage.vendor.latency_s = 20.0
    stage.vendor.mood = lambda bodies: ""
    await stage.send([stage.call("group", userId="boss", groupId="door", traits={"name": "DOOR"})])
    ids += await stage.send([stage.call("identify", userId=f"fresh{n}") for n in range(6)])
    await stage.world.pass_time(130)
    hold("nobody spins", story.world.loop.spun == 0, story.world.loop.spun)
    await stage.rest()
    hold("a slow vendor gets all", not stage.waiting(ids), stage.waiting(ids))


async def slow_release(story: Story) -> None:
    """Released events wait for their turn longer than they may be held. That is no reason to give them up."""
    stage = Stage(story)
    without_bounds_of_bytes(story)
    await stage.configure(concurrency=1, hold={"max_age": "1m"})
    held = [stage.call("track", userId=f"slow{n}", groupId="slow", event="E", properties={}) for n in range(20)]
    ids = await stage.send(held)
    await stage.world.loop.quiet()
    stage.vendor.latency_s = 6.0
    stage.vendor.mood = lambda bodies: ""
    await stage.send([stage.call("group", userId="boss", groupId="slow", traits={"name": "SLOW"})])
    await stage.world.pass_time(40)
    await stage.perhaps_die()
    await stage.world.pass_time(200)
    dead = {m: fate for m, fate in stage.fates(ids).items() if fate[0] == "dead"}
    hold("what was released does not expire", not dead, dead)
    await stage.rest()


async def outage(story: Story) -> None:
    """A vendor with one or two users is down for longer than events may be tried: the breaker opens, and they outlive it."""
    stage = Stage(story)
    await stage.configure(concurrency=3, delivery={"max_age": "30m"})
    stage.vendor.mood = lambda bodies: "503"
    users = [f"u{n}" for n in range(story.traits.few)]
    ids = await stage.send([stage.call("identify", userId=user) for user in users for _ in range(3)])
    await stage.world.pass_time(1_200)
    failed = len(stage.vendor.requests)
    hold("the breaker opens", stage.state != "running", (stage.state, failed))
    await stage.perhaps_die()
    before = len(stage.vendor.requests)
    await stage.world.pass_time(3_600)
    probes = len(stage.vendor.requests) - before
    hold("an open breaker probes once a minute", probes <= 62, probes)
    dead = {m: fate for m, fate in stage.fates(ids).items() if fate[0] == "dead"}
    hold("nothing ages while the breaker is open", not dead, dead)
    await stage.rest()
    hold("an outage ends", not stage.waiting(ids), (stage.waiting(ids), stage.state))


async def wrong_key(story: Story) -> None:
    """A wrong key, and a vendor that is in trouble beside that: its probes keep their distance whatever they meet."""
    stage, r = Stage(story), story.more
    await stage.configure(concurrency=r.choice((1, 3)))
    stage.vendor.mood = lambda bodies: "401"
    ids = await stage.send([stage.call("identify", userId=f"key{n}") for n in range(30)])
    await stage.world.loop.quiet()
    hold("a wrong key pauses", stage.state == "credentials", stage.state)
    stage.vendor.mood = lambda bodies: r.choice(("503", "reset", "timeout", "401"))
    await stage.perhaps_die()
    before = len(stage.vendor.requests)
    await stage.world.pass_time(1_600)
    probes = len(stage.vendor.requests) - before
    hold("a pause for credentials paces its probes", probes <= 7, probes)
    await stage.rest()
    hold("a pause for credentials ends", not stage.waiting(ids), (stage.waiting(ids), stage.state))


async def disabled(story: Story) -> None:
    """A destination is disabled for longer than its events may be held or tried. Nothing ages meanwhile."""
    stage = Stage(story)
    ages = {"hold": {"max_age": "10m"}, "delivery": {"max_age": "10m"}}
    await stage.configure(concurrency=3, **ages)
    calls = [stage.call("identify", userId="later")]
    stage.vendor.mood = lambda bodies: "503" if bodies[0]["m"] == calls[0].message_id else ""
    if story.gated:
        calls += [stage.call("track", userId=f"aged{n}", groupId="none", event="E", properties={}) for n in range(3)]
    ids = await stage.send(calls)
    await stage.world.pass_time(100)
    await stage.configure(concurrency=3, enabled=False, **ages)
    await stage.world.pass_time(1_800)
    await stage.perhaps_die()
    await stage.world.pass_time(1_800)
    await stage.configure(concurrency=3, **ages)
    dead = {m: fate for m, fate in stage.fates(ids).items() if fate[0] == "dead"}
    hold("nothing ages while disabled", not dead, dead)
    await stage.rest()


async def late_replay(story: Story) -> None:
    """What is about to be trimmed is replayed, slowly, while more comes and the log is trimmed: all of it is sent."""
    stage, vendor = Stage(story), story.world.d.vendor
    retention_s = story.world.retention_s
    assert retention_s is not None
    await stage.configure(concurrency=1)
    named = stage.call("group", userId="boss", groupId="old", traits={"name": "OLD"})
    await stage.send([named])
    await stage.world.loop.quiet()
    old = [stage.call("track", userId=f"old{n}", groupId="old", event="E", properties={}) for n in range(6)]
    ids = await stage.send(old)
    ids += await stage.send([stage.call("group", userId=f"old{n}", groupId="old", traits={}) for n in range(6)])
    await stage.world.loop.quiet()
    stage.world.clock.advance(int(1000 * retention_s) - 2_000)
    await stage.world.loop.quiet()
    place, since = len(vendor.received), story.world.clock.ms - int(1000 * retention_s)
    vendor.latency_s = 1.0
    vendor.mood = lambda bodies: ""
    with patch(inside.REPLAYED_LANES, 1), patch(inside.REPLAYED_SLICE, 1):
        story.again |= set(ids) | {named.message_id}
        story.expect_all_again()
        await stage.world.command(lambda runner: runner.replay(ReplayOrder(since_ms=since)))
        for _ in range(25):
            await stage.send([stage.call("identify", userId=f"new{n}") for n in range(3)])
            await stage.world.pass_time(2)
            await stage.perhaps_die(0.05)
        vendor.latency_s = 0.0
        await stage.world.pass_time(60)
    missing = set(ids) - stage.arrived(place)
    hold("a replay sends all of its span", not missing, missing)
    await stage.rest()


SPINS = "more waits for a slow vendor than may"
SCENES: dict[str, Callable[[Story], Awaitable[None]]] = {
    "a user with most of the traffic": hot_user,
    "a retry beside a release": retry_beside_release,
    "a release longer than the hold lasts": slow_release,
    SPINS: full_outbox,
    "an outage with few users": outage,
    "a wrong key and other errors": wrong_key,
    "disabled for long": disabled,
    "a replay beside trimming": late_replay,
}
GATED_ONLY = frozenset(
    {"a retry beside a release", "a release longer than the hold lasts", SPINS, "a replay beside trimming"}
)
FEW_USERS = frozenset({"an outage with few users"})
TRIMMED = frozenset({"a replay beside trimming"})
"""Scenes of destinations with a gate, with one or two users, and with a log that is trimmed."""
