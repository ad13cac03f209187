"""Random stories around a demand to forget somebody: whatever the destination is doing when it comes, nothing of that person is sent
after the answer, the counters equal the rows, and no file of the store holds a word of what was there before."""

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
from tests.contract.test_people import consistent, demand, files_with, finish

USERS = ("user-one", "user-two", "user-three")
STEPS = 60


class Story:
    """One random life of a destination."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig, self.random, self.n = rig, Random(seed), 0
        self.old: list[str] = []  #: message ids of the person from before the demand
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
            fields |= {"groupId": f"group-{self.random.randrange(2)}"}
            fields |= {"traits": {"name": "N"}} if self.random.random() < 0.5 else {}
        elif self.random.random() < 0.3:
            fields["anonymousId"] = f"anon-of-{user}"
            if kind == "track":
                del fields["userId"]
        message_id = f"message-{self.n:04}-of-{user}"
        await self.rig.call(kind, message_id, event="E", **fields)
        if user == USERS[0] and not self.is_demanded:
            self.old.append(message_id)

    is_demanded = False


@pytest.mark.parametrize("seed", range(8))
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
