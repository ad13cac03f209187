"""A trial in the daemon: in few threads, with a time limit, and with instances of its own."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import pytest

from router.errors import CommandRefused
from router.plugin import Context, Event, Item, hookimpl
from router.plugin_host import Destination
from router.plugin_host.plugin_threads import MOST, PluginThreads
from router.trial import NOTHING_KNOWN, Intake, Trials, in_thread, sample
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
        if threading.current_thread().name == "plugin-code":
            raise SystemExit("no more instances")


async def ask(trial: Trials, one: Destination) -> list[dict[str, Any]]:
    return await trial.run(EVENTS, Intake("website"), [one], NOTHING_KNOWN, 1_000)


async def test_a_trial_uses_an_instance_of_its_own() -> None:
    Told.instances.clear()
    live = destination(Told, Vendor())
    [event] = await ask(Trials(PluginThreads()), live)
    assert event["destinations"]["d"]["outcome"] == "deliver"
    [used] = Told.instances
    assert used is not live.instance


async def test_hooks_that_do_not_return_end_their_trials_and_all_who_ask_share_the_threads_they_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(in_thread, "LIMIT_S", 0.05)
    threads = PluginThreads()
    for _ in range(MOST):
        with pytest.raises(CommandRefused, match="does not return"):
            await ask(Trials(threads), destination(Hanging, Vendor()))
    with pytest.raises(CommandRefused, match="have not ended"):
        await ask(Trials(threads), destination(Told, Vendor()))
    Hanging.let_go.set()
    for thread in threading.enumerate():
        if thread.name == "plugin-code":
            thread.join()
    monkeypatch.undo()
    assert len(await ask(Trials(threads), destination(Told, Vendor()))) == 1


async def test_a_plugin_that_cannot_be_made_again_is_named_as_the_cause() -> None:
    with pytest.raises(CommandRefused, match="a plugin failed in the trial: SystemExit: no more instances"):
        await ask(Trials(PluginThreads()), destination(Failing, Vendor()))
