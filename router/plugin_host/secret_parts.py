"""What of a secret may be quoted alone: what follows an auth scheme, a name or a password in it, what stands behind a URL's host."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import islice
from urllib.parse import unquote, unquote_plus, urlsplit

MIN_PART = 6
"""Characters from which on a part is masked. A shorter one, `1` or `true`, stands in too many texts by chance."""
MAX_PARTS = 32
"""Parts of one secret that are masked, the first ones: a token that a vendor makes up must not hold us."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SCHEME = re.compile(r"([A-Za-z][\w.-]*)\s+(\S.*)", re.DOTALL)
_FIELD = re.compile(r'(?<![\w-])[\w-]++="?([^\s",]+)')
_WORD = re.compile(r"[A-Za-z]?[a-z-]{1,14}")
"""A segment of a path that names a thing, such as `services`. Only the last segment is masked where it looks so."""


def parts_of(secret: str) -> frozenset[str]:
    """The parts of a secret that are masked wherever they stand, each of at least MIN_PART characters."""
    found = (part.strip() for part in _parts(secret.strip()))
    parts = dict.fromkeys(part for part in found if len(part) >= MIN_PART and part != secret)
    return frozenset(islice(parts, MAX_PARTS))


def _parts(secret: str) -> Iterator[str]:
    if _URL.match(secret):
        yield from _parts_of_url(secret)
    elif found := _SCHEME.fullmatch(secret):
        scheme, rest = found[1].lower(), found[2]
        yield rest
        yield from _FIELD.findall(rest)  # `Token token="X"`
        yield from _halves(_decoded(rest) if scheme == "basic" else rest)
    else:
        yield from _halves(secret)


def _halves(credentials: str) -> Iterator[str]:
    """`user:password`, whole and in halves; of a header's `Name: value` the value only."""
    left, colon, right = credentials.partition(":")
    if not colon:
        return
    yield credentials
    if right[:1].isspace():
        yield right
        yield from _parts(right.strip())
    elif not re.search(r"\s", credentials):
        yield from (left, right)


def _decoded(text: str) -> str:
    """What base64 holds; "" where it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _parts_of_url(url: str) -> Iterator[str]:
    """The host is none of them: errors of the network name it."""
    try:
        found = urlsplit(url)
    except ValueError:
        return
    user_info = found.netloc.rpartition("@")[0]
    for piece in (user_info, *user_info.split(":", 1)):
        yield from (piece, unquote(piece))
    yield from (found.path, found.query, found.fragment)
    if found.query:
        yield f"{found.path}?{found.query}"
    segments = [segment for segment in found.path.split("/") if segment]
    for segment in segments:
        if segment is segments[-1] or not _WORD.fullmatch(segment):
            yield from (segment, unquote(segment))
    for field in re.split("[&;]", found.query):
        value = field.partition("=")[2]
        yield from (value, unquote_plus(value))
