"""What follows from each answer a vendor can give, at every API of the first-party plugins, through the running daemon."""

from __future__ import annotations

import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import pytest

from router.testing.vendor import Garbage, Hang, Reply, Reset, ShortBody
from tests.flow.harness import Table
from tests.vendors.braze import BrazeVendor
from tests.vendors.clientsuccess import ClientSuccessVendor
from tests.vendors.freshsuccess import FreshsuccessVendor
from tests.vendors.scenes import Api, Call, Scene, play
from tests.vendors.strict import Noise, Seen, first, poisoned
from tests.vendors.webhook import WebhookReceiver

Play = Callable[[Scene], Awaitable[None]]

KEY = "ke/y+of the?vendor&77"
"""Looks different in a URL, in a header and in JSON."""
AUTH_KEY = "auth/key+of the?vendor&88"
ACCOUNT_KEY = "account/key+of the?vendor&99"
KEYS = (KEY, quote(KEY, safe=""))
LOGIN = base64.b64encode(f"api:{ACCOUNT_KEY}".encode()).decode()
FRESH_KEYS = (*KEYS, AUTH_KEY, quote(AUTH_KEY, safe=""), ACCOUNT_KEY, quote(ACCOUNT_KEY, safe=""), LOGIN)


def track(user: str, word: str) -> Call:
    """A track of a user whose group is named in the call."""
    return {"type": "track", "userId": user, "event": word, "context": {"groupId": f"g-{user}"}}


def group(user: str, word: str = "word-group") -> Call:
    """A group call with all that an insert needs."""
    traits = {"name": word, "createdAt": "2024-01-01"}
    return {"type": "group", "userId": user, "groupId": f"g-{user}", "traits": traits}


FRESH = {"event_auth_key": AUTH_KEY, "event_api_key": KEY, "account_api_key": ACCOUNT_KEY}
HOOK = {"shared_secret": KEY, "headers": {"Authorization": ACCOUNT_KEY}, "batch": 50, "final_statuses": [501]}
APIS = {
    "braze": Api("braze", BrazeVendor, {"api_key": KEY}, KEYS, 201, track),
    "clientsuccess": Api(
        "clientsuccess", ClientSuccessVendor, {"project_id": "P", "api_key": KEY}, KEYS, 201, track, group
    ),
    "freshsuccess-events": Api("freshsuccess", FreshsuccessVendor, FRESH, FRESH_KEYS, 200, track),
    "freshsuccess-accounts": Api("freshsuccess", FreshsuccessVendor, FRESH, FRESH_KEYS, 200, group),
    "webhook": Api("webhook", WebhookReceiver, HOOK, (*KEYS, ACCOUNT_KEY), 200, track),
}
BATCHING = ("braze", "freshsuccess-events", "freshsuccess-accounts", "webhook")
TAKEN = b'{"message": "success", "created": true, "status_is_ok": true}'

# ---------------------------------------------------------------- try again


def tried_again(reply: Reply, status: int | None, reason: str) -> Play:
    """One answer, and then the vendor's own: two attempts at the same, and it is delivered."""

    async def scene(s: Scene) -> None:
        s.fault(first(reply))
        await s.send("word-e")
        await s.becomes("word-e", "delivered", "")
        assert await s.tries("word-e") == [(status, reason), (s.api.ok, "")]
        one, other = s.requests
        assert (one.url, one.body) == (other.url, other.body)

    return scene


def taken_at_once(reply: Reply) -> Play:
    """An answer that is success enough."""

    async def scene(s: Scene) -> None:
        s.fault(first(reply))
        await s.send("word-e")
        await s.becomes("word-e", "delivered", "")
        assert await s.tries("word-e") == [(reply.status, "")]
        assert len(s.requests) == 1

    return scene


def counts_by_its_status(reply: Reply) -> Play:
    """The vendor has said that it took it. A plugin that has to read the body asks once more."""

    async def scene(s: Scene) -> None:
        s.fault(first(reply))
        await s.send("word-e")
        await s.becomes("word-e", "delivered", "")
        assert [status for status, _ in await s.tries("word-e")] in ([reply.status], [reply.status, s.api.ok])

    return scene


