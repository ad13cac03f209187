"""A request's URL and headers, checked, and the bytes they become.

What is sent is what the plugin asked for, byte for byte. What cannot go over the wire as it stands is refused, not mended: a
mended URL is another endpoint.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from router import plugin
from router.deliver.send.http_client import USER_AGENT, Fault
from router.plugin import Request

_URL = re.compile(
    r"(?i:(?P<scheme>https?))://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>[/?][!-\"$-~]*)?"
)
PORTS = {"http": 80, "https": 443}
BODYLESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods that need no Content-Length where there is no body; others get a 0, which strict vendors ask for."""
MOST_HEADS = 256
MAX_HEAD_KEPT = 4096


class Origin(NamedTuple):
    """Where a connection leads."""

    scheme: str
    host: str  #: a name, or an address without brackets
    port: int


class Head(NamedTuple):
    """A request up to its Content-Length."""

    origin: Origin
    text: bytes
    method: str


def split_url(url: str) -> tuple[Origin, str, str]:
    """Origin, Host header and request target of a URL. Raises Fault `url`."""
    found = _URL.fullmatch(url)
    if found is None:
        raise Fault("url", _what_is_wrong(url))
    scheme, host = found["scheme"].lower(), found["host"]
    default = PORTS[scheme]
    port = int(found["port"] or default)
    if not 0 < port < 65536:
        raise Fault("url", "the request's URL has a port that is none")
    target = found["target"] or "/"
    if target[0] == "?":
        target = "/" + target
    return Origin(scheme, host.strip("[]"), port), host if port == default else f"{host}:{port}", target


def _what_is_wrong(url: str) -> str:
    """A Request has no space, no `#` and nothing outside ASCII in its URL."""
    if not re.match(r"(?i)https?://", url):
        return "the request's URL does not begin with http:// or https://: is base_url right?"
    if "@" in re.split(r"[/?]", url.split("//", 1)[1], maxsplit=1)[0]:
        return "the request's URL holds a user name: send it as a header"
    return "the request's URL has no host, or one that is none: is base_url right?"


def check_headers(request: Request) -> None:
    """Raises Fault `header` for what would break the request apart: a plugin may have changed the headers of a Request since
    it was made."""
    try:
        plugin.check_headers(request.headers)
    except (TypeError, ValueError) as error:
        raise Fault("header", str(error)) from None


class Heads:
    """Heads of requests, kept: a destination sends to few URLs, with the same headers each time."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Head] = {}

    def of(self, request: Request) -> Head:
        """The request's head. Raises Fault `url` or `header`."""
        try:
            key = (request.method, request.url, *request.headers.items())
            head = self._kept.get(key)
        except TypeError:  # headers that are no texts: told below
            key, head = (), None
        if head is None:
            head = _head_of(request)
            if len(head.text) <= MAX_HEAD_KEPT:
                while len(self._kept) >= MOST_HEADS:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = head
        return head


def _head_of(request: Request) -> Head:
    origin, host, target = split_url(request.url)
    check_headers(request)
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if not any(name.lower() == "user-agent" for name in request.headers):
        lines.append(f"User-Agent: {USER_AGENT}")
    return Head(origin, "\r\n".join(lines).encode("latin-1") + b"\r\n", request.method)


def bytes_of(head: Head, body: bytes) -> bytes:
    """A request as it goes over the wire."""
    if not body and head.method in BODYLESS:
        return head.text + b"\r\n"
    return b"%sContent-Length: %d\r\n\r\n%s" % (head.text, len(body), body)
