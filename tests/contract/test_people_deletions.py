"""Vendors are asked to delete people: what is sent, in which order, and what is told where that is not possible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest

from router.plugin import Batch, Item, Person, Reject, RetryLater, hookimpl
from router.store import Tool
from tests.contract.rig import Gated, Rig, commits_counted
from tests.contract.test_people import a_life, consistent, demand, forget, good

pytestmark = pytest.mark.usefixtures("backend")


class Asking(Gated):
    """Can ask its vendor to delete somebody."""

    kinds: ClassVar[Mapping[str, Batch]] = {"": Batch(), "delete": Batch(max_items=2)}

    @hookimpl
    def forget(self, person: Person) -> Item:
        if person.user_id == "user-odd":
            raise Reject("odd", "it cannot be deleted")
        return Item({"m": f"delete {person.user_id} {','.join(person.anonymous_ids)}"}, "delete")


async def test_a_vendor_is_asked_to_delete_with_retries_like_any_item(rig: Rig) -> None:
    rig.start(Asking)
    await a_life(rig)
    regulation = await rig.store.people.begin(demand("u:user-one", tools=("d",)))
    await rig.runner.forget(regulation)
    answers = iter([RetryLater("busy", after_s=5), good()])
    rig.vendor.answer = lambda bodies: next(answers)
    before = len(rig.vendor.calls)
    asked = await rig.runner.ask_to_delete(regulation)
    await rig.quiet()
    assert (asked.status, await states(rig, asked)) == ("RUNNING", ["retrying"])
    assert (await rig.quiet())["queued"] == 0, "it is counted in no ledger"
    await rig.pass_time(30)
    assert [bodies[0]["m"] for bodies in rig.vendor.calls[before:]] == ["delete user-one anon-one"] * 2
    assert await states(rig, asked) == ["delivered"]
    consistent(rig)


async def test_a_deletion_on_its_way_outlives_another_demand_and_a_restart(rig: Rig) -> None:
    rig.start(Asking)
    await rig.quiet()
    await rig.runner.pause()
    regulation = await rig.store.people.begin(demand("u:user-one", tools=("d",)))
    asked = await rig.runner.ask_to_delete(regulation)
    await forget(rig, "u:user-one", id="r2")
    await rig.stop()
    rig.start(Asking)
    await rig.quiet()
    assert await states(rig, asked) == ["queued"]
    await rig.runner.resume()
    await rig.quiet()
    assert rig.vendor.ids() == ["delete user-one "]


async def test_the_deletions_of_a_regulation_are_found_while_they_wait_or_failed(rig: Rig) -> None:
    rig.vendor.answer = lambda bodies: [good() if "user-1" in body["m"] else Reject("no", "words") for body in bodies]
    rig.start(Asking)
    asked = []
    for id, keys in (("r1", ("u:user-1", "u:user-2")), ("r10", ("u:user-3",))):
        asked.append(await rig.runner.ask_to_delete(await rig.store.people.begin(demand(*keys, id=id, tools=("d",)))))
        await rig.quiet()
    assert await rig.store.erasure.asked("d", "r1") == asked[0].rows[1:]
    assert await rig.store.erasure.asked("d", "r10") == asked[1].rows


async def test_several_people_share_a_request_as_far_as_the_vendor_takes_them(rig: Rig) -> None:
    rig.start(Asking)
    await rig.quiet()
    await rig.runner.pause()
    regulation = await rig.store.people.begin(demand("u:a1", "u:a2", "u:a3", tools=("d",)))
    await rig.runner.ask_to_delete(regulation)
    await rig.runner.resume()
    await rig.quiet()
    assert [len(bodies) for bodies in rig.vendor.calls] == [2, 1]


async def test_why_a_vendor_is_not_asked_is_told(rig: Rig) -> None:
    rig.start(Asking)
    await rig.quiet()
    odd = await rig.store.people.begin(demand("u:user-odd", tools=("d",)))
    assert (await rig.runner.ask_to_delete(odd)).status == "FAILED"
    await rig.stop()
    rig.start(Asking, enabled=False)
    assert "is disabled" in (await rig.runner.ask_to_delete(odd)).words
    await rig.stop()
    rig.start(Gated)
    told = await rig.runner.ask_to_delete(odd)
    assert (told.status, "by hand" in told.words) == ("NOT_SUPPORTED", True)


async def states(rig: Rig, asked: Tool) -> list[str]:
    found = await rig.store.erasure.deletions("d", asked.rows)
    return [state for state, _ in found.values()]


async def test_one_deletion_that_cannot_be_made_keeps_no_other_back(rig: Rig) -> None:
    rig.start(Asking)
    await rig.quiet()
    regulation = await rig.store.people.begin(demand("u:user-odd", "u:user-one", tools=("d",)))
    asked = await rig.runner.ask_to_delete(regulation)
    await rig.quiet()
    assert (asked.status, "could not make" in asked.words, rig.vendor.ids()) == ("RUNNING", True, ["delete user-one "])


async def test_many_deletions_are_asked_for_in_several_commits(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    rig.start(Asking)
    await rig.quiet()
    monkeypatch.setattr("router.deliver.commit.unit_of_work.BATCH_BYTES", 1)
    rows = commits_counted(monkeypatch, lambda batch: sum(pos < 0 for pos in batch.park))
    keys = [f"u:user-{n}" for n in range(5)]
    asked = await rig.runner.ask_to_delete(await rig.store.people.begin(demand(*keys, "u:user-odd", tools=("d",))))
    await rig.quiet()
    assert sorted(rig.vendor.ids()) == [f"delete user-{n} " for n in range(5)]
    assert ("could not make" in asked.words, len(asked.rows)) == (True, 5)
    assert max(rows) == 1