AGAIN: dict[str, Play] = {
    "408": tried_again(Reply(408), 408, "status_408"),
    "425": tried_again(Reply(425), 425, "status_425"),
    "500": tried_again(Reply(500, body=f"out of order: {KEY}".encode()), 500, "status_500"),
    "503": tried_again(Reply(503), 503, "status_503"),
    "no-answer": tried_again(Hang(), None, "timeout"),
    "reset": tried_again(Reset(), None, "connection"),
    "half-a-body": counts_by_its_status(ShortBody(201, body=TAKEN)),
    "no-http": tried_again(Noise(), None, "not_http"),
}
TABLES: Mapping[str, Table] = {"no-answer": {"delivery": {"timeout": "3s"}}, "dry-run": {"mode": "dry-run"}}

# ---------------------------------------------------------------- wait


def waits(seconds: float, reply: Callable[[], Reply], counts: bool = False) -> Play:
    """The vendor asks us to wait, and is not asked again before."""

    async def scene(s: Scene) -> None:
        s.fault(lambda earlier, seen: None if earlier else reply())
        await s.send("word-e")
        await s.becomes("word-e", "delivered", "")
        assert await s.tries("word-e") == [(reply().status, f"status_{reply().status}"), (s.api.ok, "")]
        one, other = s.requests
        assert other.at_s - one.at_s > seconds - 0.05

    return scene


def asking(status: int, name: str, value: Callable[[], str]) -> Callable[[], Reply]:
    """An answer with one header, made when it is given."""
    return lambda: Reply(status, headers={name: value()})


WAITS: dict[str, Play] = {
    "429-with-seconds": waits(2, asking(429, "Retry-After", lambda: "2")),
    # a date has whole seconds: one of them may be over already
    "429-with-a-date": waits(2, asking(429, "Retry-After", lambda: formatdate(time.time() + 3, usegmt=True))),
    "503-with-seconds": waits(2, asking(503, "Retry-After", lambda: "2"), counts=True),
}
RATE_LIMITS: dict[str, Play] = {
    "429-with-a-reset-in-seconds": waits(2, asking(429, "X-RateLimit-Reset", lambda: "2")),
    "429-with-a-reset-at-an-epoch": waits(2, asking(429, "X-RateLimit-Reset", lambda: f"{time.time() + 2.1:.1f}")),
    "429-with-a-hint-of-its-own": waits(2, asking(429, "X-RateLimit-Retry-After", lambda: "2")),
}

# ---------------------------------------------------------------- our set-up is wrong


def paused(reply: Callable[[Scene], Reply], reason: str) -> Play:
    """Somebody else answers, or refuses our key: the destination stops after one attempt, burns nothing, and goes on when told to."""

    async def scene(s: Scene) -> None:
        s.fault(lambda earlier, seen: None if earlier else reply(s))
        await s.send("word-e")
        await s.pauses(reason)
        await s.send("word-f")
        for word in ("word-e", "word-f"):
            assert (await s.fate(word))[0] == "queued"
        assert len(s.requests) == 1
        assert [status for status, _ in await s.tries("word-e")] == [reply(s).status]
        await s.command("resume")
        for word in ("word-e", "word-f"):
            await s.becomes(word, "delivered", "")
        assert f"{s.name}-elsewhere" not in s.vendor.seen, "a redirect was followed"

    return scene


def redirect(s: Scene, status: int) -> Reply:
    """To a place where nobody should ever come."""
    return Reply(status, headers={"Location": f"{s.vendor.url}/{s.name}-elsewhere/base_url/x"})


SET_UP: dict[str, Play] = {
    "401": paused(lambda s: Reply(401, body=f"Invalid API Key: {' '.join(s.api.secrets)}".encode()), "credentials"),
    "302": paused(lambda s: redirect(s, 302), "set_up"),
    "308": paused(lambda s: redirect(s, 308), "set_up"),
}

# ---------------------------------------------------------------- refused


def refused(reply: Reply, reason: str) -> Play:
    """One event is refused for good, with the vendor's words; the next one of that user is taken."""

    async def scene(s: Scene) -> None:
        s.fault(first(reply))
        await s.send("word-bad")
        await s.becomes("word-bad", "dead", reason)
        told = (await s.details())["word-bad"]
        assert str(reply.status) in told
        assert "no such thing: ***" in told
        assert await s.tries("word-bad") == [(reply.status, reason)]
        await s.send_call("word-good", s.api.call(s.user("word-bad"), "word-good"))
        await s.becomes("word-good", "delivered", "")
        assert len(s.requests) == 2

    return scene


