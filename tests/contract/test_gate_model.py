"""The real delivery side against a model of the gate and the lanes: random stories, compared whenever nothing moves any more.

`GATE_MODEL_EXAMPLES=500` tells more of them, each time others.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, ClassVar, cast
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from router.deliver.operations import CommandRefused
from router.deliver.runner import Runner
from router.event import Call
from router.plugin import (
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Group,
    Item,
    Outcome,
    Reject,
    Request,
    RetryLater,
    Skip,
    UserId,
    hookimpl,
)
from tests.contract.broken_builds import BUILDS
from tests.contract.gate_model import GATED, LATER, NO, OK, Model, Said, Seen
from tests.contract.rig import VENDOR_URL, Gated, line, over_http
from tests.contract.simulation import inside
from tests.contract.simulation.connections import InlineConnection
from tests.contract.simulation.invariants import one_fate_each, read_log, rows_and_counters
from tests.contract.simulation.world import STORY, World

EXAMPLES = int(os.environ.get("GATE_MODEL_EXAMPLES", "15"))
STEPS = 30
USERS, ANONYMOUS, GROUPS = ("u1", "u2", "u3"), ("x1", "x2"), ("acme", "beta")
KEYS = (*(f"u:{user}" for user in USERS), *(f"a:{anonymous}" for anonymous in ANONYMOUS))
LONG_S = 700.0
"""Longer than the longest wait before the next attempt."""


class Modelled(Gated):
    """Sends each call as it comes; a track and a page need a group with a name, and of a quiet group call it sends nothing."""

    requires: ClassVar[Mapping[str, tuple[UserId | Group, ...]]] = dict.fromkeys(GATED, (Group("id", "name"),))

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        if event.traits.get("quiet"):
            raise Skip("nothing")
        return line(event, context)

    @hookimpl
    def page(self, event: Event, context: Context) -> Item:
        return line(event, context)

    @hookimpl
    def alias(self, event: Event, context: Context) -> Item:
        return line(event, context)


class AttentiveVendor:
    """Tells the model what it is asked and what it answers. `words`: by message id, what it does not take."""

    def __init__(self, model: Model, random: Random) -> None:
        self.model, self.random = model, random
        self.words: dict[str, str] = {}
        self.told: list[list[Outcome]] = []  #: over HTTP, by number

    async def take(self, items: list[Item]) -> list[Outcome]:
        """What `deliver` asks."""
        return await self._answer([item.body for item in items])

    async def exchange(self, name: str, request: Request) -> Answer:
        """A request over HTTP. The answer is the number of what `verdict` makes of it."""
        self.told.append(await self._answer(json.loads(request.body)))
        return Answer(200, body=str(len(self.told) - 1).encode())

    def verdict(self, answer: Answer) -> list[Outcome]:
        """What is to be made of an answer."""
        return self.told[int(answer.body)]

    async def _answer(self, bodies: list[dict[str, Any]]) -> list[Outcome]:
        """One request, answered some turns of the loop later: others are on their way at the same time."""
        for body in bodies:
            self.model.asked(body)
        for _ in range(self.random.choice((0, 1, 4, 40))):
            await asyncio.sleep(0)
        answers: dict[str, Outcome] = {OK: Delivered(), LATER: RetryLater("status_503"), NO: Reject("rejected")}
        words = [self.words.get(body["m"], OK) for body in bodies]
        for body, word in zip(bodies, words, strict=True):
            self.model.answered(body["m"], word)
        return [answers[word] for word in words]


Fields = dict[str, Any]
"""A call as a story draws it: the fields of `Said`, and the vendor's `word`."""


def calls() -> st.SearchStrategy[list[Fields]]:
    """A request's worth, of a small world, so that things meet."""
    user, anonymous, group = map(st.sampled_from, (USERS, ANONYMOUS, GROUPS))
    who = st.one_of(
        st.fixed_dictionaries({"user": user}),
        st.fixed_dictionaries({"anonymous": anonymous}),
        st.fixed_dictionaries({"user": user, "anonymous": anonymous}),
    )
    word = st.sampled_from((OK, OK, OK, LATER, NO))
    own = st.one_of(st.none(), st.none(), group)
    drawn: list[st.SearchStrategy[Fields]] = [
        st.builds(lambda w, t, g, v: {**w, "type": t, "group": g, "word": v}, who, st.sampled_from(GATED), own, word),
        st.builds(lambda w, v: {**w, "type": "identify", "word": v}, who, word),
        st.builds(lambda u, a, v: {"type": "alias", "user": u, "previous": a, "word": v}, user, anonymous, word),
        st.builds(
            lambda w, g, named, course, v: {
                **w, "type": "group", "group": g, "tells_name": named, "course": course, "word": v,
            },
            st.one_of(who, st.just(Fields())),
            group,
            st.booleans(),
            st.sampled_from(("sent", "sent", "sent", "skipped", "filtered")),
            word,
        ),
    ]  # fmt: skip
    return st.lists(st.one_of(drawn[0], *drawn), min_size=1, max_size=5)


