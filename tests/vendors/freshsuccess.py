"""Freshsuccess' two APIs, read strictly: lines of events, and records of accounts and product users."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import msgspec

from router.testing.vendor import Reply
from tests.vendors.strict import Judged, Refused, Seen, Settings, StrictVendor, is_number, is_text, is_whole

MAX_LINES, MAX_LINES_BYTES = 500, 512 * 1024
MAX_RECORDS, MAX_RECORDS_BYTES = 500, 1_000_000
MAX_ID = MAX_LABEL = 255
LAST_SECONDS = 10**11
"""An epoch below this is in seconds: as milliseconds it would lie in 1973."""

Check = Callable[[object], bool]


def is_ms(value: object) -> bool:
    """An instant in milliseconds."""
    return is_whole(value) and abs(value) > LAST_SECONDS


def is_span(value: object) -> bool:
    """A length of time in whole milliseconds."""
    return is_whole(value) and value >= 0


def is_id(value: object) -> bool:
    """Text of at most 255 characters."""
    return is_text(value, MAX_ID)


def is_label(value: object) -> bool:
    """Text of at most 255 characters."""
    return is_text(value, MAX_LABEL)


def dimensions_of(is_value: Check) -> Check:
    """A list of {"key", "value"} that is not empty, with values of this form."""

    def look(value: object) -> bool:
        return (
            isinstance(value, list)
            and bool(value)
            and all(
                isinstance(each, dict)
                and set(each) == {"key", "value"}
                and is_text(each["key"])
                and is_value(each["value"])
                for each in value
            )
        )

    return look


TEXTS = (
    "name phone website industry description tier current_stage billing_street billing_city billing_state"
    " billing_postal_code billing_country"
)
DIMENSIONS: Mapping[str, Check] = {
    "custom_label_dimensions": dimensions_of(is_label),
    "custom_value_dimensions": dimensions_of(is_number),
    "custom_event_dimensions": dimensions_of(is_whole),
}
USER_TEXTS = (
    "first_name last_name email phone mobile_phone salutation title role department mailing_street mailing_city"
    " mailing_state mailing_postal_code mailing_country"
)

RECORDS: Mapping[str, tuple[tuple[str, ...], Mapping[str, Check]]] = {
    "accounts": (
        ("account_id",),
        {
            "join_date": is_ms,
            "employees": is_number,
            "is_churned": lambda value: isinstance(value, bool),
            **dict.fromkeys(TEXTS.split(), is_text),
            **DIMENSIONS,
        },
    ),
    "account_users": (("user_id", "account_id"), dict.fromkeys(USER_TEXTS.split(), is_text)),
}
"""Endpoint: the ids a record has, and the fields it may have."""


def is_fields_of(endpoint: str) -> Check:
    """An object of the fields that a record of this endpoint may have, without its ids."""
    fields = RECORDS[endpoint][1]
    return lambda value: (
        isinstance(value, dict) and all(name in fields and fields[name](found) for name, found in value.items())
    )


NEEDED: Mapping[str, Check] = {"user_id": is_id, "created_at": is_ms, "session_id": is_text, "action": is_text}
"""What every line has. `account_id` may be missing: the vendor then looks for the user's."""

ACTIONS: Mapping[str, tuple[Mapping[str, Check], Mapping[str, Check]]] = {
    "feature": ({"feature": is_text, "total": is_number}, {"module": is_text, "product": is_text}),
    "moduleEnd": ({"module": is_text, "time_spent": is_span}, {}),
    "sessionSync": ({"active_duration": is_span}, {}),
    "identifyUser": ({"details": is_fields_of("account_users")}, {}),
    "identifyAccount": ({"details": is_fields_of("accounts")}, {}),
}
"""Action: what a line of it has beside that, and what it may have."""

SNAKE = {
    "accountId": "account_id",
    "userId": "user_id",
    "createdAt": "created_at",
    "sessionId": "session_id",
    "timeSpent": "time_spent",
    "activeDuration": "active_duration",
}