NO_SUCH_THING = f"no such thing: {KEY}".encode()
REFUSED: dict[str, Play] = {
    "400": refused(Reply(400, body=NO_SUCH_THING), "rejected"),
    "405": refused(Reply(405, body=NO_SUCH_THING), "rejected"),
    "413": refused(Reply(413, body=NO_SUCH_THING), "too_large"),
    "422": refused(Reply(422, body=NO_SUCH_THING), "rejected"),
}


async def one_bad_event_of_a_batch(s: Scene) -> None:
    """A 400 without a word per event: halved until the bad one is alone."""
    s.fault(poisoned("word-5", Reply(400, body=b"bad")))
    words = [f"word-{n}" for n in range(8)]
    await s.together(*words)
    for word in words:
        await s.becomes(word, *(("dead", "rejected") if word == "word-5" else ("delivered", "")))
    assert [len(s.words(seen)) for seen in s.requests if "word-5" in s.words(seen)] == [8, 4, 2, 1]
    taken = [word for seen in s.requests if "word-5" not in s.words(seen) for word in s.words(seen)]
    assert sorted(taken) == sorted(set(words) - {"word-5"}), "nothing goes out again once it was taken"


async def a_batch_that_is_too_large(s: Scene) -> None:
    """A 413 for more than two at a time."""
    s.fault(lambda earlier, seen: Reply(413) if len(s.words(seen)) > 2 else None)
    words = [f"word-{n}" for n in range(8)]
    await s.together(*words)
    for word in words:
        await s.becomes(word, "delivered", "")
    sizes = [len(s.words(seen)) for seen in s.requests]
    assert sizes[0] == 8
    assert sorted(sizes) == [2, 2, 2, 2, 4, 4, 8]


IN_BATCHES: dict[str, Play] = {
    "400-for-a-batch": one_bad_event_of_a_batch,
    "413-for-a-batch": a_batch_that_is_too_large,
}

# ---------------------------------------------------------------- a dry run


async def a_dry_run(s: Scene) -> None:
    """Shows the request, without its keys."""
    await s.send("word-e")
    await s.becomes("word-e", "delivered", "dry_run")
    [shown] = await s.attempts("word-e")
    assert "***" in str(shown["request"])
    assert "word-e" in str(shown["request"])
    assert s.requests == []


# ---------------------------------------------------------------- words inside a 2xx

HTML = {"Content-Type": "text/html"}
ODD_SUCCESSES: Mapping[str, Reply] = {
    "200-with-html": Reply(200, body=b"<html>Welcome</html>", headers=HTML),
    "201-with-html": Reply(201, body=b"<html>Welcome</html>", headers=HTML),
    "201-with-garbage": Garbage(201),
}
NOT_JSON: Mapping[str, Callable[[Reply], Play]] = {
    "braze": lambda reply: paused(lambda s: reply, "set_up"),
    "freshsuccess-accounts": lambda reply: tried_again(reply, reply.status, "unreadable_answer"),
}
"""What follows from them where a 2xx alone is no success, because the body says what was taken."""


async def created_false(s: Scene) -> None:
    """ClientSuccess has not recorded it."""
    s.fault(first(Reply(201, json={"created": False})))
    await s.send("word-e")
    await s.becomes("word-e", "dead", "rejected")
    assert len(s.requests) == 1


def purchase(user: str, word: str) -> Call:
    """An order of one product."""
    products = {"products": [{"id": word, "price": 1}]}
    return {"type": "track", "userId": user, "event": "Order Completed", "properties": products}


async def an_object_braze_names_by_its_place_in_its_array(s: Scene) -> None:
    """The index counts in that array only; the batch is not sent again."""
    errors = [{"type": "'price' is not valid", "input_array": "purchases", "index": 1}]
    s.fault(first(Reply(201, json={"message": "success", "errors": errors})))
    await s.command("pause")
    for n in range(3):
        await s.send(f"word-e{n}")
        await s.send_call(f"word-p{n}", purchase(f"{s.name}-p{n}", f"word-p{n}"))
    await s.command("resume")
    for word in ("word-e0", "word-e1", "word-e2", "word-p0", "word-p2"):
        await s.becomes(word, "delivered", "")
    await s.becomes("word-p1", "dead", "rejected")
    assert "'price' is not valid" in (await s.details())["word-p1"]
    assert len(s.requests) == 1


