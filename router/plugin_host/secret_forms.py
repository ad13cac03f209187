"""The forms in which a secret travels: as it is, percent-encoded, in JSON, in HTML, in base64."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from router.plugin_host.secret_parts import MIN_PART

_PERCENT = re.compile(b"%[0-9A-F]{2}")
_UNICODE = re.compile(r"\\u[0-9a-f]{4}")


def forms_of(secret: str) -> frozenset[str]:
    """Every form of a secret but base64."""
    raw = secret.encode("utf-8", "surrogatepass")
    forms = {secret, " ".join(secret.split()), *_percent_encoded(raw), *_in_json(secret), *_in_html(secret)}
    return frozenset(forms - {""})


def base64_forms_of(secret: str) -> frozenset[str]:
    """What every base64 text holds that has the secret in it, in either alphabet. None of a secret below MIN_PART characters:
    it stands in too many texts.

    Three bytes are four characters, so there are three forms. A character at either end that holds bits of a neighbour, too,
    is not part of the form: it may be masked with it.
    """
    raw = secret.encode("utf-8", "surrogatepass")
    if len(secret) < MIN_PART:
        return frozenset()
    return frozenset(
        encode(b"\0" * before + raw)[first : (before + len(raw)) * 8 // 6].decode()
        for before, first in ((0, 0), (1, 2), (2, 3))
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
    )


def _percent_encoded(raw: bytes) -> Iterator[str]:
    for encoded in (quote(raw, safe=""), quote(raw), quote_plus(raw)):
        yield encoded
        yield _PERCENT.sub(lambda found: found[0].lower(), encoded.encode()).decode()


def _in_json(secret: str) -> Iterator[str]:
    for text in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        for form in (text, text.replace("/", "\\/")):
            yield form
            yield _UNICODE.sub(lambda found: "\\u" + found[0][2:].upper(), form)


def _in_html(secret: str) -> Iterator[str]:
    yield html.escape(secret, quote=False)
    yield html.escape(secret)
    yield html.escape(secret).replace("&#x27;", "&#39;")
