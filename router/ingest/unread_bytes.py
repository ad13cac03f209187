"""What has been answered and not read: bytes of answers that the system has not taken from this process, counted over all connections."""

from __future__ import annotations

from typing import Protocol


class Reader(Protocol):
    """A connection whose client reads, or does not."""

    def drop_unread(self) -> None:
        """End the connection; what it has not read is thrown away."""
        ...


class UnreadBytes:
    """The count of one listener. `most`: how many bytes there may be."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        self._sizes: dict[Reader, int] = {}  #: the one that is unread for longest first

    def note(self, one: Reader, size: int) -> None:
        """So many bytes of this connection are unread. Where that is too much, those that are unread for longest are dropped."""
        self.held += size - self._sizes.get(one, 0)
        self._sizes[one] = size
        while self.held > self.most:
            oldest = next(iter(self._sizes))
            self.forget(oldest)
            oldest.drop_unread()

    def forget(self, one: Reader) -> None:
        """Nothing of this connection is unread, or it is gone."""
        self.held -= self._sizes.pop(one, 0)
