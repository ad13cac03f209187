"""Write keys: where one may stand in a request, and which source it names.

Write keys never leave this module: not in errors, not in logs. What people are shown of one are its last two characters.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Protocol

from aiohttp import hdrs, web
from yarl import URL

from router.clock import to_iso
from router.config import Rate, ending_of
from router.errors import UnknownWriteKey
from router.privacy import SourcePrivacy
from router.remembering import remembered

X_WRITE_KEY = "X-Write-Key"
IN_QUERY = "writeKey"
MAX_CACHED_HEADERS = 1_024


class Sender(Enum):
    """Who sends to a path. It decides where the write key may stand."""

    LIBRARY = auto()  #: body, Basic header, first item of a batch
    PAGE = auto()  #: what cannot set headers: the same, and the query
    JITSU = auto()  #: Basic header, X-Write-Key as `<write key>:<secret>`; the one in the body is masked
    WEBHOOK = auto()  #: Basic header, path, query, X-Write-Key
    PROJECT = auto()  #: path


class KeyHolder(Protocol):
    """A body that may carry write keys."""

    @property
    def write_key(self) -> str:
        """The one at the top level of the body, or ""."""
        ...

    def item_key(self) -> str:
        """The one in the first item of a batch, or ""."""
        ...


def write_key_of(request: web.Request, sender: Sender, body: KeyHolder | None = None) -> str:
    """The write key of a request, or "". `body`: as it was parsed; None where there is none, or it is not believed."""
    return choose_key(
        key_beside_body(request.headers, request.rel_url, sender, request.match_info.get("key", "")), body
    )


def choose_key(beside_body: str, body: KeyHolder | None) -> str:
    """The key in the body first, the one in a header or the URL next, the one in the first item of a batch last."""
    return beside_body if body is None else body.write_key or beside_body or body.item_key()


def key_beside_body(headers: Mapping[str, str], url: URL, sender: Sender, in_path: str = "") -> str:
    """The write key in the headers or the URL of a request, or ""."""
    if sender is Sender.PROJECT:
        return in_path
    authorization = headers.get(hdrs.AUTHORIZATION)
    if authorization and (user := basic_user(authorization)):
        return user
    if sender is Sender.PAGE:
        return url.query.get(IN_QUERY, "")
    if sender is Sender.JITSU:
        return headers.get(X_WRITE_KEY, "").partition(":")[0].strip()
    if sender is Sender.WEBHOOK:
        return (in_path or url.query.get(IN_QUERY) or headers.get(X_WRITE_KEY) or "").strip()
    return ""


@remembered(MAX_CACHED_HEADERS)
def basic_user(authorization: str) -> str:
    """The user of a Basic header, "" if there is none. Remembered: a client sends the same header every time."""
    scheme, _, credentials = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return ""
    credentials = credentials.strip().rstrip("=")
    try:
        text = base64.b64decode(credentials + "=" * (-len(credentials) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
    # The password is empty; a value without the colon was always tolerated.
    return text.partition(":")[0].strip()


class Source(Protocol):
    """What ingestion needs to know of a `[[source]]` of config.toml."""

    @property
    def name(self) -> str: ...
    @property
    def write_keys(self) -> tuple[str, ...]: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def kind(self) -> str: ...
    @property
    def origins(self) -> tuple[str, ...]: ...
    @property
    def strict(self) -> bool: ...
    @property
    def rate(self) -> Rate | None: ...
    @property
    def secrets(self) -> tuple[str, ...]: ...


NOTHING_TAKEN: Mapping[str, SourcePrivacy] = MappingProxyType({})


class Sources:
    """The configured sources, found by write key. The time of a look-up says nothing about the keys there are: Python hashes a text
    with a secret of this process, and compares two only where their hashes are the same."""

    def __init__(self, sources: Iterable[Source] = (), privacy: Mapping[str, SourcePrivacy] = NOTHING_TAKEN) -> None:
        """See `replace`."""
        self._used: dict[str, int] = {}  #: ms: the last request, by key
        self.replace(sources, privacy)

    def replace(self, sources: Iterable[Source], privacy: Mapping[str, SourcePrivacy] = NOTHING_TAKEN) -> None:
        """Take these sources in place of the former ones, at once for all requests that follow: a reload.

        Args:
            privacy: what sources take from their calls, by the name of the source.
        """
        self.privacy = privacy
        self._by_key = {key: source for source in sources for key in source.write_keys if key}
        self._keys: dict[str, list[str]] = {}  #: by the name of the source
        for key, source in self._by_key.items():
            self._keys.setdefault(source.name, []).append(key)
        self._used = {key: at for key, at in self._used.items() if key in self._by_key}
        self._kinds = frozenset(source.kind for source in self._by_key.values())

    def source_of(self, key: str) -> Source:
        """The source with this write key.

        Raises: UnknownWriteKey with code missing_write_key or invalid_write_key.
        """
        if not key:
            raise UnknownWriteKey("missing_write_key", "the request carries no write key")
        source = self.find(key)
        if source is None:
            raise UnknownWriteKey("invalid_write_key", "the write key belongs to no source")
        return source

    def find(self, key: str) -> Source | None:
        """The source with this write key, if there is one."""
        return self._by_key.get(key)

    def note_use(self, key: str, now_ms: int) -> None:
        """A request with this key, which belongs to a source, was taken."""
        self._used[key] = now_ms

    def keys_of(self, name: str) -> list[dict[str, Any]]:
        """The keys of a source, none of them in full: `{"ending", "last_used_at"}` each. The ending of a short key is not told; the
        time is None where the key was not used since the start."""
        return [
            {
                "ending": ending_of(key),
                "last_used_at": to_iso(at) if (at := self._used.get(key)) else None,
            }
            for key in self._keys.get(name, ())
        ]

    def has_kind(self, kind: str) -> bool:
        """Whether there is a source of this kind."""
        return kind in self._kinds
