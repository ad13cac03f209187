"""`forget` and `forget_group`: what a vendor is asked to delete."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations
from urllib.parse import unquote, urlsplit

from router.plugin import Item, Person, Skip
from router.testing.checking.built_requests import Sent, sent_for
from router.testing.checking.check import SENDING, Findings, Tier, check, found, need_hook
from router.testing.checking.hook_inputs import ANONYMOUS, GROUPS, PEOPLE
from router.testing.checking.life import Life
from router.testing.checking.mapping_call import short
from router.testing.checking.subject import Subject
from router.testing.samples import CALLS

HOOKS = ("forget", "forget_group")
USUAL = {"forget": "a user", "forget_group": "a group"}


def _said(subject: Subject, hook: str, attribute: str) -> Findings:
    destination = subject.destination
    by_hand = getattr(destination.instance, attribute, None)
    if hook not in destination.hooks and not (isinstance(by_hand, str) and by_hand.strip()):
        yield found("the plugin", f"neither a hook {hook} nor {attribute}", "one of them")


@check(
    Tier.GOLD,
    proves="The plugin deletes people, or says how an operator does it.",
    why="`forget --tools` promises an answer for each destination. Without one, the operator has to find out for themselves.",
    fix="Implement the hook forget(person), or write forget_by_hand, a text that says what to do in the tool.",
)
def forget_said(subject: Subject) -> Findings:
    return _said(subject, "forget", "forget_by_hand")


@check(
    Tier.GOLD,
    proves="The plugin deletes groups, or says how an operator does it.",
    why="`forget-group --tools` promises an answer for each destination.",
    fix="Implement the hook forget_group(group_id), or write forget_group_by_hand, a text that says what to do in the tool.",
)
def forget_group_said(subject: Subject) -> Findings:
    return _said(subject, "forget_group", "forget_group_by_hand")


@check(
    Tier.GOLD,
    proves="The items of a deletion name whom they are to delete, by whole ids: the userId, each anonymousId that is sent, the group.",
    why="An item that names nobody deletes nothing, and one that names too much deletes others.",
    fix="Make the items of person.user_id and person.anonymous_ids. Raise Skip if the vendor cannot have the person.",
    needs=("any_call",),
)
def forget_names_them(subject: Subject) -> Findings:
    need_hook(subject, *HOOKS)
    by_anonymous_id = _deletes_anonymous(subject)
    for made in subject.made:
        if made.hook in HOOKS and made.is_sound and made.items and not isinstance(made.outcome, Skip):
            ids = _ids(PEOPLE[made.label]) if made.hook == "forget" else [GROUPS[made.label]]
            wanted = ids if by_anonymous_id else ids[:1]
            if not all(any(_is_named(id, item) for id in ids) for item in made.items):
                yield found(made.where, made.came, f"one of {', '.join(map(repr, ids))} in each item, whole")
            elif left := [id for id in wanted if not any(_is_named(id, item) for item in made.items)]:
                yield found(made.where, made.came, f"an item that names {', '.join(map(repr, left))}")


def _deletes_anonymous(subject: Subject) -> bool:
    """Whether people are known at the vendor by their anonymousIds: items of events carry them, and there is a deletion for them alone."""
    anonymous_id = str(CALLS["track"]["anonymousId"])
    is_sent = any(
        _is_named(anonymous_id, item) for made in subject.made if made.hook not in HOOKS for item in made.items
    )
    return is_sent and any(made.items for made in subject.made if made.hook == "forget" and made.label == ANONYMOUS)


def _is_named(id: str, item: Item) -> bool:
    """Whether the id stands there whole: no letter or digit is before or behind it. It may be quoted, as in a URL."""
    text = item.json.decode()
    return any(re.search(rf"(?<![^\W_]){re.escape(id)}(?![^\W_])", form) for form in (text, unquote(text)))


@check(
    Tier.GOLD,
    proves="What is sent for a deletion differs with whom it deletes, and an id such as `a/b` or `..` is no path.",
    why="An item that names a person deletes nobody if its request does not. The vendor answers 200, and the deletion counts as done. An id that is steps of a path deletes somebody or something else.",
    fix='Put the id of the item into the URL or the body of its request, as it is. In a path quote(id, safe="") makes one step of it; raise Reject for . and .., which no quoting helps.',
    needs=(*SENDING, "success", "forget_names_them"),
)
def forget_sends_them(subject: Subject) -> Findings:
    need_hook(subject, *HOOKS)
    subject.need_sender()
    for hook in HOOKS:
        first = {one.label: one.items[0] for one in subject.made if one.hook == hook and one.is_sound and one.items}

        by_label = _sent_each(subject, first)
        for (label, requests), (other, others) in combinations(by_label.items(), 2):
            if requests and requests == others and first[label].json != first[other].json:
                words = f"the same is sent as for {other}: {short(requests[-1])}"
                yield found(f"hook {hook}, {label}", words, "requests that name them")
        usual = {_steps(requests) for label, requests in by_label.items() if requests and label == USUAL[hook]}
        for label, requests in by_label.items():
            if any(_climbs(url) for _, url, _ in requests) or (
                requests and label != ANONYMOUS and usual - {_steps(requests)}
            ):
                yield found(
                    f"hook {hook}, {label}",
                    f"the id is steps of a path: {short(requests[-1])}",
                    'one step: quote(id, safe=""), and Reject for . and ..',
                )


def _sent_each(subject: Subject, items: Mapping[str, Item]) -> dict[str, Sent]:
    """What is sent for each of them, by its label."""
    if not items:
        return {}

    async def sent(life: Life) -> list[Sent]:
        return await sent_for(life, *([item] for item in items.values()))

    return dict(zip(items, subject.in_a_life(sent), strict=True))


def _steps(requests: Sent) -> int:
    """How many there are in the path of the last request."""
    return urlsplit(requests[-1][1]).path.count("/")


def _climbs(url: str) -> bool:
    """Whether a step of the path is that to the same or to the upper directory, also where it is quoted."""
    return any(unquote(step) in (".", "..") for step in urlsplit(url).path.split("/"))


def _ids(person: Person) -> list[str]:
    return [id for id in (person.user_id, *person.anonymous_ids) if id is not None]