async def a_400_in_which_braze_names_all(s: Scene) -> None:
    """Nothing was valid, and each has its word: no need to halve."""
    errors = [{"type": f"bad {n}", "input_array": "events", "index": n} for n in range(2)]
    s.fault(first(Reply(400, json={"message": "Valid data must be provided", "errors": errors})))
    await s.together("word-0", "word-1")
    for word in ("word-0", "word-1"):
        await s.becomes(word, "dead", "rejected")
    assert await s.details() == {"word-0": "events: bad 0", "word-1": "events: bad 1"}
    assert len(s.requests) == 1


async def another_message_than_success(s: Scene) -> None:
    """Refused by the application, for good."""
    s.fault(first(Reply(201, json={"message": "no such app"})))
    await s.send("word-e")
    await s.becomes("word-e", "dead", "rejected")
    assert (await s.details())["word-e"] == "no such app"


async def a_product_that_braze_would_refuse(s: Scene) -> None:
    """It is not sent in the first place, and the order beside it is taken."""
    bad = purchase(f"{s.name}-bad", "word-bad")
    bad["properties"]["products"][0]["currency"] = "EURO"
    await s.command("pause")
    await s.send_call("word-bad", bad)
    await s.send_call("word-good", purchase(f"{s.name}-good", "word-good"))
    await s.command("resume")
    await s.becomes("word-good", "delivered", "")
    await s.becomes("word-bad", "skipped", "no_products")
    assert [s.words(seen) for seen in s.requests] == [["word-good"]]
    assert s.vendor.refusals[s.name] == []


async def an_account_that_lacks_what_an_insert_needs(s: Scene) -> None:
    """It is named, and its neighbours are written."""
    assert isinstance(s.vendor, FreshsuccessVendor)
    s.vendor.strangers |= {f"g-{s.name}-{user}" for user in ("1", "bad")}
    bare = {"type": "group", "userId": f"{s.name}-bad", "groupId": f"g-{s.name}-bad", "traits": {"name": "word-bad"}}
    await s.command("pause")
    await s.send_call("word-bad", bare)
    await s.send("word-1", "word-2")
    await s.command("resume")
    for word in ("word-1", "word-2"):
        await s.becomes(word, "delivered", "")
    await s.becomes("word-bad", "dead", "rejected")
    missing = "Missing/invalid required field(s) for Accounts insert: 'join_date'"
    assert await s.details() == {"word-bad": missing}
    assert len(s.requests) == 1


def of_record(n: int, message: str) -> dict[str, object]:
    """An entry of failed_results."""
    return {"message": message, "record": n}


async def a_batch_of_which_nothing_was_written(s: Scene) -> None:
    """status_is_ok is false: those that are named are dead, the others go out again."""
    failed = [of_record(n, "Invalid type for property: tier") for n in (1, 3)]
    s.fault(first(Reply(200, json={"status_is_ok": False, "message": "refused", "failed_results": failed})))
    await s.together(*(f"word-{n}" for n in range(5)))
    for n in range(5):
        await s.becomes(f"word-{n}", *(("dead", "rejected") if n in (1, 3) else ("delivered", "")))
    sent = [s.words(seen) for seen in s.requests]
    assert sent == [[f"word-{n}" for n in range(5)], ["word-0", "word-2", "word-4"]]


async def a_refusal_that_names_nobody(s: Scene) -> None:
    """All are refused."""
    s.fault(first(Reply(200, json={"status_is_ok": False, "message": "no such customer"})))
    await s.together("word-0", "word-1")
    for word in ("word-0", "word-1"):
        await s.becomes(word, "dead", "rejected")
    assert await s.details() == {"word-0": "no such customer", "word-1": "no such customer"}
    assert len(s.requests) == 1


async def a_user_whose_account_is_not_there_yet(s: Scene) -> None:
    """The account may come: the user is tried again."""
    user = f"{s.name}-u"
    failed = [of_record(0, "Account not found")]
    missing = Reply(200, json={"status_is_ok": True, "failed_results": failed})
    s.fault(lambda earlier, seen: missing if earlier == 1 else None)
    await s.send_call("word-group", group(user))
    await s.send_call("word-user", {"type": "identify", "userId": user, "traits": {"first_name": "Ada"}})
    await s.becomes("word-user", "delivered", "")
    assert await s.tries("word-user") == [(200, "account_not_found"), (200, "")]
    assert [seen.url for seen in s.requests] == ["/api/v2/accounts", "/api/v2/account_users", "/api/v2/account_users"]


