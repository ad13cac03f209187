"""`deliver` and `check`: several at a time, cancelled in the middle, and never blocking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from router.plugin import Item, Outcome
from router.testing.checking.answered_deliveries import named, place_of
from router.testing.checking.built_requests import Sent, sent_for
from router.testing.checking.check import SENDING, DoesNotApply, Findings, Tier, check, found, need_hook
from router.testing.checking.concurrent_deliveries import both_at_once, cancelled, most_at_once, spared
from router.testing.checking.life import Life
from router.testing.checking.mapping_call import short
from router.testing.checking.other_hash import OTHER_HASHES, other_hash
from router.testing.checking.same_request import same_part
from router.testing.checking.second_attempts import unretried_requests
from router.testing.checking.standard_answers import GOOD
from router.testing.checking.subject import Subject
from router.testing.checking.watched_calls import A_SECOND_S, CLOCK, HASH, IO, SLEEP, WAIT
from router.testing.replies import Received

MAX_CANCELLED, MAX_IN_ORDER = 4, 3
"""Requests of one delivery at which it is cancelled, and at the last one; items of a kind whose requests are looked at one by one."""


@check(
    Tier.SILVER,
    proves="`deliver` and `verdict` leave the items that they are given as they are.",
    why="Outcomes are counted against the items. A list that was emptied after sending looks like a fault, and all are sent again.",
    fix="Copy before you change: {**item.body}. Do not pop from the list.",
    needs=SENDING,
)
def items_unchanged(subject: Subject) -> Findings:
    for one in subject.answered_deliveries:
        if one.delivery.changed and not one.delivery.changed.startswith("hook request"):
            yield found(one.where, one.delivery.changed, "items as they were")


@check(
    Tier.SILVER,
    proves="A delivery that is cancelled ends at once, by its CancelledError, and its request with it.",
    why="The router cancels at a stop, at a reload and after six time-outs. A delivery that goes on is abandoned after 10 s, and its items may then be sent twice.",
    fix="Do not catch CancelledError, BaseException or everything around an await; tidy up in `finally`. Shield nothing that sends items.",
    needs=(*SENDING, "success"),
)
def cancellable(subject: Subject) -> Findings:
    need_hook(subject, "deliver")
    for kind, items in subject.samples.items():
        requests = subject.requests_for(kind)
        sent = max(1, len(requests))
        for at in sorted({*range(min(MAX_CANCELLED, sent)), sent - 1}):

            async def use(
                life: Life, items: list[Item] = items[:1], at: int = at, is_last: bool = at == sent - 1
            ) -> str:
                return await cancelled(life, items, at, is_last=is_last)

            if fault := subject.in_a_life(use):
                request = f"request {at + 1}" + (f", {named(place_of(requests[at]))}" if requests else "")
                yield found(
                    f"hook deliver, an item of kind {kind!r}, cancelled while the vendor does not answer {request}",
                    fault,
                    "CancelledError",
                )


@check(
    Tier.SILVER,
    proves="When one delivery is cancelled, another one that runs at the same time is not.",
    why="Deliveries share a token or a connection. If one's time-out ends the shared task, the items of the others fail with it.",
    fix="Shield what is shared: await asyncio.shield(task). Token does so.",
    needs=(*SENDING, "request_builds"),
)
def cancel_spares_others(subject: Subject) -> Findings:
    need_hook(subject, "deliver")
    subject.need_sender()
    for kind, first, second in _pairs(subject):

        async def use(life: Life, first: list[Item] = first, second: list[Item] = second) -> str:
            return await spared(life, first, second)

        if fault := subject.in_a_life(use):
            yield found(
                f"hook deliver, an item of kind {kind!r}, while another delivery is cancelled",
                fault,
                "outcomes of its own",
            )


@check(
    Tier.SILVER,
    proves="Two deliveries at once send what each of them sends alone.",
    why="Up to `concurrency` deliveries run at once. What one keeps on the instance between two awaits, the other one overwrites.",
    fix="Keep items and answers in local variables. Guard what has to be shared with an asyncio.Lock.",
    needs=(*SENDING, "cancel_spares_others", "attempts_repeat"),
)
def two_at_once(subject: Subject) -> Findings:
    need_hook(subject, "deliver")
    for kind, first, second in _pairs(subject):
        yield from _at_once(subject, kind, first, second)


def _at_once(subject: Subject, kind: str, first: list[Item], second: list[Item]) -> Findings:
    where = f"hook deliver, 2 deliveries of kind {kind!r} at once"

    async def alone(life: Life) -> list[Sent]:
        return await sent_for(life, first, second)

    expected = subject.in_a_life(alone)
    together = subject.in_a_life(lambda life: both_at_once(life, first, second))
    for items, result in zip((first, second), together.results, strict=True):
        if isinstance(result, str) or (isinstance(result, BaseException) and not isinstance(result, Outcome)):
            yield found(where, short(result), "outcomes")
        elif isinstance(result, Sequence) and len(result) != len(items):
            yield found(where, f"{len(result)} outcomes for {len(items)} items", "one for each")
    for sent in expected:
        if sent and sent[-1] not in together.sent:
            yield found(
                where,
                f"{sent[-1][0]} {short(sent[-1][1])} with {short(sent[-1][2].decode('utf-8', 'replace'))} was not sent",
                "what is sent alone",
            )


def _pairs(subject: Subject) -> Iterator[tuple[str, list[Item], list[Item]]]:
    """Two batches of each kind that are not alike, the second one larger where the kind allows it."""
    for kind, items in subject.samples.items():
        if len(items) > 1:
            n = min(3, subject.destination.kinds[kind].max_items + 1, len(items))
            yield kind, items[:1], items[1:n]


@check(
    Tier.SILVER,
    proves="The requests for an item are sent one after the other.",
    why="Of requests that are under way at the same time any may arrive first: an event before its user, an older value after a newer one.",
    fix="Await each request before the next one: no asyncio.gather, and no tasks. What only reads may be asked for at once.",
    needs=SENDING,
)
def requests_in_order(subject: Subject) -> Findings:
    need_hook(subject, "deliver")
    subject.need_sender()
    for kind, items in subject.samples.items():
        for item in items[:MAX_IN_ORDER]:
            most = subject.in_a_life(partial(most_at_once, item=item))
            if most > 1:
                yield found(
                    f"hook deliver, an item of kind {kind!r}",
                    f"{most} requests to one host are under way at the same time; {short(item.json.decode())}",
                    "one after the other",
                )


@check(
    Tier.SILVER,
    proves="Hooks that send never block the event loop.",
    why="Between two awaits everybody else waits: ingestion, and all other destinations.",
    fix='Await asyncio.sleep, or call what blocks with asyncio.to_thread. A synchronous driver needs isolation = "thread".',
    needs=SENDING,
)
def sending_never_blocks(subject: Subject) -> Findings:
    if subject.destination.config.delivery.isolation == "thread":
        raise DoesNotApply('it has isolation = "thread"')
    for use in (use for activity in subject.lived for use in activity.uses):
        if use.kind == WAIT:
            yield found("a hook that sends", str(use), "await asyncio.sleep")


@check(
    Tier.SILVER,
    proves="Each attempt sends the same for the same items, and again what has failed.",
    why="A vendor that knows what it has had, by a key or the body, would take the second attempt for something new. A request that is taken for done before it has succeeded is never made.",
    fix="Take ids and times from the items, not from a clock or a counter. Send a batch in one request, or set max_items=1. Put into a cache what an answer has said, once it is there.",
    needs=(*SENDING, "batch_is_one_request", "request_repeats"),
)
def attempts_repeat(subject: Subject) -> Findings:
    need_hook(subject, "deliver")
    subject.need_sender()
    first: dict[tuple[str, int], Received] = {}
    for one in subject.answered_deliveries:
        if one.is_last and one.delivery.requests:
            before = first.setdefault((one.kind, one.n), one.delivery.requests[-1])
            there = [seen for seen in one.delivery.requests if place_of(seen) == place_of(before)]
            yield from _other(one.where, (there or one.delivery.requests)[-1], before)
    used = {use.kind: use for activity in subject.lived for use in activity.uses}
    if CLOCK in used:
        for kind, early, late in _again(subject, _a_second_later()):
            yield from _other(f"hook deliver, an item of kind {kind!r}, a second later", late, early)
    for function in OTHER_HASHES if HASH in used else ():
        for kind, early, late in _again(subject, other_hash(subject.package, function)):
            yield from _other(f"hook deliver, an item of kind {kind!r}, {used[HASH]}", late, early)
    for one in subject.run(partial(unretried_requests, subject)):
        yield found(
            f"hook deliver, an item of kind {one.kind!r}, attempted again after the answer {one.trouble!r}",
            f"delivered without {named(one.place)}, which has failed",
            "the same requests until they have succeeded",
        )


def _other(where: str, sent: Received, before: Received) -> Findings:
    if same_part(sent) != same_part(before):
        yield found(where, f"sent {short(same_part(sent))}, and before {short(same_part(before))}", "the same")


@contextmanager
def _a_second_later() -> Iterator[None]:
    SLEEP(A_SECOND_S)
    yield


def _again(subject: Subject, changed: AbstractContextManager[None]) -> Iterator[tuple[str, Received, Received]]:
    """The last request for an item of each kind, and for the same item when something has changed that must not matter."""

    async def use(life: Life) -> list[list[Received]]:
        first = [(await life.deliver(items[:1])).requests[-1:] for items in subject.samples.values()]
        with changed:
            return [*first, *[(await life.deliver(items[:1])).requests[-1:] for items in subject.samples.values()]]

    sent = subject.in_a_life(use)
    kinds = list(subject.samples)
    for kind, early, late in zip(kinds, sent, sent[len(kinds) :], strict=False):
        if early and late:
            yield kind, early[0], late[0]


@check(
    Tier.SILVER,
    proves="A plugin that sends by the Sender reaches nothing otherwise, and uses the Sender of the call.",
    why="Only the Sender applies the rate limit, the time-out and the masks. What goes out by another call's is booked there: its Retry-After is not kept.",
    fix="Send every request by the `sender` that the hook is given, and keep it nowhere. What else the plugin needs on the machine, a Scene allows.",
    needs=SENDING,
)
def only_by_sender(subject: Subject) -> Findings:
    if subject.scene is not None:
        raise DoesNotApply("its scene lets it reach other things")
    subject.need_sender()
    for activity in subject.lived:
        yield from (found("a hook that sends", str(use), "sender.send") for use in activity.refusals if use.kind == IO)
    for one in subject.answered_deliveries:
        if one.delivery.is_by_other:
            yield found(one.where, "it sent by the Sender of an earlier call", "the Sender that it is given")


@check(
    Tier.SILVER,
    proves="`check` says of a refused key, an error and a lost connection that they are bad.",
    why="An operator who has just entered a key relies on it: a good word means that events will arrive.",
    fix="Call raise_for_status(answer) before you return.",
    needs=("lifetime_opens", "lifetime_closes"),
)
def check_reports(subject: Subject) -> Findings:
    need_hook(subject, "check")
    bad = [one for one in subject.checked.result if one.answer != GOOD]
    for one in bad:
        n, result = len(one.requests), one.result
        if not isinstance(result, Outcome) and (n or isinstance(result, BaseException)):
            came = f"raised {result!r}" if isinstance(result, BaseException) else f"returned {short(repr(result))}"
            yield found(f"hook check, answer {one.answer!r}", came, "Pause, Reject or RetryLater raised")
    if not any(one.requests for one in bad):
        raise DoesNotApply("its hook check sends nothing")
