"""Two instances at once, and the memory of one."""

from __future__ import annotations

from collections.abc import Collection

from router.explain.figures import count
from router.plugin import Item
from router.testing.checking.check import SENDING, DoesNotApply, Findings, Tier, check, found
from router.testing.checking.growth import mapped_growth, sent_growth
from router.testing.checking.life import Life
from router.testing.checking.loops import KitLoop
from router.testing.checking.mapping_call import short
from router.testing.checking.same_request import steady_url
from router.testing.checking.subject import Subject
from router.testing.checking.watched_calls import A_SECOND_S, SLEEP
from router.testing.replies import Received


@check(
    Tier.GOLD,
    proves="Two lives at once do not disturb each other: when one ends, the other one still delivers.",
    why="A reload opens the new instance before the old one has ended. Two destinations may use one plugin.",
    fix="Keep connections, sessions and tasks on the instance, never at the class or the module.",
    needs=(*SENDING, "lifetime_again"),
)
def two_lives(subject: Subject) -> Findings:
    async def main(loop: KitLoop) -> list[str]:
        async with subject.opened_scene() as settings:
            old, new = (Life(subject, subject.make(settings), loop, settings) for _ in range(2))
            faults = [await old.open(), await new.open(), await old.close(), *await _failures(new)]
            return [*faults, await new.close()]

    for fault in subject.run(main):
        if fault:
            yield found("two lives at once, of which one ends", fault, "that the other one delivers")


async def _failures(life: Life) -> list[str]:
    deliveries = [await life.deliver(items[:1]) for items in life.subject.samples.values()]
    return [f"a delivery failed: {short(one.outcomes or one.raised)}" for one in deliveries if not one.is_sound]


@check(
    Tier.GOLD,
    proves="Instances with other settings do not change what an instance sends.",
    why="Two destinations may use one plugin, with two accounts. Events of one must never reach the other.",
    fix="Keep settings and what is made of them on the instance, never at the class or the module.",
    needs=(*SENDING, "batch_is_whole", "request_repeats", "attempts_repeat"),
)
def instances_apart(subject: Subject) -> Findings:
    subject.need_sender()
    if subject.other_settings == subject.settings:
        raise DoesNotApply("its settings have no secret and no address that could differ")

    before, after, first, others = subject.run(lambda loop: _disturbed(subject, loop))
    for kind, alone, sent in zip(subject.samples, first, others, strict=True):
        if kind == next(
            iter(subject.samples)
        ):  # what is asked for once, such as a token, is asked for with the first kind
            alone = max(alone, subject.requests_for(kind))
        if sent < alone:
            yield found(
                f"an item of kind {kind!r}, at a new instance with other settings",
                f"it sends {count(sent, 'request')}, and the instance before it {alone}",
                "as many: a token or what was sent is of one instance",
            )
    differ = [(one, other) for one, other in zip(before, after, strict=True) if _core(one) != _core(other)]
    changing = _changing_headers(subject) if differ else set()
    for one, other in differ:
        if _core(one, changing) != _core(other, changing):
            yield found(
                "an instance, after another one was made and has delivered",
                f"it sends {short(_core(other, changing))}",
                f"as before: {short(_core(one, changing))}",
            )


async def _disturbed(
    subject: Subject, loop: KitLoop
) -> tuple[list[Received | None], list[Received | None], list[int], list[int]]:
    """What an instance sends last for each kind, before and after another one; and how many requests each sends at first."""
    async with subject.opened_scene() as settings:
        life = Life(subject, subject.make(settings), loop, settings)
        await life.open()
        first = [len((await life.deliver(items[:1])).requests) for items in subject.samples.values()]
        before = [await _last(life, items[:1]) for items in subject.samples.values()]
        other = Life(subject, subject.make({**subject.other_settings, **settings}), loop, settings)
        await other.open()
        others = [len((await other.deliver(items[:1])).requests) for items in subject.samples.values()]
        after = [await _last(life, items[:1]) for items in subject.samples.values()]
        await other.close()
        await life.close()
        return before, after, first, others


async def _last(life: Life, items: list[Item]) -> Received | None:
    requests = (await life.deliver(items)).requests
    return requests[-1] if requests else None


def _core(seen: Received | None, but: Collection[str] = ()) -> tuple[object, ...]:
    if seen is None:
        return ()
    headers = {name: value for name, value in seen.headers.items() if name not in but}
    return seen.method, steady_url(seen.url), seen.body, headers


def _changing_headers(subject: Subject) -> set[str]:
    """Those that differ between two attempts a second apart of one instance alone: a date, and a signature over it."""

    async def main(life: Life) -> set[str]:
        changing: set[str] = set()
        for items in subject.samples.values():
            await life.deliver(items[:1])
            one = await _last(life, items[:1])
            SLEEP(A_SECOND_S)
            other = await _last(life, items[:1])
            if one is not None and other is not None:
                changing |= {name for name, value in one.headers.items() if other.headers.get(name) != value}
        return changing

    found: set[str] = subject.in_a_life(main)
    return found


@check(
    Tier.GOLD,
    proves="Nothing is kept of each event: neither when it is mapped nor when it is sent.",
    why="A daemon runs for months. What is kept of each user or event ends the process one day.",
    fix="Keep what belongs to a user in context.state. Bound every cache by a number, and drop the oldest.",
    needs=(*SENDING, "mapping_fast", "any_answer", "only_by_sender", "sending_never_blocks"),
)
def memory_bounded(subject: Subject) -> Findings:
    looks = {"mapping hooks": mapped_growth}
    if subject.scene is None:  # else its server may be in this process, and keep what has arrived
        looks["hooks that send"] = sent_growth
    for where, look in looks.items():
        growth = look(subject)
        if growth.is_endless:
            left = (
                f"{growth.blocks:,} blocks of memory more after {growth.calls:,} further events, each of another user"
            )
            yield found(where, left, "about as many as before")
            return
