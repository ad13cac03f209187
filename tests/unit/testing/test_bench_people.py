"""People at a bench: who is forgotten, and what consent keeps back, as in the daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from router.testing import GROUP, Bench, Hang, Reply
from tests.unit.testing.desk import Desk, Eraser, did

SETTINGS = {"token": "T-4711-secret"}
NO_HOOK = ("NOT_SUPPORTED", "its plugin cannot ask for that deletion: delete there by hand")


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """With a company that the sample user and `u2` belong to."""
    async with Bench(Eraser, SETTINGS) as bench:
        await bench.post([{"type": "group"}, {"type": "group", "userId": "u2"}])
        yield bench


def deletions(bench: Bench) -> list[Any]:
    """What each request asks the vendor to delete."""
    return [one for seen in bench.requests for one in seen.json() if "forget" in one]


# ---------------------------------------------------------------- deletions


async def test_a_user_is_erased_here_and_the_vendor_is_asked_to_delete_them(bench: Bench) -> None:
    await bench.track()
    held = await bench.track(userId="u3")
    assert bench.states().keys() == {"u-1042"}
    deletion = await bench.forget("u-1042", "u3")
    assert deletions(bench) == [{"forget": "u-1042", "browsers": []}, {"forget": "u3", "browsers": []}]
    assert await bench.deletion(deletion) == ("FINISHED", "")
    assert await bench.fate(held) == ("dead", "forgotten")
    assert (bench.states(), bench.timers()) == ({}, {})


async def test_the_plugin_is_told_all_browsers_of_a_user(bench: Bench) -> None:
    await bench.identify(userId="u2", anonymousId="joined")
    await bench.forget("u2", anonymous_ids=["named"])
    assert deletions(bench) == [{"forget": "u2", "browsers": ["joined", "named"]}]


async def test_a_group_is_deleted_and_its_members_are_held_again(bench: Bench) -> None:
    deletion = await bench.forget_group(GROUP.id)
    assert deletions(bench) == [{"forget": GROUP.id}]
    assert await bench.deletion(deletion) == ("FINISHED", "")
    assert await bench.fate(await bench.track()) == ("held", "group_unknown")


async def test_a_deletion_is_tried_again_as_time_passes(bench: Bench) -> None:
    bench.vendor.script(Reply(503))
    deletion = await bench.forget("u2")
    assert await bench.deletion(deletion) == ("RUNNING", "")
    await bench.advance(minutes=1)
    assert await bench.deletion(deletion) == ("FINISHED", "")
    assert len(deletions(bench)) == 2


async def test_a_deletion_that_the_vendor_refuses_is_told_with_what_to_do(bench: Bench) -> None:
    bench.vendor.script(Reply(400))
    deletion = await bench.forget("u2")
    told = ("FAILED", "refused (rejected): ask again, or delete there by hand")
    assert await bench.deletion(deletion) == told
    assert await bench.deletion(deletion) == told


@pytest.mark.parametrize("again", [Bench.restart, Bench.crash])
async def test_a_deletion_that_an_end_cuts_is_asked_for_again(bench: Bench, again: Any) -> None:
    bench.vendor.script(Hang())
    deletion = await bench.forget("u2")
    assert await bench.deletion(deletion) == ("RUNNING", "")
    await again(bench)
    await bench.advance(minutes=1)
    assert await bench.deletion(deletion) == ("FINISHED", "")
    assert deletions(bench) == [{"forget": "u2", "browsers": []}] * 2


async def test_a_plugin_that_cannot_delete_says_what_to_do_by_hand() -> None:
    class Desktop(Desk):
        forget_group_by_hand = "delete the desk"

    async with Bench(Desktop, SETTINGS) as bench:
        assert await bench.deletion(await bench.forget("u2")) == NO_HOOK
        assert await bench.deletion(await bench.forget_group("acme")) == ("NOT_SUPPORTED", "delete the desk")
        assert bench.requests == []


async def test_what_cannot_be_meant_is_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="at least one"):
        await bench.forget()
    with pytest.raises(KeyError):
        await bench.deletion("deletion-77")


# ---------------------------------------------------------------- consent


def says(**preferences: bool) -> dict[str, Any]:
    """The context of a call with these preferences."""
    return {"consent": {"categoryPreferences": preferences}}


async def test_a_destination_gets_what_its_users_agreed_to() -> None:
    async with Bench(Desk, SETTINGS, consent=["ads"]) as bench:
        await bench.group()
        yes = await bench.track(event="Yes", context=says(ads=True))
        no = await bench.track(event="No", context=says(ads=False, analytics=True))
        assert (await bench.fate(yes), await bench.fate(no)) == (("delivered", ""), ("filtered", "consent"))
        assert did(bench) == [["Yes"]]


@pytest.mark.parametrize("follows", [True, False])
async def test_a_withdrawal_stops_what_waits_where_consent_is_followed(follows: bool) -> None:
    async with Bench(Desk, SETTINGS, consent=["ads"], follow_consent=follows) as bench:
        held = await bench.track(event="Hello", context=says(ads=True))
        await bench.track(event="Segment Consent Preference Updated", context=says(ads=False))
        await bench.group()
        assert await bench.fate(held) == (("filtered", "consent_withdrawn") if follows else ("delivered", ""))