class FreshsuccessVendor(StrictVendor):
    """Both APIs. It knows every account, but for the `strangers`: they must be inserted first."""

    places: ClassVar[tuple[str, ...]] = ("events_base_url", "api_base_url")

    def __init__(self) -> None:
        super().__init__()
        self.strangers: set[str] = set()

    def judge(self, seen: Seen, settings: Settings) -> Judged:
        """By the API that the address belongs to."""
        if seen.method != "POST":
            raise refused(405, "only POST is understood")
        if seen.headers.get("content-type") != "application/json":
            raise refused(415, "the body is not said to be JSON")
        if "content-encoding" in seen.headers:
            raise refused(415, "compressed")
        return self.take_lines(seen, settings) if seen.place == "events_base_url" else self.take_records(seen, settings)

    def take_lines(self, seen: Seen, settings: Settings) -> Judged:
        """The Event API: an answer for the whole body, and no word of single lines."""
        keys = [quote(settings[name], safe="") for name in ("event_auth_key", "event_api_key")]
        if seen.url.count("/") != 3 or not seen.url.startswith("/v1/"):
            raise refused(404, "there is nothing at this path")
        if seen.url != "/v1/" + "/".join(keys):
            raise refused(401, "the keys are wrong")
        if seen.headers.get("content-length") != str(len(seen.body)):
            raise refused(411, "a length is needed")
        if len(seen.body) > MAX_LINES_BYTES or seen.body.count(b"\n") > MAX_LINES:
            raise refused(413, "too many lines")
        camel = settings.get("event_key_style") == "camel"
        wrong = [
            f"line {n}: {words}" for n, line in enumerate(lines_of(seen.body)) for words in line_faults(line, camel)
        ]
        if wrong:
            raise refused(400, "; ".join(wrong))
        return Judged(Reply(200))

    def take_records(self, seen: Seen, settings: Settings) -> Judged:
        """The Account API: 200, and a word for each record that was not written."""
        endpoint = seen.url.removeprefix("/api/v2/")
        if endpoint not in RECORDS:
            raise refused(404, "there is nothing at this path")
        login = base64.b64encode(f"api:{settings['account_api_key']}".encode()).decode()
        if seen.headers.get("authorization") != f"Basic {login}":
            raise refused(401, "the key is wrong")
        body = decoded(seen.body)
        records = body.get("records") if isinstance(body, dict) and set(body) == {"records"} else None
        if not isinstance(records, list) or not records:
            raise nothing_written("the body is not a list of records")
        if len(records) > MAX_RECORDS or len(seen.body) > MAX_RECORDS_BYTES:
            raise refused(413, "too many records")
        unreadable = failures(records, lambda record: id_faults(record, RECORDS[endpoint][0]))
        if unreadable:
            raise nothing_written("the batch is faulty", unreadable)
        failed = failures(records, lambda record: self.record_faults(record, endpoint))
        bad = {failure["record"] for failure in failed}
        self.strangers -= {record["account_id"] for n, record in enumerate(records) if n not in bad}
        answer = {"status_is_ok": True, **({"failed_results": failed} if failed else {})}
        return Judged(Reply(200, json=answer), tuple(failure["message"] for failure in failed))

    def record_faults(self, record: Mapping[str, Any], endpoint: str) -> Iterator[str]:
        """What is wrong with a record that has its ids."""
        ids, fields = RECORDS[endpoint]
        for name, value in record.items():
            if name not in ids and not (name in fields and fields[name](value)):
                yield f"Invalid type for property: {name}"
        if record["account_id"] in self.strangers:
            if endpoint == "account_users":
                yield "Account not found"
            for name in ("name", "join_date") if endpoint == "accounts" else ():
                if name not in record:
                    yield f"Missing/invalid required field(s) for Accounts insert: '{name}'"


def refused(status: int, words: str) -> Refused:
    """A refusal in plain words."""
    return Refused(words, Reply(status, body=words.encode()))


def nothing_written(words: str, failed: list[dict[str, Any]] | None = None) -> Refused:
    """The Account API's refusal of a batch: a 200."""
    body = {"status_is_ok": False, "message": words, **({"failed_results": failed} if failed else {})}
    return Refused(str(body), Reply(200, json=body))


def failures(records: list[Any], look: Callable[[Any], Iterator[str]]) -> list[dict[str, Any]]:
    """An entry of `failed_results` for each record in which a look finds a fault."""
    found = ((n, record, next(look(record), None)) for n, record in enumerate(records))
    return [
        {"message": words, "record": n, **{id: record[id] for id in ("account_id", "user_id") if id in record}}
        for n, record, words in found
        if words
    ]


def id_faults(record: Any, ids: tuple[str, ...]) -> Iterator[str]:
    """Whether a record is an object and has its ids."""
    if not isinstance(record, dict):
        yield "not an object"
        return
    yield from (f"Missing/invalid required field(s): '{id}'" for id in ids if not is_id(record.get(id)))


def lines_of(body: bytes) -> list[Any]:
    """The events of a body. An array, a blank line or an open end is refused."""
    if not body.endswith(b"\n"):
        raise refused(400, "the last line has no end")
    found = [decoded(line.removesuffix(b"\r")) for line in body[:-1].split(b"\n")]
    if not all(isinstance(line, dict) for line in found):
        raise refused(400, "a line is not an object")
    return found


def decoded(text: bytes) -> Any:
    """JSON, or a refusal."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        raise refused(400, "not JSON") from None


def line_faults(line: Mapping[str, Any], camel: bool) -> Iterator[str]:
    """What is wrong with an event."""
    wrong = [name for name in line if name in (SNAKE.values() if camel else SNAKE)]
    yield from (f"{name} is spelled in the other style" for name in wrong)
    event = {SNAKE.get(name, name): value for name, value in line.items()}
    if event.get("action") not in ACTIONS:
        yield f"there is no action {event.get('action')!r}"
        return
    needed, allowed = ACTIONS[event["action"]]
    needed = {**NEEDED, **needed}
    yield from (f"{name} is missing" for name in needed if name not in event)
    checks = {**needed, **allowed, "account_id": is_id}
    yield from (f"{name} is not known" for name in event if name not in checks)
    yield from (f"{name} is wrong" for name, value in event.items() if name in checks and not checks[name](value))
