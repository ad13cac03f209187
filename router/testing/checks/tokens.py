"""Tokens that the vendor gives at run time."""

from __future__ import annotations

from collections.abc import Iterator

from router.plugin import JSON, Delivered, Item, Outcome, Pause
from router.testing.checking.answered_deliveries import Place, came, named, place_of
from router.testing.checking.check import BY_VENDOR, SENDING, DoesNotApply, Findings, Tier, check, found
from router.testing.checking.life import Delivery, Life
from router.testing.checking.subject import Subject
from router.testing.replies import Answers, Received, Reply, answer_to

SECRET_HEADERS = ("authorization", "token", "key", "cookie", "session")
MIN_SECRET = 6
REFUSED = ("400", "403", "404", "422")
NO_TOKEN = "it gets no token at run time"


@check(
    Tier.SILVER,
    proves="After a 401 for a token that was got at run time, a new one is asked for: at once, or by the next delivery.",
    why="A token dies before its time: it is revoked, or the vendor restarts. A plugin that keeps it is paused until somebody restarts it.",
    fix="Send with Token.send, which does so, or forget the token after a 401.",
    needs=(*SENDING, "success"),
)
def token_renewed(subject: Subject) -> Findings:
    subject.need_sender()
    is_asked = False
    for kind, items in subject.samples.items():

        async def use(life: Life, items: list[Item] = items[:1]) -> list[Delivery]:
            good = await life.deliver(items)
            refused = await life.deliver(items, _refusing(subject, good))
            return [good, refused, await life.deliver(items)]

        good, *later = subject.in_a_life(use)
        before = {place_of(seen) for seen in good.requests}
        asked = {place_of(seen) for seen in _token_requests(good)}
        is_asked = is_asked or bool(asked)
        again = {place_of(seen) for delivery in later for seen in delivery.requests}
        if asked and not again & asked and again <= before:
            yield found(f"an item of kind {kind!r}, a vendor that refuses the token", "none is asked for", "a new one")
    if not is_asked:
        raise DoesNotApply(NO_TOKEN)


@check(
    Tier.SILVER,
    proves="A request for a token that is refused (400, 403, 404, 422) pauses the destination for sure, and costs no event.",
    why="A wrong key is no event's fault. With raise_for_status a 400 there rejects the events that wait for the token, and a 403 makes dead letters of them after three attempts.",
    fix='Call raise_for_login(answer) in the `ask` of a Token, or raise Pause("credentials", ...). oauth_token does so.',
    needs=(*SENDING, "success", "errors_not_delivered"),
)
def login_refused(subject: Subject) -> Findings:
    subject.need_sender()
    asked = {place_of(seen) for one in subject.successes for seen in _token_requests(one.delivery)}
    if not asked:
        raise DoesNotApply(NO_TOKEN)
    for one in subject.answers:
        is_login = not one.is_of_items and one.was_met and one.places[one.place_no] in asked
        if (
            one.answer in REFUSED
            and is_login
            and one.delivery.is_sound
            and not all(map(_is_kept, one.delivery.outcomes))
        ):
            yield found(one.where, came(one), 'Pause("credentials"), which is sure')


def _is_kept(outcome: Outcome) -> bool:
    """Whether the item waits until somebody has acted, or was delivered in another way."""
    return isinstance(outcome, Delivered) or (isinstance(outcome, Pause) and outcome.sure)


@check(
    Tier.GOLD,
    proves="The request for a token is private.",
    why="A request that is not is shown as an attempt at the items, and its 2xx counts as a sign that the vendor took them.",
    fix=f"Give it private=True: json_request(url, credentials, private=True). If it asks for no token, say what the vendor answers: {BY_VENDOR}.",
    needs=(*SENDING, "success"),
)
def token_private(subject: Subject) -> Findings:
    subject.need_sender()
    requests = [(one, seen) for one in subject.successes for seen in _token_requests(one.delivery)]
    if not requests:
        raise DoesNotApply(NO_TOKEN)
    made_up = "" if subject.has_own_answer else f", or the answer of the vendor, if that has no token: {BY_VENDOR}"
    for one, seen in requests:
        if seen not in one.delivery.private:
            yield found(one.where, f"{named(place_of(seen))} is not private", f"private=True{made_up}")


@check(
    Tier.GOLD,
    proves="A token that the vendor gives at run time is masked where it is shown.",
    why="The router knows the secrets of the settings only. A vendor that quotes the token in an error would put it into the log and the store.",
    fix="Call sender.secret(token) as soon as you have it. Token does so.",
    needs=(*SENDING, "success"),
)
def run_time_secrets(subject: Subject) -> Findings:
    subject.need_sender()
    is_asked = False
    for kind, items in subject.samples.items():

        async def use(life: Life, items: list[Item] = items[:1]) -> tuple[set[str], str]:
            good = await life.deliver(items)
            if not good.requests:  # of a kind that the plugin keeps to itself
                return set(), ""
            told = _tokens(good.replies[:-1], good.requests[1:])
            place = place_of(good.requests[-1])
            delivery = await life.deliver(
                items, lambda seen: _quoted(seen) if place_of(seen) == place else answer_to(seen, subject.good)
            )
            return told, " ".join(str(getattr(outcome, "detail", "")) for outcome in delivery.outcomes)

        tokens, shown = subject.in_a_life(use)
        is_asked = is_asked or bool(tokens)
        if any(token in shown for token in tokens):
            yield found(
                f"an item of kind {kind!r}, a vendor that quotes the token in a 400",
                "the detail shows the token",
                "***",
            )
    if not is_asked:
        raise DoesNotApply(NO_TOKEN)


def _token_requests(delivery: Delivery) -> Iterator[Received]:
    """Those whose answer told a token that a later request to another place has in a header, and they themselves have not."""
    items = _items_place(delivery)
    for at, (seen, reply) in enumerate(zip(delivery.requests, delivery.replies, strict=False)):
        if place_of(seen) != items and _tokens([reply], delivery.requests[at + 1 :]) - _tokens([reply], [seen]):
            yield seen


def _items_place(delivery: Delivery) -> Place | None:
    """Where the items were sent to."""
    return place_of(delivery.requests[-1]) if delivery.requests else None


def _refusing(subject: Subject, good: Delivery) -> Answers:
    """A vendor that answers 401 where the items are sent to."""
    refused = _items_place(good)
    return lambda seen: Reply(401) if place_of(seen) == refused else answer_to(seen, subject.good)


def _quoted(seen: Received) -> Reply:
    words = " ".join(value for name, value in seen.headers.items() if _is_secret(name))
    return Reply(400, body=f"you sent {words}".encode())


def _tokens(replies: list[Reply], later: list[Received]) -> set[str]:
    """What earlier answers told that later requests have in a header for secrets."""
    headers = " ".join(value for seen in later for name, value in seen.headers.items() if _is_secret(name))
    return {text for reply in replies for text in _texts(reply.json) if len(text) >= MIN_SECRET and text in headers}


def _texts(value: JSON, name: str = "") -> Iterator[str]:
    """The texts in an answer whose names say that they are secret."""
    if isinstance(value, str) and _is_secret(name) and "type" not in name:
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, key.lower())
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, name)


def _is_secret(name: str) -> bool:
    return any(part in name for part in SECRET_HEADERS)
