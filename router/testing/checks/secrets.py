"""Secrets, which must be seen nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from router.testing.checking.check import DoesNotApply, Findings, Tier, check, found
from router.testing.checking.marked_settings import MARK, is_shown
from router.testing.checking.subject import Subject

BEGINNING, END = 8, 6
"""Characters of a secret that are too many to show: a hint of four at either end is common."""


def _part_in(secrets: Iterable[str], words: str) -> bool:
    """Whether a large part of any of them is in the words. Of a secret that had to keep its form it may be a common word: `https://`."""
    made_up = [secret for secret in secrets if secret.startswith(MARK.partition("{")[0])]
    return any(part in words for secret in made_up for part in (secret[:BEGINNING], secret[-END:]))


@check(
    Tier.SILVER,
    proves="No secret is in the repr or str of the settings and the instance.",
    why="Tracebacks, debuggers and log lines show them.",
    fix="Type secrets SecretStr, and give them out only where a request is made. Write no __repr__ that shows them.",
)
def secrets_not_in_repr(subject: Subject) -> Findings:
    destination = subject.make()
    shown = {"the settings": destination.settings, "the instance": destination.instance}
    for what, value in shown.items():
        if is_shown(subject.secrets, f"{value!r} {value}"):
            yield found(f"repr or str of {what}", "it shows a secret", "***, or nothing")


@check(
    Tier.SILVER,
    proves="No secret is in an item, a state or a state key.",
    why="They are stored as they are, and shown. An item that waits would be sent with the old secret after a change.",
    fix="Add secrets in `request` or `deliver`, which run at each attempt with the settings of now.",
)
def secrets_not_in_items(subject: Subject) -> Findings:
    for made in subject.made:
        if any(is_shown(subject.secrets, item.json.decode()) for item in made.items):
            yield found(made.where, "an item holds a secret of the settings", "none")
    for step in subject.story.steps:
        if is_shown(subject.secrets, f"{step.key} {(step.state or b'').decode()}"):
            yield found(step.made.where, "the state or its key holds a secret of the settings", "none")


@check(
    Tier.GOLD,
    proves="No secret, and no large part of one, is in the words of outcomes, exceptions, warnings and log lines of the plugin.",
    why="The router masks whole secrets, but no parts, and nothing in a handler that the plugin or a library adds to the log.",
    fix="Name the setting, not its value. Do not put URLs with keys or whole requests into words.",
    needs=("lifetime_opens",),
)
def secrets_not_in_words(subject: Subject) -> Findings:
    for where, words in _words(subject):
        if is_shown(subject.secrets, words):
            yield found(where, "its words hold a secret of the settings", "none")
        elif _part_in(subject.secrets, words):
            yield found(where, "its words hold a part of a secret of the settings", "none, or four characters at most")


def _words(subject: Subject) -> Iterator[tuple[str, str]]:
    for one in subject.observed:
        made = one.made
        warned = " ".join(reason for reason, _ in one.context.warned) if one.context else ""
        yield made.where, f"{made.outcome!r} {made.error!r} {warned} {' '.join(made.logged)}"
    for answered in subject.answered_deliveries:
        yield answered.where, " ".join(answered.delivery.words)
    for activity in subject.lived:
        yield "a hook that sends", " ".join(activity.logged)
    for story in subject.stories:
        yield "a mapping hook, called many times", " ".join(story.logged)
    for called in subject.checked.result:
        told = called.result
        yield (
            f"hook check, answer {called.answer!r}",
            f"{told} {getattr(told, 'reason', '')} {getattr(told, 'detail', '')}",
        )


@check(
    Tier.GOLD,
    proves="`check` sends something that differs with the secrets of the settings.",
    why="An operator who has just entered a key relies on it. Without the key in it, a request says nothing of the key.",
    fix="Ask for something that needs the key, with the key, in the way that `deliver` sends it.",
    needs=("lifetime_opens", "check_reports", "instances_apart"),
)
def check_uses_secrets(subject: Subject) -> Findings:
    if "check" not in subject.destination.hooks:
        raise DoesNotApply("it has no hook check")
    first, other = subject.checked.result[0], subject.checked_with_other_secrets
    if other is None:
        raise DoesNotApply("its settings have no secret that could differ")
    if not first.requests:
        raise DoesNotApply("its hook check sends nothing")
    if first.requests == other.requests:
        yield found("hook check", "it sends the same whatever the secrets are", "a request that needs them")
