"""Whose call it is: finds the source by the write key in the body, the Basic header, the URL or the first item of a batch.

Stands between parse and acceptance. Write keys never leave this module: not in errors, not in logs.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable
from typing import Protocol

from router.config import Rate
from router.errors import UnknownWriteKey

MAX_CACHED_HEADERS = 1_024


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


class Sources:
    """The configured sources, found by write key in constant time: the key is hashed with a secret of this process, so
    the time of a look-up says nothing about the keys there are."""

    def __init__(self, sources: Iterable[Source] = ()) -> None:
        self._secret = secrets.token_bytes(16)
        self._headers: dict[str, str] = {}
        #: calls whose body and Basic header named different keys; the body won
        self.disagreements = 0
        self.replace(sources)

    def replace(self, sources: Iterable[Source]) -> None:
        """Take these sources in place of the former ones, at once for all requests that follow: a reload."""
        self._by_hash = {self._hash(key): (key, source) for source in sources for key in source.write_keys if key}

    def authenticate(
        self, body_key: str, authorization: str | None, item_key: Callable[[], str], other_key: str = ""
    ) -> Source:
        """The source a request belongs to.

        Args:
            body_key: the write key at the top level of the body, or "".
            authorization: the header of that name.
            item_key: finds the write key in the first item of a batch, or ""; asked last.
            other_key: the write key in the URL or a header of its own, on paths that know one; before the item's.

        Raises: UnknownWriteKey with code missing_write_key or invalid_write_key.
        """
        header_key = self.basic_user(authorization) if authorization else ""
        if body_key and header_key and body_key != header_key:
            self.disagreements += 1
        key = body_key or header_key or other_key or item_key()
        if not key:
            raise UnknownWriteKey("missing_write_key", "the request carries no write key")
        source = self.find(key)
        if source is None:
            raise UnknownWriteKey("invalid_write_key", "the write key belongs to no source")
        return source

    def find(self, key: str) -> Source | None:
        """The source with this write key."""
        found = self._by_hash.get(self._hash(key))
        return found[1] if found and hmac.compare_digest(found[0].encode(), key.encode()) else None

    def basic_user(self, authorization: str) -> str:
        """The user of a Basic header, "" if there is none. Remembered: a client sends the same header every time."""
        user = self._headers.get(authorization)
        if user is None:
            user = _decode_basic(authorization)
            if len(self._headers) >= MAX_CACHED_HEADERS:
                self._headers.clear()
            self._headers[authorization] = user
        return user

    def _hash(self, key: str) -> bytes:
        return hashlib.blake2b(key.encode(), key=self._secret, digest_size=16).digest()


def _decode_basic(authorization: str) -> str:
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
