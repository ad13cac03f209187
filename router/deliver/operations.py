"""What an operator may ask of a destination: release, drop, replay, drop dead letters. Runs between two steps of its worker's loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import msgspec

from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.replay_order import ReplayOrder
from router.deliver.worker import Worker
from router.errors import CommandRefused as CommandRefused
from router.event import show_user_key
from router.plugin import Group
from router.store import DeadLetterFilter, Names, ParkedRow, Regulation, Slice
from router.vocabulary import Queue

DROP_SLICE = 200
FIRST = -1
"""Before every place of a queue."""


async def release(worker: Worker, key: str, group: Mapping[str, Any] | None) -> int:
    """Let a user's held events go: if their gate is open by now, or on behalf of `group` ({"id", "name", ...}).

    Returns how many events were held. Raises CommandRefused `requirements_missing`, `not_held`.
    """
    async with worker.core.rows.lane(key) as lane:
        held = _held(lane)
        if group is not None:
            traits = {name: value for name, value in group.items() if name != "id"}
            if missing := await _missing_traits(worker, str(group["id"]), traits):
                words = f"the {' and '.join(missing)} of group {group['id']} is not known here: give it too"
                raise CommandRefused("requirements_missing", words)
            given = msgspec.json.encode({"id": str(group["id"]), "traits": traits}).decode()
            worker.state.work.release_as(lane, given)
        elif not await worker.core.scheduler.gate_is_open(lane):
            raise CommandRefused("requirements_missing", f"still waiting for {_waited_for(lane)}")
        worker.core.releases.ask_again(lane)
        return held


async def _missing_traits(worker: Worker, group_id: str, given: Mapping[str, Any]) -> list[str]:
    """What the plugin needs of a group that neither the operator gives nor anybody has told."""
    context = worker.context
    needs = [need for needs in context.destination.requires.values() for need in needs if isinstance(need, Group)]
    known = await context.claim.directory.known([], [group_id])
    company, mapping = known.companies.get(group_id), context.destination.mapping
    traits = company.traits if company is not None else {}
    told = traits if mapping is None or mapping.group is None else mapping.group(traits)
    wanted = dict.fromkeys(trait for need in needs for trait in need.traits)
    return [trait for trait in wanted if not given.get(trait) and not told.get(trait)]


class Shown(NamedTuple):
    """What an operator has seen of a user's held events before they said to drop them."""

    upto: int  #: the newest position
    events: int


async def drop(worker: Worker, key: str, shown: Shown | None, after: int) -> tuple[int, int | None]:
    """Make a slice of a user's held events behind a place dead letters (`dropped`), with `shown` those. Returns how many, and where to go on. Raises CommandRefused `not_held`, `more_held`."""
    async with worker.core.rows.lane(key) as lane:
        on_their_way = lane.deferred | (
            {lane.current.pos} if lane.current is not None else set()
        )  # their answers decide
        if after == FIRST:
            _held(lane)
        if shown is not None and after == FIRST:
            # Older events of an anonymousId that was joined to the user meanwhile are among them now, and nobody has seen those.
            held = sum([len(meant) async for meant, _ in _held_rows(worker, lane, shown.upto, FIRST)])
            if held > shown.events:
                words = f"{held} events of {show_user_key(key)} are held by now, and {shown.events} of them were shown: look again"
                raise CommandRefused("more_held", words)
        dropped, last = 0, None
        async for meant, place in _held_rows(worker, lane, shown and shown.upto, after):
            for row in meant:
                if row.pos not in on_their_way:
                    worker.core.outcomes.bury(Delivery.of_row(row, lane), "dropped", "dropped by hand")
                    dropped += 1
            last = place
            break  # while the next slice is read, a commit might store these without their count
        lane.rewind(Queue.HELD, 0)
        if not lane.rows:
            worker.state.lanes.free(lane)
            worker.state.work.mark_dirty(lane)
        return dropped, last


async def _held_rows(
    worker: Worker, lane: Lane, upto: int | None, after: int
) -> AsyncIterator[tuple[list[ParkedRow], int]]:
    """What a user holds behind a place, in slices, each with the place of its last one; with `upto` what stands up to this position."""
    while rows := (await worker.core.rows.rows([(lane.key, str(Queue.HELD), after)], Slice(DROP_SLICE)))[0]:
        after = rows[-1].place
        yield [row for row in rows if upto is None or row.pos <= upto], after


