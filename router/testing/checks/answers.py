"""What becomes of items after each answer of a vendor, and after none."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from router.config.model import DeliveryConfig
from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Split
from router.testing.checking.answered_deliveries import AnsweredDelivery, at_place, came
from router.testing.checking.check import SENDING, DoesNotApply, Findings, Tier, check, found
from router.testing.checking.item_results import ItemResults, made_bad
from router.testing.checking.life import Delivery, Life
from router.testing.checking.mapping_call import short
from router.testing.checking.standard_answers import REFUSALS, WAIT_S, WEB_PAGE
from router.testing.checking.subject import Subject
from router.testing.replies import Reply

MAX_AGE_S = DeliveryConfig().max_age_s
"""A retry that is given up no sooner than any other one has no end of its own."""
LATER = (
    "408",
    "425",
    "500",
    "503 with a date in Retry-After",
    "502 with a web page",
    "503",
    "504",
    "520",
    "529",
    "500 with garbage",
    "half of a 500",
)
LOST = ("a reset", "no answer")
BAD = (*REFUSALS, *LATER, *LOST, "401", "402", "403", "404", "413", "429", "429 with Retry-After", "a redirect")


def _expect(
    subject: Subject,
    answers: Collection[str],
    fits: Callable[[Outcome], bool],
    expected: str,
    *,
    of_items: bool = False,
) -> Findings:
    """Findings where no outcome fits. In a batch one fitting outcome is enough, since the vendor may have named the
    items that it means."""
    for one in subject.answers:
        if one.answer not in answers or not one.delivery.is_sound or (of_items and not one.is_of_items):
            continue
        outcomes = one.delivery.outcomes
        goes_on = not one.is_last and all(isinstance(outcome, Delivered) for outcome in outcomes)
        if not goes_on and not any(map(fits, outcomes)):
            yield found(one.where, came(one), expected)


@check(
    Tier.SILVER,
    proves="After a refusal, an error, a redirect or a lost connection nothing counts as delivered, whichever request met it.",
    why="What counts as delivered is never sent again: the event is lost, and nobody sees it.",
    fix="Look at answer.status first, or begin with by_status; after a request that prepares another one call raise_for_status(answer, len(items)). Let the RetryLater of sender.send through.",
    needs=(*SENDING, "own_retries"),
)
def errors_not_delivered(subject: Subject) -> Findings:
    for one in subject.answers:
        if one.answer not in BAD or not one.delivery.is_sound or not one.was_met:
            continue
        if all(isinstance(outcome, Delivered) for outcome in one.delivery.outcomes) and not _may_be_delivered(
            subject, one
        ):
            yield found(one.where, "Delivered", "another outcome")


def _may_be_delivered(subject: Subject, one: AnsweredDelivery) -> bool:
    """Whether the answer says something of what is there, and the plugin acts on it: nothing to delete, nothing known yet, to be created
    or updated instead."""
    if one.answer == "404" and (one.kind in subject.deletions or one.is_lookup or one.is_deletion):
        return True
    return one.answer in ("404", *REFUSALS) and one.has_gone_on


@check(
    Tier.SILVER,
    proves="Where the vendor tells success in a 207 or a field such as `ok`, an answer that tells failure does not count as delivered, and no web page does.",
    why="Such a vendor answers 2xx to what it refuses, too. Proxies answer a page with 200 while it is down, which says nothing of the items.",
    fix='Read what every 2xx says, and return RetryLater("unreadable_answer") where it says nothing.',
    needs=(*SENDING, "success", "results_by_item"),
)
def results_read(subject: Subject) -> Findings:
    subject.need_sender()
    with_results = {one.kind for one in subject.successes if one.is_answered_by(207)}
    failures = {one.kind: (one, failure) for one in subject.successes if one.n == 1 and (failure := _failure(one))}
    if not with_results | failures.keys():
        raise DoesNotApply(
            "no success is a 207 or has a field such as ok; what it shows of a vendor is what conformance(vendor=...) answers"
        )
    for one in subject.answers:
        if one.answer != WEB_PAGE or one.kind not in with_results | failures.keys():
            continue
        if one.is_last and one.delivery.is_sound and _has_delivered(one.delivery):
            yield found(one.where, "Delivered", "RetryLater")
    for one, failure in failures.values():
        answer = at_place(one.places[-1], failure, subject.good, one.route.place_of)
        delivery = subject.in_a_life(partial(Life.deliver, items=one.delivery.items, answer=answer))
        if delivery.is_sound and _has_delivered(delivery):
            told = f"an item of kind {one.kind!r}, answer {short(failure.content().decode())}"
            yield found(told, "Delivered", "another outcome")


def _failure(one: AnsweredDelivery) -> Reply | None:
    """What the vendor would answer to a request of one item that failed; None where its success does not say so."""
    if not one.delivery.requests:
        return None
    seen, reply = one.delivery.requests[-1], one.delivery.replies[-1]
    results = ItemResults(seen, reply, 1)
    if reply.status == 207 and results.is_told():
        return results.changed(0, made_bad)
    return results.denied()


def _has_delivered(delivery: Delivery) -> bool:
    return any(isinstance(outcome, Delivered) for outcome in delivery.outcomes)


@check(
    Tier.SILVER,
    proves="401 pauses the destination.",
    why="A wrong key is no event's fault. A Reject makes a dead letter of each event until somebody looks, a retry uses up their time.",
    fix='Return Pause("credentials", ...), as by_status does.',
    needs=(*SENDING, "errors_not_delivered"),
)
def unauthorized(subject: Subject) -> Findings:
    return _expect(subject, ("401",), lambda outcome: isinstance(outcome, Pause), "Pause")


@check(
    Tier.SILVER,
    proves="403 and 404 are not retried for ever.",
    why="They do not pass by themselves: the user's later events wait behind the event until it is too old.",
    fix="Return Pause(..., sure=False) as by_status does, Reject, or RetryLater with for_s.",
    needs=SENDING,
)
def forbidden(subject: Subject) -> Findings:
    return _expect(subject, ("403", "404"), lambda outcome: not _is_endless(outcome), "an outcome that comes to an end")


def _is_endless(outcome: Outcome) -> bool:
    return isinstance(outcome, RetryLater) and (outcome.for_s is None or outcome.for_s >= MAX_AGE_S)


@check(
    Tier.SILVER,
    proves="429 is retried later.",
    why="The vendor is busy, and the event is good: a Reject loses it.",
    fix="Return RetryLater, as by_status does.",
    needs=(*SENDING, "errors_not_delivered"),
)
def rate_limited(subject: Subject) -> Findings:
    return _expect(subject, ("429", "429 with Retry-After"), _is_later, "RetryLater, or Pause with after_s")


def _is_later(outcome: Outcome) -> bool:
    return isinstance(outcome, RetryLater) or (isinstance(outcome, Pause) and outcome.after_s is not None)


@check(
    Tier.SILVER,
    proves="A retry waits for as long as the vendor asks in Retry-After.",
    why="A vendor that is asked too early counts it, and some block the key.",
    fix="Hand it on: RetryLater(reason, after_s=answer.retry_after_s).",
    needs=(*SENDING, "rate_limited"),
)
def retry_after(subject: Subject) -> Findings:
    def waits(outcome: Outcome) -> bool:
        after_s = getattr(outcome, "after_s", None)
        return isinstance(after_s, int | float) and after_s >= WAIT_S

    return _expect(subject, ("429 with Retry-After",), waits, f"after_s of at least {WAIT_S}")


@check(
    Tier.SILVER,
    proves="408, 425 and 5xx are retried later.",
    why="The vendor has trouble, and the event is good: a Reject loses it, a Pause stops everything until somebody acts.",
    fix="Return RetryLater, as by_status does, before you read the body.",
    needs=(*SENDING, "errors_not_delivered"),
)
def server_error(subject: Subject) -> Findings:
    return _expect(subject, LATER, _is_later, "RetryLater")


@check(
    Tier.SILVER,
    proves="A connection that is lost, and an answer that does not come, are retried.",
    why="Networks fail every day. Nothing is known of the event then, so it is sent again.",
    fix="Let the RetryLater of sender.send through: do not catch Exception around it. A time-out of your own ends in RetryLater, too.",
    needs=(*SENDING, "errors_not_delivered"),
)
def lost_connection(subject: Subject) -> Findings:
    return _expect(subject, LOST, _is_later, "RetryLater")


@check(
    Tier.SILVER,
    proves="A redirect pauses the destination.",
    why="The router follows none, since the key would go along. It says that the address is wrong, which is no event's fault.",
    fix='Return Pause("set_up", ...), as by_status does.',
    needs=(*SENDING, "errors_not_delivered"),
)
def redirect(subject: Subject) -> Findings:
    return _expect(subject, ("a redirect",), lambda outcome: isinstance(outcome, Pause), "Pause")


@check(
    Tier.SILVER,
    proves="413 makes a batch smaller, and an item that is too large alone is rejected.",
    why="The same request is as large the next time: a retry never ends, and a Pause stops everything for one event.",
    fix="Return Split for several items and Reject for one, as by_status does.",
    needs=(*SENDING, "success", "errors_not_delivered"),
)
def too_large(subject: Subject) -> Findings:
    return _expect(
        subject,
        ("413",),
        lambda outcome: isinstance(outcome, Split | Reject),
        "Split, or Reject for a single item",
        of_items=True,
    )


@check(
    Tier.SILVER,
    proves="An event that the vendor refuses (400, 422) is not retried for ever.",
    why="It will be refused again. The user's later events wait behind it until it is too old.",
    fix="Return Split for several items and Reject for one, as by_status does.",
    needs=(*SENDING, "errors_not_delivered"),
)
def refused(subject: Subject) -> Findings:
    return _expect(
        subject, REFUSALS, lambda outcome: not _is_endless(outcome), "an outcome that comes to an end", of_items=True
    )


@check(
    Tier.GOLD,
    proves="When a vendor refuses a batch (400, 422), the good items in it are not rejected with the bad one.",
    why="One event with a bad field would make dead letters of up to a full batch of others.",
    fix="Return Split where the vendor does not say which item it means, as by_status does. Give raise_for_status the number of items.",
    needs=(*SENDING, "refused", "batch_is_one_request"),
)
def batch_refused(subject: Subject) -> Findings:
    if not any(one.n > 1 for one in subject.answers):
        raise DoesNotApply("each of its requests carries one item")
    for one in subject.answers:
        if one.answer not in REFUSALS or one.n == 1 or not one.delivery.is_sound:
            continue
        if all(isinstance(outcome, Reject) for outcome in one.delivery.outcomes):
            expected = "Split, or an outcome for each item that the vendor named"
            yield found(one.where, "each item is rejected", expected)
