"""Random stories around a demand to forget a person or a group: whatever the destination is doing when it comes, nothing of theirs is
sent after the answer, the counters equal the rows, and no file of the store holds a word of what was there before."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from random import Random
from typing import Any

import pytest

from router.deliver.runner import ReplayOrder
from router.errors import CommandRefused
from router.plugin import Delivered, Outcome, Reject, RetryLater
from router.store import DeadLetterFilter
from tests.contract.rig import Packing, Rig, open_rig
from tests.contract.test_forget_group import demand_of_group
from tests.contract.test_people import consistent, demand, files_with, finish
from tests.sampled import every

pytestmark = pytest.mark.usefixtures("backend")
USERS = ("user-one", "user-two", "user-three")
GROUP = "group-0"
STEPS = 60


class Story:
    """One random life of a destination."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig, self.random, self.n = rig, Random(seed), 0
        self.old: list[str] = []  #: message ids of the person or group from before the demand
        self.groups = [GROUP, "group-1"]
        self.is_over = False
        rig.vendor.answer = self.answer

    async def answer(self, bodies: list[dict[str, Any]]) -> list[Outcome]:
        for _ in range(self.random.randrange(8)):
            await asyncio.sleep(0)
        return [self.outcome() for _ in bodies]

    def outcome(self) -> Outcome:
        if self.is_over:
            return Delivered()
        kinds = [Delivered(), Reject("no", "words"), RetryLater("busy", after_s=self.random.choice((1, 30)))]
        return self.random.choices(kinds, (7, 1, 3))[0]

    async def step(self) -> None:
        what = self.random.choices(("call", "time", "look", "crash", "replay"), (20, 3, 3, 1, 1))[0]
        if what == "call":
            await self.call()
        elif what == "time":
            self.rig.clock.advance(self.random.choice((1, 40)))
        elif what == "look":
            await self.rig.vendor_moves()
        elif what == "crash":
            await self.rig.crash()
            self.rig.start(Packing)
        else:
            with contextlib.suppress(CommandRefused):
                await self.rig.runner.replay(ReplayOrder(letters=DeadLetterFilter()))

    async def call(self) -> None:
        self.n += 1
        user = self.random.choice(USERS)
        fields: dict[str, Any] = {"userId": user}
        kind = self.random.choice(("identify", "group", "track", "track", "track"))
        if kind == "group":
            fields |= {"groupId": self.random.choice(self.groups)}
            fields |= {"traits": {"name": f"name of {fields['groupId']}"}} if self.random.random() < 0.5 else {}
        elif self.random.random() < 0.1:
            fields["context"] = {"groupId": self.random.choice(self.groups)}
        elif self.random.random() < 0.3:
            fields["anonymousId"] = f"anon-of-{user}"
            if kind == "track":
                del fields["userId"]
        message_id = f"message-{self.n:04}-of-{user}"
        await self.rig.call(kind, message_id, event="E", **fields)
        if self.is_theirs(user, fields) and not self.is_demanded:
            self.old.append(message_id)

    def is_theirs(self, user: str, fields: dict[str, Any]) -> bool:
        """Whether the event is one of those that are forgotten."""
        return user == USERS[0]

    is_demanded = False


@pytest.mark.parametrize("seed", every(2, range(8)))
async def test_nothing_of_a_person_is_sent_after_the_answer_whatever_goes_on(tmp_path: Path, seed: int) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Packing)
        story = Story(rig, seed)
        for _ in range(STEPS):
            await story.step()
        story.is_demanded = True
        keys = ("u:user-one",)
        regulation = await rig.store.people.begin(demand(*keys, also=("a:anon-of-user-one",)))
        await rig.runner.forget(regulation)
        sent = len(rig.vendor.calls)
        finishing = asyncio.create_task(finish(rig, regulation))
        for _ in range(STEPS // 2):
            await story.step()
        await finishing
        story.is_over = True
        await rig.pass_time(7200, 600)
        later = {body["m"] for bodies in rig.vendor.calls[sent:] for body in bodies}
        assert later.isdisjoint(story.old)
        consistent(rig)
        assert files_with(rig, *story.old) == []
        fates = [await rig.fate(message_id) for message_id in story.old]
        assert {state for state, _ in fates} <= {"delivered", "dead"}


class GroupStory(Story):
    """A group is forgotten, which nobody names after that."""

    def is_theirs(self, user: str, fields: dict[str, Any]) -> bool:
        return GROUP in (fields.get("groupId"), fields.get("context", {}).get("groupId"))


@pytest.mark.parametrize("seed", every(2, range(8)))
async def test_nothing_of_a_group_is_sent_after_the_answer_whatever_goes_on(tmp_path: Path, seed: int) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Packing)
        story = GroupStory(rig, seed)
        for _ in range(STEPS):
            await story.step()
        story.is_demanded, story.groups = True, ["group-1"]
        regulation = await rig.store.people.begin(demand_of_group(GROUP))
        await rig.runner.forget(regulation)
        sent = len(rig.vendor.calls)
        finishing = asyncio.create_task(finish(rig, regulation))
        for _ in range(STEPS // 2):
            await story.step()
        await finishing
        story.is_over = True
        await rig.pass_time(7200, 600)
        later = [body for bodies in rig.vendor.calls[sent:] for body in bodies]
        assert {body["m"] for body in later}.isdisjoint(story.old)
        assert {body["group"] for body in later} <= {None, "group-1"}
        consistent(rig)
        assert files_with(rig, GROUP, f"name of {GROUP}", *story.old) == []
        fates = [await rig.fate(message_id) for message_id in story.old]
        assert {state for state, _ in fates} <= {"delivered", "dead"}