async def begin_to_forget(worker: Worker, regulation: Regulation) -> bool:
    """Whatever is on its way for these people ends as forgotten, and neither the last requests nor a pause that names them are shown
    any more. Returns whether the worker has anything in memory that may be theirs: of a group it always has, as lanes and group calls that
    count are not looked up by what they say."""
    forgotten = worker.state.forgotten
    forgotten.update({key: max(regulation.bound, forgotten.get(key, 0)) for key in regulation.keys})
    await forget_answers(worker, regulation)
    lanes, near = worker.state.lanes, set(regulation.near)
    if regulation.groups or any(not lanes.is_free(key) for key in near):
        return True
    return any(delivery.log_event.user_key in near for delivery in worker.state.work.unsettled.values())


def end_forgetting(worker: Worker, regulation: Regulation) -> None:
    """Nothing of these is on its way. What others demanded meanwhile may be."""
    for key in regulation.keys:
        if worker.state.forgotten.get(key, 0) <= regulation.bound:
            worker.state.forgotten.pop(key, None)


async def forget_answers(worker: Worker, regulation: Regulation) -> None:
    """Neither the last requests nor a pause that names these people or groups are shown any more."""
    worker.core.responses.exchanges.clear()
    if Names(regulation.told_as).are_in(worker.state.breaker.status.detail):
        worker.state.breaker.forget_detail()
        worker.core.status.record(False)


def _held(lane: Lane) -> int:
    if not lane.held.count:
        raise CommandRefused("not_held", f"nothing is held for {show_user_key(lane.key)}; see `held` for who waits")
    return lane.held.count


def _waited_for(lane: Lane) -> str:
    """What would open the gate of this lane."""
    wait = lane.wait
    if wait.group_id:
        trait = wait.reason.removeprefix("group_").removesuffix("_unknown")
        return f"the {trait} of group {wait.group_id}"
    return f"a group call for {show_user_key(lane.key)}"


# ---------------------------------------------------------------- dead letters and replays


async def replay_letters(worker: Worker, which: DeadLetterFilter, *, count_only: bool) -> dict[str, Any]:
    """Send dead letters again, in the background. Raises CommandRefused `replay_running`, `disabled`."""
    total = await worker.core.replay.count_letters(which)
    if not count_only:
        _may_replay(worker)
        worker.core.replay.begin_letters(which, total)
    return {"count": total}


async def replay_span(worker: Worker, order: ReplayOrder) -> dict[str, Any]:
    """Send again what was accepted in a time, or what of that was filtered, in the background; or count what that would be
    (`Replay.count_span`). Raises CommandRefused `replay_running`, `disabled`."""
    replay = worker.core.replay
    first, last = await replay.span(order.since_ms, order.until_ms)
    found = await replay.count_span(first, last) if order.count_only or order.filtered else {"count": last - first}
    if order.filtered:
        found = {"count": found["filtered"]}
    if not order.count_only:
        _may_replay(worker)
        replay.begin_span(order, first, last)
    return found


async def replay_one(worker: Worker, pos: int, *, count_only: bool) -> dict[str, Any]:
    """Send one event again now, or count whether it would be. Raises CommandRefused `not_replayable`, `disabled`."""
    if count_only:
        return {"count": int(await worker.core.replay.may_feed(pos))}
    _may_replay(worker, alone=False)
    if not await worker.core.replay.feed_one(pos):
        raise CommandRefused("not_replayable", "it is on its way already, or no longer retained; `why` tells which")
    return {"count": 1}


def _may_replay(worker: Worker, *, alone: bool = True) -> None:
    if not worker.context.destination.config.enabled:
        raise CommandRefused("disabled", "the destination is disabled: enable it in config.toml first")
    if alone and worker.core.replay.running:
        raise CommandRefused("replay_running", "a replay is running already; stop it first, or wait for its end")


async def drop_letters(worker: Worker, which: DeadLetterFilter, after: int) -> tuple[int, int | None]:
    """Drop a slice of the dead letters behind a position for good; their events stay dead. Returns how many, and where to go on."""
    before = worker.state.work.taken_up()
    letters = await worker.context.claim.dead_letters.page(which, after, DROP_SLICE)
    taken = before | worker.state.work.taken_up()  # what was read may be older than a step that was stored meanwhile
    gone = [letter for letter in letters if letter.pos not in taken]
    for letter in gone:
        worker.state.work.remove_letter(letter.pos, letter.size)
    return len(gone), letters[-1].pos if letters else None


async def drop_letter(worker: Worker, pos: int) -> int:
    """Drop the dead letter at a position. Returns how many that were."""
    before = worker.state.work.taken_up()
    letters = await worker.context.claim.dead_letters.page(DeadLetterFilter(), pos - 1, 1)
    if not letters or letters[0].pos != pos or pos in before | worker.state.work.taken_up():
        return 0
    worker.state.work.remove_letter(pos, letters[0].size)
    return 1