def moves() -> st.SearchStrategy[list[Fields]]:
    """A request's worth of tracks, and of users who move from group to group; the vendor refuses half of that."""
    who = st.sampled_from(
        ({"user": "u1"}, {"user": "u1"}, {"user": "u2"}, {"anonymous": "x1"}, {"user": "u2", "anonymous": "x1"})
    )
    track = st.builds(lambda w, v: {**w, "type": "track", "word": v}, who, st.sampled_from((OK, OK, OK, LATER)))
    group = st.builds(
        lambda w, g, v: {**w, "type": "group", "group": g, "tells_name": True, "course": "sent", "word": v},
        who,
        st.sampled_from((*GROUPS, "corp")),
        st.sampled_from((OK, LATER, NO, NO)),
    )
    return st.lists(st.one_of(track, group), min_size=1, max_size=4)


class GateMachine(RuleBasedStateMachine):
    """A story: calls, a vendor with moods, time, deaths, an operator. After each step nothing moves, and both must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.stack = ExitStack()
        self.failed = True  #: until it has begun

    # ------------------------------------------------------------ the world

    @initialize(
        seed=st.integers(0, 1 << 16),
        batch=st.sampled_from((1, 4)),
        http=st.booleans(),
        before=st.one_of(st.just([]), calls()),
    )
    def begin(self, seed: int, batch: int, http: bool, before: list[Fields]) -> None:
        """The destination begins, perhaps after some calls were accepted."""
        shared = Path("/dev/shm")
        folder = Path(tempfile.mkdtemp(prefix="gate-model-", dir=shared if shared.is_dir() else None))
        self.stack.callback(shutil.rmtree, folder)
        self.world = world = World(seed, folder)
        self.stack.callback(world.loop.close)
        self.vendor = AttentiveVendor(self.model, Random(f"{seed} vendor"))
        world.d.vendor = cast(Any, self.vendor)
        plugin = over_http(Modelled) if http else Modelled
        world.d.plugin = cast(Any, type("Modelled", (plugin,), {"kinds": {"": Batch(max_items=batch)}}))
        connection = type("Connection", (InlineConnection,), {"disk": world.disk})
        self.stack.enter_context(inside.connections(connection, sqlite3.connect))
        self.stack.enter_context(inside.network(self.vendor.exchange, VENDOR_URL))
        # An open breaker stops all users alike, which is another story.
        self.stack.enter_context(patch(inside.OPEN_AFTER, 1 << 30))
        self.stack.callback(lambda: self.run(world.kill()))
        self.run(self.start(before))
        self.settle()

    async def start(self, before: list[Fields]) -> None:
        """The first start of all."""
        await self.world.open()
        await self.world.send([self.make(fields, before=True) for fields in before])
        self.world.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run this, and the loop no longer than it takes."""
        loop = self.world.loop
        return loop.run_until_complete(loop.create_task(work, name=STORY))

    def make(self, fields: Fields, *, before: bool = False) -> Call:
        """A call for the router; the model hears of it as well."""
        pos = len(self.model.events) + 1
        said = Said(pos, f"m{pos}", before=before, **{name: value for name, value in fields.items() if name != "word"})
        self.model.accepted(said)
        self.vendor.words[said.m] = fields["word"]
        if self.model.paused:
            self.model.unread.add(said.m)
        ids = {"userId": said.user, "anonymousId": said.anonymous, "previousId": said.previous}
        body: dict[str, Any] = {name: value for name, value in ids.items() if value is not None}
        if said.type == "group":
            name = {"name": str(said.group).upper()} if said.tells_name else {}
            body |= {"groupId": said.group, "traits": {**name, "quiet": said.course == "skipped"}}
        elif said.group is not None:
            body["context"] = {"groupId": said.group}
        if said.course == "filtered":
            body["integrations"] = {"All": False}
        return self.world.make(said.type, said.m, **body)

    async def send(self, drawn: list[Fields]) -> None:
        """Accepted in one go, in this order."""
        made = [self.make(fields) for fields in drawn]
        await self.world.send(made)
        assert self.world.answered >= {call.message_id for call in made}

    def settle(self) -> None:
        """Wait until nothing moves without time passing; then compare."""
        self.failed = True
        self.run(self.world.loop.quiet())
        self.run(self.world.stand_up())
        self.compare()
        self.failed = False

    def compare(self) -> None:
        """What the store says of each event, and the model; and that the ledger adds up."""
        assert not self.world.faults_told()
        with self.world.reading() as db:
            events = read_log(db)
            rows_and_counters(db)
            one_fate_each(db, events)
            rows = db.execute("SELECT pos, user_key, queue FROM parked").fetchall()
        parked = {pos: (lane, queue) for pos, lane, queue in rows}
        now = {event.m: Seen(event.state, event.reason, *parked.get(event.pos, ("", ""))) for event in events}
        assert list(now) == [said.m for said in self.model.events]
        wrong = self.model.compare(now)
        assert not wrong, "\n".join(wrong)

    # ------------------------------------------------------------ what happens

    @rule(drawn=calls())
    def calls_come(self, drawn: list[Fields]) -> None:
        """All at once."""
        self.run(self.send(drawn))
        self.settle()

    @rule(drawn=calls(), turns=st.integers(0, 60))
    def calls_come_and_the_process_dies(self, drawn: list[Fields], turns: int) -> None:
        """Somewhere in the middle of them; it is started again."""

        async def work() -> None:
            await self.send(drawn)
            await self.world.turns(turns)
            await self.world.restart()

        self.run(work())
        self.settle()

    @rule()
    def the_process_dies(self) -> None:
        """While nothing moves."""
        self.run(self.world.restart())
        self.settle()

    @rule()
    def the_destination_is_reloaded(self) -> None:
        """Stopped in good order, and opened again from the store."""

        async def work() -> None:
            await self.world.stop()
            self.world.start()

        self.run(work())
        self.settle()

    @rule(seconds=st.sampled_from((1.0, 30.0, LONG_S)))
    def time_passes(self, seconds: float) -> None:
        """What is due is tried again."""
        self.run(self.world.pass_time(seconds))
        if seconds == LONG_S and not self.model.paused:
            self.model.waits_for_nothing.clear()
        self.settle()

    @precondition(lambda self: LATER in self.model.answers.values())
    @rule(data=st.data(), word=st.sampled_from((OK, OK, NO)))
    def the_vendor_makes_up_its_mind(self, data: st.DataObject, word: str) -> None:
        """About an event that it put off."""
        put_off = sorted(m for m, last in self.model.answers.items() if last == LATER)
        self.vendor.words[data.draw(st.sampled_from(put_off))] = word

    # ------------------------------------------------------------ the operator

    @precondition(lambda self: not self.model.paused)
    @rule()
    def the_operator_pauses_it(self) -> None:
        """Nothing is sent, nothing more is read."""
        self.command(lambda runner: runner.pause())
        self.model.paused = True
        self.settle()

    @precondition(lambda self: self.model.paused)
    @rule()
    def the_operator_resumes_it(self) -> None:
        """What came meanwhile has its turn now."""
        self.model.paused = False
        self.model.unread.clear()
        self.command(lambda runner: runner.resume())
        self.settle()

    @rule(lane=st.sampled_from(KEYS))
    def the_operator_asks_a_gate_again(self, lane: str) -> None:
        """It is refused where the gate is still shut."""
        held = self.model.held_in(lane)
        asked_for = [
            said for said in held[:1] if self.model.answers.get(said.m) != LATER
        ]  # what was tried is through its gate
        shut = [said for said in asked_for if self.model.gate(said, lane, self.model.supplies).reason]
        wanted = "requirements_missing" if shut else len(held) or "not_held"
        asked = self.command(lambda runner: runner.release(lane, None))
        unsure = held and (held[0].m in self.model.given or not self.model.open_for_sure(held[0], lane))
        assert asked == wanted or (unsure and asked == "requirements_missing"), (asked, wanted)
        self.settle()

    @rule(lane=st.sampled_from(KEYS))
    def the_operator_releases_with_a_group(self, lane: str) -> None:
        """What is held goes for that group."""
        held = self.model.held_in(lane)
        self.model.given |= {said.m: "gift" for said in held if self.model.seen[said.m].state == "held"}
        asked = self.command(lambda runner: runner.release(lane, {"id": "gift", "name": "GIFT"}))
        assert asked == (len(held) or "not_held")
        self.settle()

    @rule(lane=st.sampled_from(KEYS))
    def the_operator_drops_what_is_held(self, lane: str) -> None:
        """It is dead."""
        held = self.model.held_in(lane)
        self.model.dropped |= {said.m for said in held}
        for said in held:
            if self.model.answers.get(said.m) == LATER:
                self.model.waits_for_nothing.setdefault(said.m, set()).add(lane)
        asked = self.command(lambda runner: runner.drop(lane))
        assert asked == (len(held) or "not_held")
        self.settle()

    def command(self, ask: Callable[[Runner], Coroutine[Any, Any, Any]]) -> Any:
        """What the operator is told: the answer, or the code of the refusal."""

        async def work() -> Any:
            assert self.world.d.runner is not None
            try:
                return await ask(self.world.d.runner)
            except CommandRefused as refused:
                return refused.code

        return self.run(work())

    # ------------------------------------------------------------ the end

    def teardown(self) -> None:
        """The vendor takes all that it put off; then nothing may be left but what a shut gate holds."""
        try:
            if not self.failed and hasattr(self, "vendor"):
                self.end()
        finally:
            self.stack.close()

    def end(self) -> None:
        """Calm weather, and time."""
        self.vendor.words = {m: OK if word == LATER else word for m, word in self.vendor.words.items()}
        if self.model.paused:
            self.the_operator_resumes_it()
        for _ in range(3):
            self.time_passes(LONG_S)
        done = ("before", "delivered", "dead", "skipped", "filtered", "held")
        # What was tried before it joined its user may stand behind a shut gate there, and says that it is retried.
        left = {m: seen for m, seen in self.model.seen.items() if seen.state not in done and seen.queue != "held"}
        assert not left, left


