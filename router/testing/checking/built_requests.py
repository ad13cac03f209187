"""The hook `request`, called with every item alone and with full batches; and what is sent for some items, whichever hook sends it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from router.plugin import Item, Outcome, Request
from router.testing.batching import batches
from router.testing.checking.life import Life, change_of, copies
from router.testing.checking.other_hash import OTHER_HASHES, other_hash
from router.testing.checking.same_request import what_is_sent
from router.testing.checking.watch import Use, Watch
from router.testing.checking.watched_calls import A_SECOND_S, CLOCK, HASH, IO, SLEEP, START, WAIT

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["Built", "Sent", "build", "sent_for"]

IMPURE = frozenset({IO, WAIT, START})
"""What `request` must not do. A clock and chance may be in a signature."""
MAX_ALONE, MAX_FULL = 200, 1000
"""Items that are tried alone, and in the largest batch."""
Sent = list[tuple[str, str, bytes]]
"""Method, URL and body of each request. What is a time or a signature in the URL is left out."""


@dataclass
class Built:
    """One call of the hook, and a second one with the same items."""

    items: list[Item]
    returned: Any = None
    again: Any = None
    hashed: list[Request] = field(default_factory=list)  #: with other hashes, where the hook has asked for one
    raised: BaseException | None = None
    changed: str = ""
    uses: list[Use] = field(default_factory=list)
    spent_s: float = math.inf  #: of the processor, in the quicker of the two calls

    @property
    def where(self) -> str:
        """For findings."""
        kind = f" of kind {self.items[0].kind!r}" if self.items[0].kind else ""
        return f"hook request, {len(self.items)} item{'s' if len(self.items) > 1 else ''}{kind}"

    @property
    def request(self) -> Request | None:
        """What it built, if it is a request."""
        return self.returned if isinstance(self.returned, Request) else None

    @property
    def is_outcome(self) -> bool:
        """Whether it raised an outcome."""
        return isinstance(self.raised, Outcome)


def build(subject: Subject) -> list[Built]:
    """All of them, at one instance: once, and once more, a second later where the hook has used a clock."""
    hook = subject.make().hooks["request"]
    noted = IMPURE | {CLOCK, HASH}
    watch, timed = (Watch(subject.package, noted, profile=profile) for profile in (True, False))
    built = [Built(items) for items in _all_batches(subject)]
    for one in built:
        one.returned = _called(one, hook, watch)
    if any(use.kind == CLOCK for one in built for use in one.uses):
        SLEEP(A_SECOND_S)
    for one in built:
        one.again = _called(one, hook, timed)
        if any(use.kind == HASH for use in one.uses):
            one.hashed = [
                request for request in _hashed(one, hook, timed, subject.package) if isinstance(request, Request)
            ]
    return built


def _hashed(built: Built, hook: Any, watch: Watch, package: str) -> Iterator[Any]:
    for function in OTHER_HASHES:
        with other_hash(package, function):
            yield _called(built, hook, watch)


def _all_batches(subject: Subject) -> Iterator[list[Item]]:
    """Each item alone, all of them in batches, and the largest batch, in which some are several times."""
    for kind, items in subject.samples.items():
        for item in items[:MAX_ALONE]:
            yield [item]
        yield from batches(items, subject.destination.kinds)
        many = min(subject.destination.kinds[kind].max_items, MAX_FULL)
        yield next(batches(list(islice(cycle(items), many)), subject.destination.kinds))


def _called(built: Built, hook: Any, watch: Watch) -> Any:
    """What the hook returned; None where it raised, which is noted like all that it did."""
    given = copies(built.items)
    before, returned = list(given), None
    with watch:
        began = time.thread_time()
        try:
            returned = hook(given)
        except BaseException as error:  # a plugin may raise anything, SystemExit too
            built.raised = error
        built.spent_s = min(built.spent_s, time.thread_time() - began)
    built.uses += watch.taken()[0]
    built.changed = built.changed or change_of("request", given, before)
    return returned


async def sent_for(life: Life, *batches: Sequence[Item]) -> list[Sent]:
    """What is sent for each of these batches while all is well, one after the other."""
    found = []
    await life.deliver(batches[0])  # what is asked for once, such as a token, is there from now on
    for items in batches:
        delivery = await life.deliver(items)
        found.append([what_is_sent(seen) for seen in delivery.requests])
    return found
