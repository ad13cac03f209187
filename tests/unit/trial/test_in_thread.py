"""A trial in the daemon: one at a time, with a time limit, and with instances of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, ClassVar

import pytest

from router.errors import CommandRefused
from router.plugin import Context, Event, Item, hookimpl
from router.plugin_host import Destination
from router.trial import NOTHING_KNOWN, Intake, TrialThread, in_thread, sample
from tests.contract.rig import Plain, Vendor, destination

EVENTS = [sample("identify")]


class Told(Plain):
    """Notes which instance maps."""

    instances: ClassVar[list[object]] = []

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        self.instances.append(self)
        return Item({"id": event.message_id})


class Hanging(Plain):
    """Does not return until it is let go."""

    let_go = threading.Event()

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        self.let_go.wait()
        return Item({})


class Failing(Plain):
    """Cannot be made in a trial."""

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        if threading.current_thread().name == "trial":
            raise SystemExit("no more instances")


async def ask(trial: TrialThread, one: Destination) -> list[dict[str, Any]]:
    return await trial.run(EVENTS, Intake("website"), [one], NOTHING_KNOWN, 1_000)


async def test_a_trial_uses_an_instance_of_its_own() -> None:
    Told.instances.clear()
    live = destination(Told, Vendor())
    [event] = await ask(TrialThread(), live)
    assert event["destinations"]["d"]["outcome"] == "deliver"
    [used] = Told.instances
    assert used is not live.instance


async def test_a_hook_that_does_not_return_ends_the_trial_and_the_next_one_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_thread, "LIMIT_S", 0.05)
    trial = TrialThread()
    with pytest.raises(CommandRefused, match="does not return"):
        await ask(trial, destination(Hanging, Vendor()))
    with pytest.raises(CommandRefused, match="another trial is running"):
        await ask(trial, destination(Told, Vendor()))
    Hanging.let_go.set()
    while trial.is_busy:  # noqa: ASYNC110 - the thread tells nobody else
        await asyncio.sleep(0)
    monkeypatch.undo()
    assert len(await ask(trial, destination(Told, Vendor()))) == 1


async def test_a_plugin_that_cannot_be_made_again_is_named_as_the_cause() -> None:
    with pytest.raises(CommandRefused, match="a plugin failed in the trial: SystemExit: no more instances"):
        await ask(TrialThread(), destination(Failing, Vendor()))