class RefusingMachine(GateMachine):
    """The same, with a vendor that refuses half of the group calls."""

    @rule(drawn=moves())
    def users_move(self, drawn: list[Fields]) -> None:
        """All at once."""
        self.run(self.send(drawn))
        self.settle()

    @rule(drawn=moves())
    def users_move_again(self, drawn: list[Fields]) -> None:
        """So that it is done as often as all the rest."""
        self.users_move(drawn)


def tell(examples: int, machine: type[GateMachine] = GateMachine, *, always_the_same: bool) -> None:
    """Run so many stories. Raises AssertionError where the router and the model do not agree."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        derandomize=always_the_same,
        database=None,
        phases=[Phase.generate, *([Phase.shrink] if "GATE_MODEL_SHRINK" in os.environ else [])],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=chosen)


def test_the_gate_and_the_lanes_do_what_the_model_says() -> None:
    tell(EXAMPLES, always_the_same="GATE_MODEL_EXAMPLES" not in os.environ)


def test_refused_group_calls_are_no_memberships() -> None:
    tell(EXAMPLES, RefusingMachine, always_the_same="GATE_MODEL_EXAMPLES" not in os.environ)


def says(group: str, word: str, course: str = "sent") -> Fields:
    """A group call of the one user that a plain story has."""
    return {"user": "u1", "type": "group", "group": group, "tells_name": True, "course": course, "word": word}


@pytest.mark.parametrize(
    "first",
    [[says("acme", LATER)], [{"user": "u1", "type": "identify", "word": LATER}, says("acme", OK, "skipped")]],
    ids=["it is sent", "nothing of it is sent"],
)
def test_an_earlier_call_stands_in_for_one_that_waits_before_a_skipped_one_brings_back_a_refused_group(
    first: list[Fields],
) -> None:
    story = RefusingMachine()
    story.begin(seed=1, batch=1, http=False, before=[])
    track: Fields = {"user": "u1", "type": "track", "word": OK}
    for call in [*first, says("beta", NO), track, says("acme", NO), says("beta", OK, "skipped")]:
        story.calls_come([call])
    tracked = next(said.m for said in story.model.events if said.type == "track")
    story.teardown()
    assert story.model.mapped[tracked] == ("u1", "acme")


def test_what_was_parked_behind_a_retry_that_moves_on_to_its_user_waits_until_that_would_have_been_due() -> None:
    browser: Fields = {"anonymous": "x1", "word": OK}
    linked: Fields = {"type": "alias", "previous": "x1", "word": LATER}
    story = RefusingMachine()
    story.begin(seed=10849, batch=1, http=False, before=[{**linked, "user": "u1"}])
    joins: Fields = {"anonymous": "x2", "type": "group", "group": "acme", "tells_name": True, "word": OK}
    both: Fields = {"user": "u1", "anonymous": "x1", "type": "track", "word": OK}
    story.calls_come([{**browser, "type": "page", "word": LATER}, both, joins])
    first: Fields = {"type": "alias", "user": "u1", "previous": "x2", "word": LATER}
    story.calls_come([first, {**linked, "user": "u2"}, {**browser, "type": "identify"}])
    story.calls_come([{**browser, "type": "track"}])
    story.calls_come([{**linked, "user": "u1"}])
    assert story.model.seen["m8"] == Seen("queued", "behind_lane", "a:x1", "main")
    story.time_passes(LONG_S)
    assert story.model.seen["m8"].state == "held"
    story.teardown()


def test_the_model_finds_a_gate_that_opens_on_seeing_a_group() -> None:
    build, _ = BUILDS["opens_the_gate_on_seeing_a_group"]
    with build(), pytest.raises(AssertionError, match=r"gate is shut|not one of|^\(\d+, 'requirements_missing'\)"):
        tell(EXAMPLES, always_the_same=True)
