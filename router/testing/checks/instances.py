"""Two instances at once, and the memory of one."""

from __future__ import annotations

from router.plugin import Item
from router.testing.checking.building import Sent, sent_for
from router.testing.checking.check import SENDING, DoesNotApply, Findings, Tier, check, found
from router.testing.checking.life import Life
from router.testing.checking.loops import KitLoop
from router.testing.checking.mapped import short
from router.testing.checking.subject import MANY, Subject


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

    async def main(loop: KitLoop) -> list[list[tuple[Sent, list[dict[str, str]]]]]:
        async with subject.opened_scene() as settings:
            life = Life(subject, subject.make(settings), loop, settings)
            await life.open()
            before = [await _sent(life, items[:1]) for items in subject.samples.values()]
            other = Life(subject, subject.make({**subject.other_settings, **settings}), loop, settings)
            await other.open()
            for items in subject.samples.values():
                await other.deliver(items[:1])
            after = [await _sent(life, items[:1]) for items in subject.samples.values()]
            await other.close()
            await life.close()
            return [before, after]

    before, after = subject.run(main)
    for (sent, headers), (sent_after, headers_after) in zip(before, after, strict=True):
        if sent and (sent[-1] != sent_after[-1] or headers[-1] != headers_after[-1]):
            yield found(
                "an instance, after another one was made and has delivered",
                f"it sends {short([sent_after[-1], headers_after[-1]])}",
                f"as before: {short([sent[-1], headers[-1]])}",
            )


async def _sent(life: Life, items: list[Item]) -> tuple[Sent, list[dict[str, str]]]:
    (sent,) = await sent_for(life, items)
    return sent, [dict(seen.headers) for seen in life.vendor.requests]


@check(
    Tier.GOLD,
    proves="The memory of an instance does not grow with each event.",
    why="A daemon runs for months. What is kept of each user or event ends the process one day.",
    fix="Keep what belongs to a user in context.state. Bound every cache by a number, and drop the oldest.",
    needs=("exercised", "mapping_fast"),
)
def memory_bounded(subject: Subject) -> Findings:
    before, after = subject.held
    if after - before >= MANY // 3:
        yield found(
            "the instance",
            f"it holds {after - before:,} values more after {MANY - MANY // 3} further events, each of another user",
            "about as many as before",
        )
