"""What hooks that send give: outcomes of the right number and form, whatever is answered."""

from __future__ import annotations

from collections.abc import Sequence

from router.plugin import Delivered, Outcome, Skip
from router.plugin_host.outcome_checks import fault_of
from router.testing.checking.answered_deliveries import READING, came
from router.testing.checking.check import BY_VENDOR, SENDING, CannotBeMade, DoesNotApply, Findings, Tier, check, found
from router.testing.checking.life import NOTHING, Delivery, open_life
from router.testing.checking.loops import KitLoop
from router.testing.checking.mapping_call import short
from router.testing.checking.scene import Scene
from router.testing.checking.subject import Subject
from router.testing.replies import Hang, Received, Reply, Reset

LOST = (Hang, Reset)
MORE_REQUESTS = 3
"""To one place, beyond one for each item: a token that was refused, and the like."""


@check(
    Tier.SILVER,
    proves="While all is well, each item is delivered.",
    why="Without a delivery nothing else about sending is proved.",
    fix=f"Say what the vendor answers to what it takes, a Reply or a function of a request: {BY_VENDOR}.",
    needs=SENDING,
)
def success(subject: Subject) -> Findings:
    for one in subject.successes:
        if one.delivery.is_sound and not all(isinstance(outcome, Delivered) for outcome in one.delivery.outcomes):
            if subject.uses_sender and not subject.has_own_answer:
                raise CannotBeMade(
                    f"{one.where}: {came(one)}. Say what the vendor answers to what it takes: {BY_VENDOR}"
                )
            yield found(one.where, came(one), "Delivered")


@check(
    Tier.BRONZE,
    proves="Whatever the vendor answers, a hook that sends gives outcomes: it raises nothing else and comes to an end.",
    why="Any other exception is a dead letter (`plugin_error`). Vendors answer web pages, half answers and fields of any type.",
    fix="Ask answer.json() for a dict before you read it, and each field for its type.",
    needs=SENDING,
)
def any_answer(subject: Subject) -> Findings:
    for one in subject.answered_deliveries:
        delivery = one.delivery
        if delivery.is_stuck:
            yield found(one.where, "did not come to an end", "outcomes")
        elif (
            isinstance(delivery.raised, Exception)
            and not isinstance(delivery.raised, Outcome)
            and delivery.hook != "request"
            and not delivery.is_sound
        ):
            yield found(one.where, f"raised {type(delivery.raised).__name__}: {short(delivery.raised)}", "outcomes")


@check(
    Tier.BRONZE,
    proves="A hook that sends gives one outcome for all items, or one for each.",
    why="Of a wrong number nobody knows which item each outcome is of: all items of the request become dead letters.",
    fix="Make the list from the items, not from the results of the vendor: [... for item in items].",
    needs=SENDING,
)
def outcome_count(subject: Subject) -> Findings:
    for one in subject.answered_deliveries:
        returned = one.delivery.returned
        if returned is NOTHING or one.delivery.raised is not None or isinstance(returned, Outcome):
            continue
        if not isinstance(returned, Sequence) or isinstance(returned, str | bytes):
            yield found(one.where, f"returned {type(returned).__name__}", "one outcome, or one for each item")
        elif len(returned) != one.n:
            yield found(one.where, f"returned {len(returned)} outcomes for {one.n} items", "one for each")


@check(
    Tier.BRONZE,
    proves="The outcomes of hooks that send are those of the contract, with fields of the right types.",
    why="A wrongly typed field, or a Skip, says nothing to the router: the item is a dead letter (`plugin_error`).",
    fix="Give a text as reason and detail, and seconds as a number. Return Delivered or Reject in place of Skip.",
    needs=SENDING,
)
def outcomes_well_formed(subject: Subject) -> Findings:
    for one in subject.answered_deliveries:
        for outcome in _given(one.delivery):
            fault = "Skip is for mapping hooks" if isinstance(outcome, Skip) else fault_of(outcome)
            if fault:
                yield found(one.where, fault, "an outcome that can be stored")


