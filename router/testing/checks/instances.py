"""Two instances at once, and the memory of one."""

from __future__ import annotations

from collections.abc import Collection

from router.explain.figures import count
from router.testing.checking.check import SENDING, DoesNotApply, Findings, Tier, check, found
from router.testing.checking.growth import mapped_growth, sent_growth
from router.testing.checking.life import Life
from router.testing.checking.loops import KitLoop
from router.testing.checking.mapping_call import short
from router.testing.checking.marked_settings import is_shown
from router.testing.checking.same_request import steady_url
from router.testing.checking.subject import Subject
from router.testing.checking.two_accounts import last_sent, sent_by_two
from router.testing.checking.watched_calls import A_SECOND_S, SLEEP
from router.testing.replies import Received


@check(
    Tier.GOLD,
    proves="Instances with other settings do not change what an instance sends.",
    why="Two destinations may use one plugin, with two accounts. Events of one must never reach the other.",
    fix="Keep settings, and what is made or asked for with them, on the instance: no cache at the class or the module.",
    needs=(*SENDING, "secrets_not_in_items", "batch_is_whole", "request_repeats", "attempts_repeat"),
)
def instances_apart(subject: Subject) -> Findings:
    subject.need_sender()
    if subject.other_settings == subject.settings:
        raise DoesNotApply("its settings have no secret and no address that could differ")

    sent, secrets = sent_by_two(subject), _secrets_of_one(subject)
    for one in sent:
        if len(one.other) < one.alone:
            yield found(
                f"{one.words}, at a new instance with other settings",
                f"it sends {count(len(one.other), 'request')}, and the instance before it {one.alone}",
                "as many: a token, an id that was looked up and what was sent are of one instance",
            )
        if any(is_shown(secrets, _words(seen)) for seen in one.other):
            yield found(
                f"{one.words}, at a new instance with other settings",
                "it sends a secret of the instance before it",
                "its own",
            )
    differ = [one for one in sent if _core(one.before) != _core(one.after)]
    changing = _changing_headers(subject) if differ else set()
    for one in differ:
        if _core(one.before, changing) != _core(one.after, changing):
            yield found(
                f"{one.words}, at an instance, after another one was made and has delivered",
                f"it sends {short(_core(one.after, changing))}",
                f"as before: {short(_core(one.before, changing))}",
            )


def _secrets_of_one(subject: Subject) -> list[str]:
    """Those that are others in the other settings. One that had to keep its form is the same."""
    others = subject.make(subject.other_settings).secrets
    return [secret for secret in subject.destination.secrets if secret not in others]


def _words(seen: Received) -> str:
    return f"{seen.url} {' '.join(seen.headers.values())} {seen.body.decode('utf-8', 'replace')}"


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
            one = await last_sent(life, items[:1])
            SLEEP(A_SECOND_S)
            other = await last_sent(life, items[:1])
            if one is not None and other is not None:
                changing |= {name for name, value in one.headers.items() if other.headers.get(name) != value}
        return changing

    found: set[str] = subject.in_a_life(main)
    return found


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
