"""Takes a destination's secrets out of any text: as they are, and in the forms in which they travel."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

MASK = "***"
LONG = 8
"""Characters from which on a secret is no word that an answer may contain by chance."""


class Redactor:
    """Replaces every secret by `***`, the longest first."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        pattern = "|".join(re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form)))
        self._text = re.compile(pattern) if pattern else None
        self._bytes = re.compile(pattern.encode()) if pattern else None
        long = [form for form in forms if len(form) >= LONG]
        words = "|".join(re.escape(form) for form in sorted(long, key=lambda form: (-len(form), form)))
        self._long = re.compile(words.encode()) if words else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        return self._text.sub(MASK, text) if self._text else text

    def answer(self, body: bytes) -> bytes:
        """A vendor's answer without long secrets. Short ones stay: they may be words of the answer that a plugin has to read."""
        return self._long.sub(MASK.encode(), body) if self._long else body

    def bytes(self, data: bytes) -> bytes:
        """The same for bytes, read as UTF-8."""
        return self._bytes.sub(MASK.encode(), data) if self._bytes else data


def _forms(secret: str) -> Iterator[str]:
    """How a secret may stand in a request: plain, in a URL, in JSON, and in Basic authorization."""
    yield secret
    if secret.lower().startswith(("http://", "https://")):
        yield from _behind_the_host(secret)
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for credentials in (f"{secret}:", f":{secret}", f"api:{secret}", secret):
        yield base64.b64encode(credentials.encode()).decode()
        yield base64.urlsafe_b64encode(credentials.encode()).decode()


def _behind_the_host(url: str) -> Iterator[str]:
    """Of a secret URL, what its receiver may quote in an answer: "Cannot POST /hook/s3cret". The host is no secret: errors
    of the network name it. Values as short as `1` or `true` are none either."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    values = (value for _, value in parse_qsl(parts.query))
    yield from (part for part in (parts.path, parts.query) if part.strip("/"))
    yield from (value for value in values if len(value) > 5)
