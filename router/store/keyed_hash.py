"""The hash of a message id. Keyed, so that nobody can choose ids that collide."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

from router.event import Call

SIZE = 8
"""Bytes of a hash."""


def keyed_hash(key: bytes, source: str, message_id: str) -> int:
    """Keyed 64-bit hash of a message id within its source."""
    text = f"{source}\0{message_id}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=SIZE, key=key).digest(), "little", signed=True)


class CallHasher:
    """The same for many calls, at half the cost: what all calls of a source begin with is hashed once."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._begun: dict[str, hashlib.blake2b] = {}  #: by source; those are few

    def __call__(self, calls: Iterable[Call]) -> list[int]:
        """The hashes of these calls, in their order."""
        begun, digests = self._begun, list[bytes]()
        for call in calls:
            hashed = (begun.get(call.source) or self._begin(call.source)).copy()
            hashed.update(call.message_id.encode())
            digests.append(hashed.digest())
        return list(struct.unpack(f"<{len(digests)}q", b"".join(digests)))

    def _begin(self, source: str) -> hashlib.blake2b:
        begun = self._begun[source] = hashlib.blake2b(f"{source}\0".encode(), digest_size=SIZE, key=self._key)
        return begun
