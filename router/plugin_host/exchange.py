"""A request that was sent, and its answer, as people may see them: secrets masked as in a dry run, credentials by the name of their
header too (a plugin may have got its token from the vendor), and cut."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice

import msgspec

from router.plugin import JSON, Answer, Request
from router.plugin_host.destination import Destination
from router.plugin_host.redaction import MAX_TOLD_LENGTH as LONGEST_SECRET
from router.vocabulary import MASK

MAX_BODY, MAX_HEADER, MAX_HEADERS = 8_192, 500, 50
"""Characters of a body and of a header, and how many headers are shown."""
CREDENTIALS = re.compile(r"auth|cookie|token|secret|password|signature|(^|-)key$", re.IGNORECASE)
"""Names of headers whose values are masked whatever they say."""


def shortened(request: Request) -> Request:
    """A request with no more of its body than is shown: what is kept of it."""
    if len(request.body) <= MAX_BODY + LONGEST_SECRET:
        return request
    return msgspec.structs.replace(request, body=request.body[: MAX_BODY + LONGEST_SECRET])


def shown_request(request: Request, destination: Destination, body_bytes: int | None = None) -> dict[str, JSON]:
    """`{"method", "url", "headers", "body", "body_bytes"}`, or `{"private": true}`. `body_bytes`: how long the body was, if it was shortened."""
    if request.private:
        return {"private": True}
    return {
        "method": request.method,
        "url": destination.redact(request.url),
        "headers": _headers(request.headers, destination),
        **_body(request.body, destination, body_bytes),
    }


def shortened_answer(answer: Answer) -> Answer:
    """An answer with no more of its body and of its headers than is shown. A vendor may send 40,000 headers: as texts they take megabytes."""
    headers, body = answer.headers, answer.body
    if len(headers) > MAX_HEADERS or any(len(name) + len(value) > MAX_HEADER for name, value in headers.items()):
        most = MAX_HEADER + LONGEST_SECRET
        headers = {name[:most]: value[:most] for name, value in islice(headers.items(), MAX_HEADERS)}
    elif len(body) <= MAX_BODY + LONGEST_SECRET:
        return answer
    return msgspec.structs.replace(answer, headers=headers, body=body[: MAX_BODY + LONGEST_SECRET])


def shown_answer(answer: Answer, destination: Destination, body_bytes: int | None = None) -> dict[str, JSON]:
    """`{"status", "headers", "body", "body_bytes"}`. `body_bytes`: as of `shown_request`."""
    return {
        "status": answer.status,
        "headers": _headers(answer.headers, destination),
        **_body(answer.body, destination, body_bytes),
    }


def _headers(headers: Mapping[str, str], destination: Destination) -> dict[str, JSON]:
    first = islice(headers.items(), MAX_HEADERS)
    return {destination.redact(name)[:MAX_HEADER]: _header(name, value, destination) for name, value in first}


def _header(name: str, value: str, destination: Destination) -> str:
    shown = destination.redact(value)
    return MASK if shown == value and CREDENTIALS.search(name) else shown[:MAX_HEADER]


def _body(body: bytes, destination: Destination, body_bytes: int | None) -> dict[str, JSON]:
    """Masked before it is cut, so that no part of a secret is left; the rest of a long body is not looked at."""
    text = destination.redact_bytes(body[: MAX_BODY + LONGEST_SECRET]).decode("utf-8", "replace")
    return {"body": text[:MAX_BODY], "body_bytes": len(body) if body_bytes is None else body_bytes}
