"""What two attempts at the same items have in common: a signature and its time may differ, what is sent and its key may not."""

from __future__ import annotations

import re
from collections.abc import Mapping

from router.plugin import Request
from router.testing.replies import Received, unpacked

__all__ = ["is_key", "same_part", "steady_url", "what_is_sent"]

_CHANGES = re.compile(
    r"(?:^|[-_.])(?:date|t|ts|se|st|sig|sign|hmac|nonce)$|time|expires|signature|credential", re.IGNORECASE
)
"""Names of parameters that hold a time or a signature. Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas"""
_KEY = re.compile(r"idempot|dedup", re.IGNORECASE)


def same_part(request: Request | Received) -> tuple[str, str, Mapping[str, str], bytes]:
    """Method, URL, the headers that say what the body is and whether it was sent before, and the body."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    named = {name: value for name, value in headers.items() if is_key(name) or name == "content-type"}
    return request.method, steady_url(request.url), named, unpacked(headers, request.body)


def what_is_sent(request: Received) -> tuple[str, str, bytes]:
    """Method, URL and body: by them it is known whether two requests carry the same items."""
    return request.method, steady_url(request.url), request.body


def is_key(header: str) -> bool:
    """Whether a header of this name holds a key by which the vendor knows what it has had."""
    return _KEY.search(header) is not None


def steady_url(url: str) -> str:
    """The URL, of those parameters that hold a time or a signature only the names."""
    place, mark, query = url.partition("?")
    parts = [part.partition("=")[0] if _CHANGES.search(part.partition("=")[0]) else part for part in query.split("&")]
    return place + mark + "&".join(parts)
