"""What a response with different outcomes comes to, with a real worker: what is sent again, how often, and who waits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from router.plugin import Batch, Delivered, Outcome, Pause
from tests.contract.rig import Plain, Rig, open_rig

Answer = Callable[[list[dict[str, Any]]], list[Outcome]]


class Fours(Plain):
    """Four items a request."""

    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch(max_items=4)}


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as made:
        yield made


def only_u1(outcome: Outcome) -> Answer:
    """This for each event of u1; all others are taken."""
    return lambda bodies: [outcome if body["user"] == "u1" else Delivered() for body in bodies]


async def send_many(rig: Rig, users: int = 40) -> int:
    """An event of each user, with one request on its way at a time. How often that of u1 was sent."""
    await rig.accept([rig.make("track", f"m{n}", userId=f"u{n}") for n in range(1, users + 1)])
    rig.start(Fours, delivery={"concurrency": 1})
    await rig.quiet()
    return sent(rig)


def sent(rig: Rig) -> int:
    return sum(body["m"] == "m1" for call in rig.vendor.calls for body in call)


async def test_a_403_for_one_event_beside_successes_is_an_attempt_of_that_event(rig: Rig) -> None:
    rig.vendor.answer = only_u1(Pause("credentials", "status 403", sure=False))
    await rig.store.cursor("d", rig.clock.now_ms())
    assert await send_many(rig) == 1
    assert await rig.fate("m1") == ("retrying", "credentials")
    assert rig.runner.status.state == "running"


async def test_a_wrong_key_pauses_the_destination_though_others_of_the_same_request_were_taken(rig: Rig) -> None:
    rig.vendor.answer = only_u1(Pause("credentials", "status 401"))
    await rig.store.cursor("d", rig.clock.now_ms())
    assert await send_many(rig) == 1
    assert (rig.runner.status.state, rig.runner.status.reason) == ("paused", "credentials")
