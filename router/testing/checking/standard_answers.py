"""The standard set of answers: what vendors say, and every way in which an answer goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from router.plugin import JSON
from router.testing.replies import Garbage, Hang, Redirect, Reply, Reset, ShortBody

__all__ = ["ANSWERS", "GOOD", "REFUSALS", "WAIT_S", "WEB_PAGE"]

GOOD = "a success"
"""The answer that the author gives, or that nearly every vendor may give."""
WEB_PAGE = "a web page with status 200"
"""What a proxy answers in place of the vendor."""
REFUSALS = ("400", "a 400 of odd types", "422")
"""Answers that say that what was sent is bad."""
WAIT_S = 7
"""In the Retry-After of the answers that have one."""
_LISTS = ("results", "responses", "items", "records", "data", "outcomes")
"""Where vendors write the results of each item."""


def _error(status: int, headers: Mapping[str, str] | None = None) -> Callable[[int], Reply]:
    body = {"error": f"error {status}", "message": "see the documentation", "code": status}
    return lambda n: Reply(status, json=body, headers=headers or {})


def _results(more: int) -> Callable[[int], Reply]:
    def reply(n: int) -> Reply:
        entries = [
            {"index": at, "id": at, "status": 200, "code": 200, "success": True, "error": None}
            for at in range(n + more)
        ]
        return Reply(207, json={"status": 207, "success": True, **dict.fromkeys(_LISTS, entries)})

    return reply


_ODD_LIST: JSON = [None, 7, "x", [], {"index": "first", "status": "fine", "error": 7}, {"index": -1}, {"index": 10**6}]
_ODD: Mapping[str, JSON] = {
    **dict.fromkeys(_LISTS, _ODD_LIST),
    "errors": {"a": [1]}, "error": 7, "message": ["no"], "success": "maybe", "status": [], "code": None, "created": "yes",
    "status_is_ok": "yes", "failed_results": "none", "access_token": 7, "token": [], "expires_in": "soon", "": "",
}  # fmt: skip
"""Each thing that a vendor may say, in a type that nobody expects."""

ANSWERS: Mapping[str, Callable[[int], Reply]] = {
    "204": lambda n: Reply(204),
    "an empty 200": lambda n: Reply(200),
    WEB_PAGE: lambda n: Reply(200, body=b"<!doctype html><title>Hello</title>", headers={"Content-Type": "text/html"}),
    "a 200 that is null": lambda n: Reply(200, body=b"null"),
    "a 200 that is a list": lambda n: Reply(200, body=b"[]"),
    "a 200 of odd types": lambda n: Reply(200, json=_ODD),
    "a 200 of numbers": lambda n: Reply(200, json=dict.fromkeys([*_ODD, *_LISTS], 7)),
    "a 207 with one result too few": _results(-1),
    "a 207 with one result too many": _results(1),
    "400": _error(400),
    "a 400 of odd types": lambda n: Reply(400, json=_ODD),
    "401": _error(401),
    "402": _error(402),
    "403": _error(403),
    "404": _error(404),
    "408": _error(408),
    "409": _error(409),
    "413": _error(413),
    "422": _error(422),
    "425": _error(425),
    "429": _error(429),
    "429 with Retry-After": _error(429, {"Retry-After": str(WAIT_S)}),
    "500": _error(500),
    "503 with a date in Retry-After": _error(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}),
    "502 with a web page": lambda n: Reply(
        502, body=b"<html>Bad Gateway</html>", headers={"Content-Type": "text/html"}
    ),
    "503": _error(503),
    "504": _error(504),
    "520": _error(520),
    "529": _error(529),
    "garbage": lambda n: Garbage(),
    "500 with garbage": lambda n: Garbage(500),
    "a reset": lambda n: Reset(),
    "no answer": lambda n: Hang(),
    "a redirect": lambda n: Redirect(),
    "half of a 200": lambda n: ShortBody(),
    "half of a 500": lambda n: ShortBody(500),
}
"""Name -> the answer to a request of n items."""
