"""Consent at a running worker: what goes on, what is kept back and why, and what a changed configuration does to what waits."""

from __future__ import annotations

from typing import Any

import pytest

from router.consent import UPDATED
from router.deliver.process.prepare import Preparer
from router.deliver.runner import ReplayOrder
from router.plugin import Delivered, Outcome, RetryLater
from tests.contract.rig import Gated, Plain, Rig

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def has_begun() -> bool:
    return False


def says(**preferences: bool) -> dict[str, Any]:
    """The context of an event with these preferences."""
    return {"consent": {"categoryPreferences": preferences}}


YES, NO = says(ads=True), says(ads=False)


def takes_all(bodies: list[dict[str, Any]]) -> Outcome:
    return Delivered()


async def start(rig: Rig, plugin: type[Any] = Plain, **tables: Any) -> None:
    """Run the destination; what is accepted from here on is its own."""
    rig.start(plugin, **tables)
    await rig.runner.worker()


async def restart(rig: Rig, plugin: type[Any] = Plain, **tables: Any) -> None:
    """As a reload does: the worker ends in good order, and one with the new tables takes over."""
    await rig.stop()
    await start(rig, plugin, **tables)
    await rig.quiet()


# ---------------------------------------------------------------- the decision


async def test_only_what_gives_the_consent_goes_on(rig: Rig) -> None:
    await start(rig, consent=["ads"])
    await rig.call("track", "yes", userId="u", event="E", context=YES)
    await rig.call("track", "no", userId="u", event="E", context=NO)
    await rig.call("track", "nothing", userId="u", event="E")
    ledger = await rig.quiet()
    assert rig.vendor.ids() == ["yes", "nothing"]
    assert (ledger["delivered"], ledger["filtered"]) == (2, 1)
    assert await rig.fate("no") == ("filtered", "consent")


async def test_consent_is_asked_before_integrations_and_filters(rig: Rig) -> None:
    await start(rig, consent=["ads"], filter="event != 'E'")
    unwanted = {"d": False}
    await rig.call("track", "consent", userId="u", event="E", context=NO, integrations=unwanted)
    await rig.call("track", "integrations", userId="u", event="E", context=YES, integrations=unwanted)
    await rig.call("track", "filter", userId="u", event="E", context=YES)
    await rig.quiet()
    reasons = [(await rig.fate(m))[1] for m in ("consent", "integrations", "filter")]
    assert reasons == ["consent", "integrations", "filter"]


@pytest.mark.parametrize(("table", "reason"), [({"enabled": False}, "disabled"), ({"sources": ["app"]}, "source")])
async def test_consent_is_asked_behind_whether_the_destination_gets_the_event_at_all(
    rig: Rig, table: dict[str, Any], reason: str
) -> None:
    await start(rig, consent=["ads"], **table)
    await rig.call("track", "t", userId="u", event="E", context=NO)
    await rig.quiet()
    assert await rig.fate("t") == ("filtered", reason)


async def test_a_destination_without_consent_runs_nothing_of_it(rig: Rig) -> None:
    await start(rig)
    await rig.call("track", "t", userId="u", event="E", context=NO)
    await rig.quiet()
    worker = await rig.runner.worker()
    assert type(worker.core.preparer) is Preparer
    assert await rig.fate("t") == ("delivered", "")


async def test_the_plugin_sees_the_object_unchanged(rig: Rig) -> None:
    await start(rig, consent=["ads"], consent_updates=True)
    await rig.call("track", "t", userId="u", event=UPDATED, context=NO)
    await rig.quiet()
    stored = await rig.store.queries.stored_call("t", None)
    assert rig.vendor.ids() == ["t"]
    assert stored is not None
    assert b'{"ads": false}' in stored.body


# ---------------------------------------------------------------- a changed configuration


async def test_what_is_tried_again_is_asked_once_more(rig: Rig) -> None:
    await start(rig)
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await rig.call("track", "no", userId="u", event="E", context=NO)
    await rig.call("track", "yes", userId="u", event="E", context=YES)
    await rig.quiet()
    assert await rig.fate("no") == ("retrying", "status_503")
    await restart(rig, consent=["ads"])
    rig.vendor.answer = takes_all
    ledger = await rig.pass_time(600)
    assert (rig.vendor.ids(), await rig.fate("no")) == (["yes"], ("filtered", "consent"))
    assert (ledger["filtered"], ledger["delivered"], ledger["retrying"], ledger["queued"]) == (1, 1, 0, 0)


async def test_what_is_tried_again_is_kept_back_for_consent_before_its_integrations_are_asked(rig: Rig) -> None:
    await start(rig)
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await rig.call("track", "t", userId="u", event="E")
    await rig.quiet()
    await restart(rig, consent=["ads"], consent_missing="block")
    rig.vendor.answer = takes_all
    await rig.pass_time(600)
    assert (rig.vendor.ids(), await rig.fate("t")) == ([], ("filtered", "consent_missing"))


async def test_what_is_held_is_asked_once_more_before_it_goes(rig: Rig) -> None:
    await start(rig, Gated)
    await rig.call("track", "no", userId="u", event="E", context=NO)
    await rig.call("track", "yes", userId="u", event="E", context=YES)
    await rig.quiet()
    await rig.stop()
    await start(rig, Gated, consent=["ads"])
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"}, context=YES)
    ledger = await rig.quiet()
    assert (rig.vendor.ids(), await rig.fate("no")) == (["g", "yes"], ("filtered", "consent"))
    assert ledger["held"] == 0


async def test_a_replay_asks_the_event_again_and_its_integrations_too(rig: Rig) -> None:
    await start(rig, consent=["ads"])
    await rig.call("track", "no", userId="u", event="E", context=NO)
    await rig.call("track", "unwanted", userId="u", event="E", context=NO, integrations={"d": False})
    await rig.quiet()
    await rig.runner.replay(ReplayOrder(since_ms=1))
    ledger = await rig.quiet()
    assert (rig.vendor.ids(), await rig.fate("no")) == ([], ("filtered", "consent"))
    assert (ledger["filtered"], ledger["queued"]) == (2, 0)
    await restart(rig)
    await rig.runner.replay(ReplayOrder(since_ms=1))
    ledger = await rig.quiet()
    assert (rig.vendor.ids(), ledger["delivered"], ledger["filtered"]) == (["no"], 1, 1)
    assert await rig.fate("unwanted") == ("filtered", "integrations")


# ---------------------------------------------------------------- the gate


async def test_a_group_call_without_consent_feeds_the_directory_and_opens_nothing_here(rig: Rig) -> None:
    await start(rig, Gated, consent=["ads"])
    await rig.call("track", "t", userId="u", event="E")
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"}, context=NO)
    await rig.call("identify", "i", userId="u", traits={"plan": "pro"}, context=NO)
    await rig.quiet()
    assert await rig.fate("g") == await rig.fate("i") == ("filtered", "consent")
    assert await rig.fate("t") == ("held", "group_unknown")
    known = await rig.store.known([("u:u", 3)], ["acme"])
    assert known.companies["acme"].traits == {"name": "Acme"}
    assert known.people["u:u"] == {"plan": "pro"}
    await rig.call("group", "g2", userId="u", groupId="acme", traits={"name": "Acme"}, context=YES)
    await rig.quiet()
    assert [(body["m"], body["group"]) for body in rig.vendor.received] == [("g2", "acme"), ("t", "acme")]
