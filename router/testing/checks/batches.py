"""Several items in one request: all of them, in their order, each with the result of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from router.plugin import Delivered, Item, Reject
from router.testing.batching import batches
from router.testing.checking.answered_deliveries import READING, Place, place_of
from router.testing.checking.built_requests import Sent, sent_for
from router.testing.checking.check import SENDING, DoesNotApply, Findings, Tier, check, found, need_hook
from router.testing.checking.item_results import Change, ItemResults, made_bad, without
from router.testing.checking.life import Delivery, Life
from router.testing.checking.like_items import (
    IDS_OF_LIKE,
    OF_OTHERS,
    OF_SOME_AGAIN,
    Ids,
    like_items,
    mixed_items,
    place_in,
    unlike_items,
)
from router.testing.checking.mapping_call import short
from router.testing.checking.order_in_requests import fault_of_order, items_of_one_user
from router.testing.checking.subject import Subject
from router.testing.replies import Received, Reply, answer_to

MAX_ALIKE = 60
"""Items of a batch that is looked at for lost ones."""


@check(
    Tier.SILVER,
    proves="Each item of a batch is in what is sent for it, with its own group, source and options.",
    why="All items of the batch count as delivered when the vendor takes the request. One that was not in it is lost, and one whose company stands only in the URL of another counts for that company.",
    fix="Put all items into the request, each with what is its own, or set max_items=1 for their kind.",
    needs=(*SENDING, "request_leaves_items"),
)
def batch_is_whole(subject: Subject) -> Findings:
    for kind, items in _batches(subject):
        places = sorted({at for at in (0, 2, len(items) // 2, len(items) - 1) if at < len(items)})
        spare = [item for item in subject.samples[kind] if item not in items][:1]
        without_one = [items[:at] + spare + items[at + 1 :] for at in places]

        async def sent(life: Life, items: list[Item] = items, others: list[list[Item]] = without_one) -> list[Sent]:
            return await sent_for(life, items, *others)

        whole, *others = subject.in_a_life(sent)
        for at, other in zip(places, others, strict=True):
            if whole and whole == other and not (spare and _are_sent_alike(subject, items[at], spare[0])):
                yield found(
                    f"a batch of {len(items)} items of kind {kind!r}",
                    f"the same is sent without item {at + 1}; {short(items[at].json.decode())} is not in it",
                    "all of them",
                )
    for kind, words, first, one, other in unlike_items(subject):

        async def sent_with(
            life: Life, batches: Sequence[Sequence[Item]] = ((first, one), (first, other))
        ) -> list[Sent]:
            return await sent_for(life, *batches)

        with_one, with_other = subject.in_a_life(sent_with)
        if with_one and with_one == with_other and not _are_sent_alike(subject, one, other):
            yield found(
                f"a batch of 2 items of kind {kind!r} that differ in their {words}",
                f"the same is sent whatever the {words} of the second one is: {short(with_one[-1])}",
                f"the {words} of each item with it, or a kind of its own for each",
            )


def _are_sent_alike(subject: Subject, one: Item, other: Item) -> bool:
    """Whether they differ only in what is never sent."""

    async def sent(life: Life) -> list[Sent]:
        return await sent_for(life, [one], [other])

    first, second = subject.in_a_life(sent)
    return bool(first == second)


@check(
    Tier.SILVER,
    proves="A request has the items of a user in their order.",
    why="One event can make several items of a request. A vendor that applies them one by one would end with the older value.",
    fix="Send items of a user in the order in which `request` or `deliver` gets them. Groups of users are no fault, nor is a list for each type of call where the vendor takes one.",
    needs=(*SENDING, "batch_is_whole"),
)
def batch_keeps_order(subject: Subject) -> Findings:
    subject.need_sender()
    of_users = list(items_of_one_user(subject))
    if not of_users:
        raise DoesNotApply("no request carries several items of one user")

    def send(given: list[list[Item]]) -> list[Sent]:
        sent: list[Sent] = subject.in_a_life(lambda life: sent_for(life, *given))
        return sent

    for kind, items in of_users:
        if came := fault_of_order(items, send):
            yield found(f"{len(items)} items of one user and of kind {kind!r}", came, "items in their order")


@check(
    Tier.SILVER,
    proves="A batch is sent as a batch, not as a request for each of its items.",
    why="When one of the requests fails, those before it have arrived, and are sent again with the rest. One after the other they are slow, and all at once they are more than `concurrency` allows.",
    fix="Put all items into one request, or set max_items=1 for their kind: the router then sends the items of different users side by side.",
    needs=(*SENDING, "batch_is_whole"),
)
def batch_is_one_request(subject: Subject) -> Findings:
    need_hook(subject, "deliver")
    subject.need_sender()
    for kind, items in like_items(subject, OF_OTHERS):

        async def sent(life: Life, items: list[Item] = items) -> list[Sent]:
            return await sent_for(life, items, *([item] for item in items))

        whole, *alone = (
            [request for request in requests if request[0] not in READING] for requests in subject.in_a_life(sent)
        )
        ends_with_one_item = sum(requests[-1:] == whole[-1:] for requests in alone) == 1
        if ends_with_one_item and all(request in whole for requests in alone for request in requests):
            yield found(
                f"hook deliver, a batch of {len(items)} items of kind {kind!r}",
                f"it sends {len(whole)} requests, those that it sends for each item alone",
                "one request for all items",
            )


def _batches(subject: Subject) -> Iterator[tuple[str, list[Item]]]:
    """As many items of each kind, no two of them alike, as one request carries."""
    subject.need_sender()
    kinds = subject.destination.kinds
    batched = {kind: items for kind, items in subject.samples.items() if kinds[kind].max_items > 1}
    if not batched:
        raise DoesNotApply("each of its requests carries one item")
    for kind, items in batched.items():
        first = list(next(batches(items[:MAX_ALIKE], kinds)))
        if len(first) > 1:
            yield kind, first


# ---------------------------------------------------------------- results of single items


@check(
    Tier.SILVER,
    proves="Where the vendor answers with a result for each item, each item has the outcome of its own result.",
    why="Only its id, or its place, tells an item from all others: two can have the same company, or no userId. With the result of another one, an item that was refused counts as delivered.",
    fix="Find the result of an item by the id of the item, or by its place in the batch. Return RetryLater for an item without a result.",
    needs=(*SENDING, "success", "batch_is_whole"),
)
def results_by_item(subject: Subject) -> Findings:
    subject.need_sender()
    has_results = False
    for kind, items in like_items(subject, OF_SOME_AGAIN):
        where = f"a batch of {len(items)} items of kind {kind!r}, of which two differ only in id and time"
        for words, change, judge in (
            ("was left out", without, _without_a_result),
            ("was a failure", made_bad, _with_a_failure),
        ):
            changed = _with_each_changed(subject, items, change)
            has_results = has_results or bool(changed)
            yield from (found(where, f"the result of one item {words}: {came}", want) for came, want in judge(changed))
    for kind, items, ids in mixed_items(subject):
        changed = _with_each_changed(subject, items, made_bad, ids)
        has_results = has_results or bool(changed)
        where = f"a batch of {len(items)} items of kind {kind!r}, of different calls in turn"
        for came, want in _with_a_failure(changed):
            yield found(where, f"the result of one item was a failure: {came}", want)
    if not has_results:
        raise DoesNotApply(
            "no answer has a result for each item; what it shows of a vendor is what conformance(vendor=...) answers"
        )


class _Changed(NamedTuple):
    """A delivery in whose answer one result was changed."""

    delivery: Delivery
    of: int | None  #: the item whose result that was; None if that cannot be told
    is_told: bool  #: whether the results say which of them is a failure
    status: int  #: of the answer

    @property
    def failed(self) -> list[int]:
        """The items that are not delivered."""
        return [at for at, outcome in enumerate(self.delivery.outcomes) if not isinstance(outcome, Delivered)]


def _with_each_changed(subject: Subject, items: list[Item], change: Change, ids: Ids = IDS_OF_LIKE) -> list[_Changed]:
    """A delivery for each result. None where there are no results."""

    async def use(life: Life) -> list[_Changed]:
        requests = (await life.deliver(items)).requests
        place = place_of(requests[-1]) if requests else None
        each = [await _with_changed(life, items, place, at, change, ids) for at in range(len(items))]
        return [changed for changed in each if changed is not None]

    changed: list[_Changed] = subject.in_a_life(use)
    return changed


async def _with_changed(
    life: Life, items: list[Item], place: Place | None, at: int, change: Change, ids: Ids
) -> _Changed | None:
    changed: list[tuple[int | None, bool, int]] = []

    def answer(seen: Received) -> Reply:
        reply = answer_to(seen, life.subject.good)
        results = ItemResults(seen, reply, len(items))
        other = results.changed(at, change) if place_of(seen) == place else None
        if other is not None:
            changed.append((place_in(items, at, results.at(at), seen.body, ids), results.is_told(), reply.status))
        return other or reply

    delivery = await life.deliver(items, answer)
    return _Changed(delivery, *changed[0]) if changed else None


def _without_a_result(changed: list[_Changed]) -> Iterator[tuple[str, str]]:
    """What came, and what was expected, where it is wrong: an item without a result is not delivered."""
    for one in changed:
        if not one.delivery.is_sound:
            yield _fault(one.delivery)
        elif not one.failed and (one.is_told or one.status == 207):  # else it may be an echo of what was taken
            yield "all items count as delivered", "RetryLater for the item without a result"


def _with_a_failure(changed: list[_Changed]) -> Iterator[tuple[str, str]]:
    """The same: its item fails and the others do not, or nothing of such an answer is believed."""
    blamed: list[int] = []
    for one in changed:
        outcomes = one.delivery.outcomes
        is_all = len(one.failed) == len(outcomes) and not any(isinstance(outcome, Reject) for outcome in outcomes)
        if not one.delivery.is_sound:
            yield _fault(one.delivery)
        elif not one.failed and one.is_told:
            yield "all items count as delivered", "another outcome for its item"
        elif len(one.failed) > 1 and not is_all:
            yield f"{len(one.failed)} items are not delivered: {short(outcomes)}", "one, and the others delivered"
        elif len(one.failed) == 1:
            if one.of is not None and one.of not in one.failed:
                yield f"item {one.failed[0] + 1} of the batch is not delivered", f"item {one.of + 1}"
            blamed += one.failed
    if len(blamed) != len(set(blamed)):
        yield "whichever it is, the same item is not delivered", "the item whose result it is"


def _fault(one: Delivery) -> tuple[str, str]:
    told = f"raised {type(one.raised).__name__}: {short(one.raised)}" if one.raised else short(one.outcomes)
    return told, "an outcome for each item"