def _given(delivery: Delivery) -> list[object]:
    """What the plugin itself gave as outcomes."""
    told = delivery.raised if isinstance(delivery.raised, Outcome) else delivery.returned
    if isinstance(told, Sequence) and not isinstance(told, str | bytes):
        return list(told)
    return [told] if isinstance(told, Outcome) else []


@check(
    Tier.SILVER,
    proves="One delivery sends each request once, and once more at most after a 401 or 403.",
    why="The router retries with backoff, a rate limit and a breaker. What a plugin repeats by itself goes around all of them, and arrives twice.",
    fix="Send once and return RetryLater. After a 401 once more with a new token, which Token.send does.",
    needs=SENDING,
)
def own_retries(subject: Subject) -> Findings:
    for one in subject.answered_deliveries:
        # it may ask again and again whether a job is done
        sent = [(seen.method, seen.url, seen.body) for seen in one.delivery.requests if seen.method not in READING]
        places = [(method, url) for method, url, _ in sent]
        most = max(map(places.count, places), default=0)
        if one.delivery.is_endless:
            yield found(one.where, f"sent {len(one.delivery.requests)} requests", "an end")
            continue
        if most > one.n + MORE_REQUESTS:
            yield found(one.where, f"sent {most} requests to one place", f"at most {one.n + MORE_REQUESTS}")
            continue
        renews = any(reply.status in (401, 403) for reply in one.delivery.replies)
        if repeated := _after_trouble(one.delivery):
            yield found(one.where, f"sent the same to {short(repeated.url)} after a failure", "RetryLater")
        again = max(sent, key=sent.count, default=None)
        if again is not None and sent.count(again) > one.n * (2 if renews else 1):
            yield found(
                one.where, f"sent {again[0]} {short(again[1])} {sent.count(again)} times with the same body", "once"
            )


def _after_trouble(delivery: Delivery) -> Received | None:
    """A request with the body of one that the vendor had already said it could not take just then, wherever it goes to."""
    for seen, known in zip(delivery.requests, delivery.known, strict=True):
        if seen.body and any(
            _is_trouble(delivery.replies[at]) and delivery.requests[at].body == seen.body for at in known
        ):
            return seen
    return None


def _is_trouble(reply: Reply) -> bool:
    return reply.status in (408, 425, 429) or reply.status >= 500 or isinstance(reply, LOST)


@check(
    Tier.SILVER,
    proves="Each trouble of the other end, as the scene plays it, has the outcome that the scene names.",
    why="A plugin that does not send by the Sender has answers of its own: only its author knows them.",
    fix="Give conformance(scene=...) a Scene with `troubles`. Map the errors of the driver to outcomes, one by one.",
    needs=SENDING,
)
def own_troubles(subject: Subject) -> Findings:
    scene = subject.scene
    if scene is None or not scene.troubles:
        if subject.uses_sender:
            raise DoesNotApply("it sends by the Sender")
        raise CannotBeMade("it does not send by the Sender: give conformance(scene=...) a Scene with `troubles`")
    for name, expected in scene.troubles.items():
        for kind, delivery in _in_trouble(subject, scene, name):
            if not delivery.outcomes or not all(isinstance(outcome, expected) for outcome in delivery.outcomes):
                told = short(delivery.outcomes) if delivery.outcomes else f"raised {delivery.raised!r}"
                yield found(f"hook deliver, an item of kind {kind!r}, trouble {name!r}", told, expected.__name__)


def _in_trouble(subject: Subject, scene: Scene, name: str) -> list[tuple[str, Delivery]]:
    async def main(loop: KitLoop) -> list[tuple[str, Delivery]]:
        found = []
        for kind, items in subject.samples.items():
            async with open_life(subject, loop) as life, scene.trouble(name, life.settings):
                found.append((kind, await life.deliver(items[:1])))
        return found

    troubled: list[tuple[str, Delivery]] = subject.run(main)
    return troubled
