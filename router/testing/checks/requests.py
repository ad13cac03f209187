"""What carries the items: one request for as many as their kind allows."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import ValidationError

from router.plugin import Request
from router.plugin_host.time_budgets import HOLD_S
from router.testing.checking.built_requests import IMPURE
from router.testing.checking.check import SENDING, DoesNotApply, Findings, Tier, check, found
from router.testing.checking.event_variants import later
from router.testing.checking.mapping_call import short
from router.testing.checking.same_request import is_key, same_part
from router.testing.checking.standard_answers import GOOD
from router.testing.checking.subject import Subject
from router.testing.checking.watched_calls import HASH
from router.testing.replies import Received

NOT_TO_SEND_TO = ("nonsense", "ftp://files.example.com/v1")
TIMES, ROOM = 4, 64 * 1024
"""A body may have so many times the bytes of its items, for escapes, and so many around them."""


@check(
    Tier.BRONZE,
    proves="`request` builds a Request for each item that the plugin makes, alone and in full batches.",
    why="Any exception but an outcome is a dead letter (`plugin_error`), after the event was accepted and mapped.",
    fix="Look at what Request refuses: a blank or a # in the URL, a line break in a header. Percent-encode ids with urllib.parse.quote.",
    needs=("exercised",),
)
def request_builds(subject: Subject) -> Findings:
    for built in subject.built:
        if built.raised is not None and not built.is_outcome:
            yield found(built.where, f"raised {type(built.raised).__name__}: {short(built.raised)}", "a Request")
        elif built.raised is None and built.request is None:
            yield found(built.where, f"returned {type(built.returned).__name__}", "a Request")


@check(
    Tier.BRONZE,
    proves="The URL of each request begins with http:// or https:// and names a host.",
    why="Nothing can be sent to any other: the destination pauses (`set_up`).",
    fix="Refuse such a URL in the model of the settings, and join it with the path as it is.",
    needs=SENDING,
)
def request_url(subject: Subject) -> Findings:
    for where, url in _urls(subject):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield found(where, f"the URL {short(url)}", "http:// or https:// and a host")


@check(
    Tier.GOLD,
    proves="A setting that requests begin with, such as base_url, is refused where nothing can be sent to it.",
    why="`segment-router check` would call it good, and the destination would pause at its first event (`set_up`).",
    fix="Ask url_fault in `model_post_init` of the settings, and raise a ValueError with its words.",
    needs=("request_url",),
)
def bad_address_refused(subject: Subject) -> Findings:
    urls = [url for _, url in _urls(subject)]
    settings = subject.model.model_validate(subject.settings).model_dump()
    addresses = [name for name, value in settings.items() if _begins_one_of(urls, value)]
    if not addresses:
        raise DoesNotApply("no setting is the beginning of the URLs that it sends to")
    for name in addresses:
        for address in NOT_TO_SEND_TO:
            if _is_taken(subject, {**settings, name: address}):
                yield found(f'settings with {name} = "{address}"', "taken", "a refusal")


def _begins_one_of(urls: list[str], value: object) -> bool:
    is_address = isinstance(value, str) and value.startswith(("http://", "https://"))
    return is_address and any(url.startswith(str(value).rstrip("/")) for url in urls)


def _is_taken(subject: Subject, settings: dict[str, object]) -> bool:
    try:
        subject.model.model_validate(settings)
    except ValidationError:
        return False
    return True


def _urls(subject: Subject) -> Iterator[tuple[str, str]]:
    if "request" in subject.destination.hooks:
        yield from ((built.where, built.request.url) for built in subject.built if built.request is not None)
        return
    subject.need_sender()
    yield from ((one.where, seen.url) for one in subject.answered_deliveries for seen in one.delivery.requests)


@check(
    Tier.SILVER,
    proves="`request` builds the same request for the same items.",
    why="Each attempt calls it. A vendor that knows what it has had by a key or the body would take a second attempt for something new.",
    fix="Take ids and times from the items. Only a signature and its time may differ, in headers or in the query.",
    needs=("request_builds",),
)
def request_repeats(subject: Subject) -> Findings:
    for built in subject.built:
        first, second = built.request, built.again
        if first is not None and isinstance(second, Request) and same_part(first) != same_part(second):
            told = f"built {short(same_part(first))} and then {short(same_part(second))}"
            yield found(built.where, told, "the same twice, also a second later")
        if any(same_part(other) != same_part(built.request) for other in built.hashed if built.request is not None):
            yield from (found(built.where, str(use), "hashlib") for use in built.uses if use.kind == HASH)


@check(
    Tier.SILVER,
    proves="`request` touches no file, socket or thread, and waits for nothing.",
    why="It runs in the event loop of all destinations, and in a dry run, which promises to send nothing.",
    fix="What has to be asked for first, such as a token, belongs into `deliver`.",
    needs=("request_builds",),
)
def request_pure(subject: Subject) -> Findings:
    for built in subject.built:
        yield from (found(built.where, str(use), "nothing of that") for use in built.uses if use.kind in IMPURE)


@check(
    Tier.SILVER,
    proves="`request` leaves the items that it is given as they are.",
    why="`verdict` gets the same list: outcomes would be counted against other items.",
    fix="Copy before you change: {**item.body}. Do not pop from the list.",
    needs=("exercised",),
)
def request_leaves_items(subject: Subject) -> Findings:
    for built in subject.built:
        if built.changed:
            yield found(built.where, built.changed, "items as they were")


@check(
    Tier.SILVER,
    proves="Requests that carry other items have other idempotency keys.",
    why="A vendor that has had the key takes the second request for a repetition, and drops it: its items are lost.",
    fix="Put event.message_id into each item, and make the key of all items of the request. The id of the first item is not enough.",
    needs=(*SENDING, "batch_is_whole"),
)
def idempotency_keys(subject: Subject) -> Findings:
    kinds: set[str] = set()
    for requests in (_built(subject), _sent(subject)):
        keyed: dict[tuple[str, str], tuple[object, ...]] = {}
        for where, kind, request in requests:
            method, url, named, body = same_part(request)
            for name in filter(is_key, named):
                kinds.add(kind)
                is_for = method, url, body
                if keyed.setdefault((name, named[name]), is_for) != is_for:
                    yield found(
                        where, f"{name}: {short(named[name])}, which another request has, too", "a key of its own"
                    )
    if not kinds:
        raise DoesNotApply("it sends no idempotency key")
    yield from _done_twice(subject, kinds)


def _built(subject: Subject) -> Iterator[tuple[str, str, Request | Received]]:
    """What the hook `request` builds: it may have a placeholder where `deliver` has an id that it looked up."""
    if "request" in subject.destination.hooks:
        yield from ((one.where, one.items[0].kind, one.request) for one in subject.built if one.request is not None)


def _sent(subject: Subject) -> Iterator[tuple[str, str, Request | Received]]:
    """What is sent while all is well: after a failure the same items may be sent to another place."""
    good = (one for one in subject.answered_deliveries if one.answer == GOOD)
    yield from ((one.where, one.kind, seen) for one in good for seen in one.delivery.requests)


def _done_twice(subject: Subject, kinds: set[str]) -> Findings:
    """Something that a user did again a second later makes an item of the same bytes. So any key of its request is the same."""
    for event in subject.sample_events().values():
        if event.type in ("track", "page", "screen"):
            first, again = (
                {item.json for step in subject.mapped({event.type: one}) for item in step.items if item.kind in kinds}
                for one in (event, later(event, 1))
            )
            if first & again:
                yield found(f"hook {event.type}", "the same item, and so the same key, for two events", "another item")


@check(
    Tier.SILVER,
    proves=f"A full request is not much larger than its items: at most {TIMES} times their bytes, and {ROOM // 1024} KiB.",
    why="`max_bytes` counts the JSON of items. A body that repeats something for each of them goes beyond the limit of the vendor.",
    fix="Say what all items share once, and lower max_bytes by what is around them.",
    needs=("request_builds",),
)
def request_size(subject: Subject) -> Findings:
    for built in subject.built:
        size = sum(len(item.json) for item in built.items)
        if built.request is not None and len(built.request.body) > TIMES * size + ROOM:
            yield found(
                built.where,
                f"a body of {len(built.request.body):,} bytes for {size:,} bytes of items",
                f"at most {TIMES * size + ROOM:,}",
            )


@check(
    Tier.GOLD,
    proves="A request with a body says what the body is.",
    why="Most vendors refuse a body without a Content-Type, some with an answer that names no cause.",
    fix="Use json_request, or set the header Content-Type.",
    needs=SENDING,
)
def content_type(subject: Subject) -> Findings:
    subject.need_sender()
    for one in subject.answered_deliveries:
        for seen in one.delivery.requests:
            if seen.body and "content-type" not in seen.headers:
                yield found(one.where, f"{seen.method} {short(seen.url)} has a body and no Content-Type", "the header")


@check(
    Tier.SILVER,
    proves=f"`request` takes less than {HOLD_S:g} s of the processor for a full batch.",
    why="It holds the event loop of all destinations while it runs.",
    fix="Use item.json, which is encoded already. Lower max_items, or let `deliver` do what takes long in a thread.",
    needs=("request_builds",),
)
def request_fast(subject: Subject) -> Findings:
    for built in subject.built:
        if built.spent_s > HOLD_S:
            yield found(built.where, f"took {built.spent_s:.2f} s of the processor", f"less than {HOLD_S:g} s")
