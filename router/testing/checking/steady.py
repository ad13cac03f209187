"""What two attempts at the same items have in common, where each is signed with the time of its own."""

from __future__ import annotations

import re

__all__ = ["steady_url"]

_CHANGES = re.compile(
    r"(?:^|[-_.])(?:date|t|ts|se|st|sig|hmac|nonce)$|time|expires|signature|credential", re.IGNORECASE
)
"""Names of parameters that hold a time or a signature. Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html,
https://learn.microsoft.com/en-us/rest/api/storageservices/create-service-sas"""


def steady_url(url: str) -> str:
    """The URL, of those parameters that hold a time or a signature only the names."""
    place, mark, query = url.partition("?")
    parts = [part.partition("=")[0] if _CHANGES.search(part.partition("=")[0]) else part for part in query.split("&")]
    return place + mark + "&".join(parts)
