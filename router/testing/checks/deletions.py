"""`forget` and `forget_group`: what a vendor is asked to delete."""

from __future__ import annotations

from router.plugin import Person, Skip
from router.testing.checking.calls import GROUPS, PEOPLE
from router.testing.checking.check import DoesNotApply, Findings, Tier, check, found
from router.testing.checking.subject import Subject


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
    proves="The items of a deletion name whom they are to delete: the userId, each anonymousId that is sent, the group.",
    why="An item that names nobody deletes nothing, and one that names too much deletes others.",
    fix="Make the items of person.user_id and person.anonymous_ids. Raise Skip if the vendor cannot have the person.",
    needs=("any_call",),
)
def forget_names_them(subject: Subject) -> Findings:
    hooks = {"forget", "forget_group"} & subject.destination.hooks.keys()
    if not hooks:
        raise DoesNotApply("it has no hook forget and no hook forget_group")
    for made in subject.made:
        if made.hook in hooks and made.is_sound and not isinstance(made.outcome, Skip):
            ids = _ids(PEOPLE[made.label]) if made.hook == "forget" else [GROUPS[made.label]]
            texts = [str(item.body) for item in made.items]
            if texts and not all(any(id in text for id in ids) for text in texts):
                yield found(made.where, made.came, f"one of {', '.join(map(repr, ids))} in each item")


def _ids(person: Person) -> list[str]:
    return [id for id in (person.user_id, *person.anonymous_ids) if id is not None]