async def one_request_at_a_time(s: Scene) -> None:
    """An endpoint of the Account API is never asked again before it has answered."""
    slow = Reply(200, json={"status_is_ok": True}, delay_s=0.2)
    s.fault(lambda earlier, seen: slow)
    for n in range(4):
        await s.send(f"word-{n}")
        await s.vendor.received(1)
    for n in range(4):
        await s.becomes(f"word-{n}", "delivered", "")
    at = [seen.at_s for seen in s.requests]
    assert len(at) > 1
    assert all(later - earlier > 0.19 for earlier, later in pairwise(at))


def lines(seen: Seen) -> int:
    """How many lines a body has."""
    return seen.body.count(b"\n")


async def events_of_one_flush_are_lines_of_one_body(s: Scene) -> None:
    """No array around them."""
    await s.together("word-0", "word-1")
    for word in ("word-0", "word-1"):
        await s.becomes(word, "delivered", "")
    [seen] = s.requests
    assert (lines(seen), seen.body[:1], s.vendor.refusals[s.name]) == (2, b"{", [])


OWN: Mapping[str, Mapping[str, Play]] = {
    "webhook": {
        "204": taken_at_once(Reply(204)),
        "409": refused(Reply(409, body=NO_SUCH_THING), "rejected"),
        "501-which-is-final": refused(Reply(501, body=NO_SUCH_THING), "rejected"),
        "429-with-a-reset-in-seconds": RATE_LIMITS["429-with-a-reset-in-seconds"],
    },
    "clientsuccess": {"created-false": created_false, "204": taken_at_once(Reply(204))},
    "braze": {
        **RATE_LIMITS,
        "one-object-of-an-array": an_object_braze_names_by_its_place_in_its_array,
        "400-that-names-all": a_400_in_which_braze_names_all,
        "another-message": another_message_than_success,
        "queued": taken_at_once(Reply(202, json={"message": "queued"})),
        "one-order-is-wrong": a_product_that_braze_would_refuse,
    },
    "freshsuccess-events": {"lines-of-one-body": events_of_one_flush_are_lines_of_one_body},
    "freshsuccess-accounts": {
        "insert-without-a-date": an_account_that_lacks_what_an_insert_needs,
        "status-is-not-ok": a_batch_of_which_nothing_was_written,
        "only-a-message": a_refusal_that_names_nobody,
        "account-not-found": a_user_whose_account_is_not_there_yet,
        "one-request-at-a-time": one_request_at_a_time,
    },
}


GATHERED = (
    "one-object-of-an-array", "400-that-names-all", "another-message", "one-order-is-wrong", "lines-of-one-body",
    "insert-without-a-date", "status-is-not-ok", "only-a-message",
)  # fmt: skip
"""Scenes of OWN in which events go out in one request."""


def scenes(api: str) -> dict[str, Play]:
    """All scenes of an API."""
    follows = NOT_JSON.get(api, taken_at_once)
    read = {name: follows(reply) for name, reply in ODD_SUCCESSES.items()}
    in_batches = IN_BATCHES if api in BATCHING else {}
    return {**AGAIN, **WAITS, **SET_UP, **REFUSED, **in_batches, **read, "dry-run": a_dry_run, **OWN[api]}


@pytest.mark.parametrize("api", APIS)
async def test_each_answer_of_the_vendor_has_the_consequence_it_should_and_tells_no_key(
    api: str, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """Every event is in the one state that is right; no key is in the log, the store or an answer, also where the vendor repeats it in its
    own words."""
    lingering: Table = {"delivery": {"linger": "1s"}}  # so that a busy machine does not split what is gathered
    tables = {**TABLES, **dict.fromkeys((*IN_BATCHES, *GATHERED), lingering)}
    played = await play(APIS[api], scenes(api), tables, tmp_path)
    for scene, error in played.errors.items():
        with subtests.test(scene):
            if error is not None:
                raise error
    assert played.leaks == []
