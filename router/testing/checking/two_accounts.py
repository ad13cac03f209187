"""The same items sent by two instances with other settings: those of two accounts at one vendor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from router.plugin import JSON, Item
from router.testing.checking.event_variants import unseen
from router.testing.checking.life import Life
from router.testing.checking.loops import KitLoop
from router.testing.checking.marked_settings import OTHER_HOST
from router.testing.checking.unused_copy import unused_copy
from router.testing.replies import Answers, Received, answer_to

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["SentByTwo", "last_sent", "sent_by_two"]

MAX_UNSEEN = 12
"""Items of calls that no instance has had before."""


@dataclass
class SentByTwo:
    """What the instances of two accounts sent for one item."""

    words: str  #: which item
    alone: int  #: the requests of the first account's new instance
    other: list[Received]  #: those of the second account's, after it
    before: Received | None  #: what the first account's sends last, before the second one was there
    after: Received | None  #: the same, afterwards


def sent_by_two(subject: Subject) -> list[SentByTwo]:
    """First an item of each kind, at two new instances. Then items of users that no instance has had: a cache filled earlier does not
    help with them, one filled by the first of the two does. The instances are of a copy of the class, since an earlier test may have
    filled such a cache. Raises DoesNotApply where there can be no copy."""
    unseen = dict(_unseen(subject))
    requests = {kind: len(subject.requests_for(kind)) for kind in subject.samples}
    with unused_copy(subject.plugin, subject.package) as copy:  # an import may read files, which no loop lets it do
        sent: list[SentByTwo] = subject.run(lambda loop: _Accounts(subject, copy, loop).sent(requests, unseen))
    return sent


def _unseen(subject: Subject) -> Iterator[tuple[str, list[Item]]]:
    samples = list(subject.sample_events().values())  # a name of the author's own calls may be the one that counts
    events = {
        f"{event.type} {at}": unseen(event, at, is_renamed=at < len(samples))
        for at, event in enumerate(subject.single_events())
    }
    for made in subject.mapped(events)[:MAX_UNSEEN]:
        if made.is_sound and made.items and made.items[0].kind in subject.destination.kinds:
            yield f"an item of a new user's {made.hook} call", made.items[:1]


class _Accounts:
    """Two at a time, with the instances of one class."""

    def __init__(self, subject: Subject, plugin: type[Any], loop: KitLoop) -> None:
        self._subject, self._plugin, self._loop = subject, plugin, loop

    async def sent(self, requests: Mapping[str, int], unseen: dict[str, list[Item]]) -> list[SentByTwo]:
        """`requests`: of the very first delivery of each kind, before a cache of the class or the module was filled."""
        found = []
        for kind, items in self._subject.samples.items():
            (one,) = await self._by_two({f"an item of kind {kind!r}": items[:1]})
            one.alone = max(one.alone, requests[kind])
            found.append(one)
        return found + await self._by_two(unseen) + await self._at_one_address(requests)

    async def _at_one_address(self, requests: Mapping[str, int]) -> list[SentByTwo]:
        """The other account has the address of the first one, too: only its secrets tell them apart."""
        secrets = self._subject.other_secrets
        if secrets == self._subject.settings or OTHER_HOST not in str(self._subject.other_settings):
            return []
        batches = {
            f"an item of kind {kind!r}, at the same address": items[:1] for kind, items in self._subject.samples.items()
        }
        found = await self._by_two(batches, secrets)
        for one, kind in zip(found[:1], requests, strict=False):  # later ones are helped by what it was told
            one.alone = max(one.alone, requests[kind])
        return found

    async def _by_two(self, batches: dict[str, list[Item]], given: Mapping[str, JSON] | None = None) -> list[SentByTwo]:
        subject = self._subject
        async with subject.opened_scene() as settings:
            life = self._life(settings, settings)
            await life.open()
            alone = [len((await life.deliver(items)).requests) for items in batches.values()]
            before = [await last_sent(life, items) for items in batches.values()]
            other = self._life({**(given or subject.other_settings), **settings}, settings)
            await other.open()
            others = [(await other.deliver(items, _at_home(subject.good))).requests for items in batches.values()]
            after = [await last_sent(life, items) for items in batches.values()]
            await other.close()
            await life.close()
        return [SentByTwo(*one) for one in zip(batches, alone, others, before, after, strict=True)]

    def _life(self, given: Mapping[str, JSON], settings: Mapping[str, JSON]) -> Life:
        return Life(self._subject, self._subject.make(given, copy=self._plugin), self._loop, settings)


def _at_home(good: Answers) -> Answers:
    """What the author's vendor answers to the same request at the first account's address, the only one that it knows."""
    return lambda seen: answer_to(replace(seen, url=seen.url.replace(OTHER_HOST, "://", 1)), good)


async def last_sent(life: Life, items: list[Item]) -> Received | None:
    """The last request for these items while all is well."""
    requests = (await life.deliver(items)).requests
    return requests[-1] if requests else None
