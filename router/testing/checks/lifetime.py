"""The life of an instance: opened, lasting, closed, opened again, and nothing left behind."""

from __future__ import annotations

from router.testing.checking.check import Findings, Tier, check, found, need_hook
from router.testing.checking.life import Life
from router.testing.checking.loops import KitLoop, rounds
from router.testing.checking.subject import Subject

HOUR_S = 3600.0


async def _lived(subject: Subject, loop: KitLoop, *, seconds: float = 0.0) -> tuple[str, str, bool]:
    """What went wrong when it was opened and when it was closed, and whether it ended by itself between."""
    async with subject.opened_scene() as settings:
        life = Life(subject, subject.make(settings), loop, settings)
        if fault := await life.open():
            return fault, "", False
        await rounds(50)
        if seconds:
            loop.pass_time(seconds)
            await rounds(50)
        has_ended = life.has_ended
        return "", await life.close(), has_ended


@check(
    Tier.BRONZE,
    proves="`lifetime` opens.",
    why="One that fails pauses the destination; it is opened again every minute.",
    fix="Connect at the first delivery, so that a server that is down stops no start. Raise nothing made to end a program.",
)
def lifetime_opens(subject: Subject) -> Findings:
    need_hook(subject, "lifetime")
    if fault := subject.run(lambda loop: _lived(subject, loop))[0]:
        yield found("hook lifetime, opened", fault, "that it opens")


@check(
    Tier.BRONZE,
    proves="`lifetime` closes: it ends in time, raises nothing and yields once.",
    why="A reload and a stop wait 10 s for it. What it still holds then is left behind.",
    fix="Close in `finally` behind the one `yield`, with a time-out around what may hang.",
    needs=("lifetime_opens",),
)
def lifetime_closes(subject: Subject) -> Findings:
    need_hook(subject, "lifetime")
    _, fault, has_ended = subject.run(lambda loop: _lived(subject, loop))
    if fault and not has_ended:
        yield found("hook lifetime, closed", fault, "that it closes")


@check(
    Tier.SILVER,
    proves="`lifetime` lasts until it is closed, also for an hour.",
    why="When a task in it fails, or a time-out around its `yield` passes, the destination is paused and opened again.",
    fix="Catch what fails in tasks that run for long. Keep asyncio.timeout away from the `yield`.",
    needs=("lifetime_opens",),
)
def lifetime_lasts(subject: Subject) -> Findings:
    need_hook(subject, "lifetime")
    _, fault, has_ended = subject.run(lambda loop: _lived(subject, loop, seconds=HOUR_S))
    if has_ended:
        yield found("hook lifetime, open for an hour", f"it ended by itself: {fault}", "that it lasts")


@check(
    Tier.SILVER,
    proves="After a life has ended, another one opens and delivers: of a new instance, and of the same one.",
    why="A reload makes a new instance. After a failure, the lifetime of the same instance is opened again.",
    fix="Open in `lifetime` what its end closes. Keep nothing at the class or the module.",
    needs=("exercised", "lifetime_opens", "lifetime_closes"),
)
def lifetime_again(subject: Subject) -> Findings:
    async def main(loop: KitLoop) -> list[tuple[str, str]]:
        faults = []
        async with subject.opened_scene() as settings:
            destination = subject.make(settings)
            for whose, instance in (("first", destination), ("same", destination), ("new", subject.make(settings))):
                life = Life(subject, instance, loop, settings)
                faults.append((whose, await life.open() or await _delivers(life) or await life.close()))
        return faults

    for whose, fault in subject.run(main):
        if fault and whose != "first":
            yield found(f"a second life, of the {whose} instance", fault, "that it opens, delivers and closes")


async def _delivers(life: Life) -> str:
    """What keeps it from delivering an item while all is well."""
    for items in life.subject.samples.values():
        delivery = await life.deliver(items[:1])
        if delivery.raised is not None and not delivery.outcomes:
            return f"a delivery raised {delivery.raised!r}"
        if any(getattr(outcome, "reason", "") == "plugin_error" for outcome in delivery.outcomes):
            return f"a delivery failed: {str(getattr(delivery.outcomes[0], 'detail', '')).strip().splitlines()[-1]}"
    return ""


@check(
    Tier.SILVER,
    proves="No task and no timer is left when a life has ended.",
    why="It goes on in the daemon's loop, reload after reload, and may send what the new instance sends.",
    fix="Start tasks in an asyncio.TaskGroup in `lifetime`, or cancel and await them at its end. Cancel what call_later gave.",
    needs=("exercised", "lifetime_opens", "lifetime_closes"),
)
def no_task_left(subject: Subject) -> Findings:
    for name in subject.tasks_left:
        yield found("after the end of a life", f"{name} is there", "nothing")


@check(
    Tier.SILVER,
    proves="No thread is left when a life has ended.",
    why="A thread that does not end keeps the process from stopping, or goes on with an instance that is no more.",
    fix="Join threads and shut executors down at the end of `lifetime`.",
    needs=("exercised", "lifetime_opens", "lifetime_closes"),
)
def no_thread_left(subject: Subject) -> Findings:
    for name in subject.threads_left:
        yield found("after the end of a life", f"the thread {name} is there", "none")
