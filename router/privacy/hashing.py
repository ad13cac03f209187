"""The keyed hash of values, for sources and mappings alike. Pure."""

from __future__ import annotations

import hashlib
import hmac
import re

import msgspec

from router.config import PrivacyConfig
from router.config.mapping_paths import ABSENT
from router.filters.values import compact_json
from router.plugin import JSON

LONGEST = 320
"""Characters of a text that may be an e-mail address (RFC 5321: 64 + 1 + 255). The search takes quadratic time."""
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"(?![0-9]+(?:\.[0-9]+|(?:\.[0-9]+){3})$)\+?[0-9][0-9 ().\-/]{5,}")
"""Decimal numbers and IP addresses are none: without their points, two of them could be the same."""


class Hasher(msgspec.Struct, frozen=True):
    """Hashes values with the key of `[privacy]`, so that nobody else can try out which e-mail address has which hash."""

    key: bytes
    normalize: bool

    def __call__(self, value: JSON) -> JSON:
        """HMAC-SHA-256 in hex. A list item by item; null stays null; ABSENT for an object."""
        if value is None:
            return None
        if isinstance(value, dict):
            return ABSENT
        if isinstance(value, list):
            return [made for item in value if (made := self(item)) is not ABSENT]
        return self.text(self._normal(value) if isinstance(value, str) else compact_json(value) or "")

    def text(self, text: str) -> str:
        """The hash of a text exactly as it is."""
        return hmac.digest(self.key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()

    def _normal(self, text: str) -> str:
        """What is an e-mail address or phone number in one form, so that each has one hash however it is written."""
        if len(text) > LONGEST:
            return text
        trimmed = text.strip()
        if self.normalize and _EMAIL.fullmatch(trimmed):
            return trimmed.lower()
        if self.normalize and _PHONE.fullmatch(trimmed):
            return re.sub(r"[^0-9+]", "", trimmed)
        return text


def hasher_of(privacy: PrivacyConfig) -> Hasher | None:
    """The hasher of a configuration; None where it has no key."""
    return None if privacy.key is None else Hasher(privacy.key.encode(), privacy.normalize)
