"""Takes a destination's secrets out of any text: as they are, and in the forms in which they travel."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = "***"


class Redactor:
    """Replaces every secret by `***`, the longest first."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        pattern = "|".join(re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form)))
        self._text = re.compile(pattern) if pattern else None
        self._bytes = re.compile(pattern.encode()) if pattern else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        return self._text.sub(MASK, text) if self._text else text

    def bytes(self, data: bytes) -> bytes:
        """The same for bytes, read as UTF-8."""
        return self._bytes.sub(MASK.encode(), data) if self._bytes else data


def _forms(secret: str) -> Iterator[str]:
    """How a secret may stand in a request: plain, in a URL, in JSON, and in Basic authorization."""
    yield secret
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), encoded)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    for credentials in (f"{secret}:", f":{secret}", f"api:{secret}", secret):
        yield base64.b64encode(credentials.encode()).decode()
        yield base64.urlsafe_b64encode(credentials.encode()).decode()
