"""The notifier goes on after a fault of its own. A vendor that listens; a client that cannot be opened the first time."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from types import SimpleNamespace
from typing import cast

import pytest

from router.background import AFTER_FAULT_S
from router.config import Config, DeliveryConfig, NotifyConfig
from router.deliver.send.http_client import Client, open_client
from router.explain.reasons import Actor
from router.explain.troubles import Trouble
from router.notify import notifier
from router.notify.notifier import Notifier, Watched
from router.notify.sight import Seen
from router.testing.clock import FakeClock
from router.testing.vendor import FakeVendor
from tests.unit.test_background import Lines, until


class Memory:
    """What was told, not on a disk."""

    async def are_ours(self) -> bool:
        return True

    async def give_back(self) -> None:
        pass

    async def read(self) -> bytes | None:
        return None

    async def write(self, text: bytes) -> None:
        pass


def watched(url: str) -> Watched:
    config = SimpleNamespace(notify=NotifyConfig(url=url), console=SimpleNamespace(instance="prod-1"))
    return cast(Watched, SimpleNamespace(config=cast(Config, config), is_stopping=False))


async def look() -> Seen:
    trouble = Trouble("by_hand", "hook", "an operator paused it", "resume it", Actor.OPERATOR)
    return Seen([trouble], frozenset())


async def test_a_client_that_cannot_be_opened_ends_nothing_and_the_message_comes_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[DeliveryConfig] = []

    def opens_the_second_time(config: DeliveryConfig) -> AbstractAsyncContextManager[Client]:
        opened.append(config)
        if len(opened) == 1:
            raise OSError("too many open files")
        return open_client(config)

    monkeypatch.setattr(notifier, "open_client", opens_the_second_time)
    clock, lines = FakeClock(), Lines()
    async with FakeVendor() as listener:
        tells = Notifier(watched(listener.url), look, Memory(), clock, lines.log)
        async with tells.running():
            await until(lambda: len(lines.faults) == 1)
            assert "too many open files" in lines.faults[0]["detail"]
            clock.advance(AFTER_FAULT_S)
            [message] = await listener.received(1)
    assert message.json()["changes"][0]["code"] == "by_hand"
