"""What has been received and cannot be handled yet: bytes of unfinished heads and bodies, counted over all connections.

On the ingestion listener a part of the room is kept for clients whose write key is known before their body is here: whoever has none
cannot fill it.
"""

from __future__ import annotations

from typing import Protocol


class ReceivedBytes:
    """The count of one listener. `most`: how many bytes there may be; `for_strangers`: as long as a client without a known key may add
    to them."""

    def __init__(self, most: int, for_strangers: int) -> None:
        self.most, self.for_strangers = most, for_strangers
        self.held = 0


class Share:
    """What one connection has of it."""

    __slots__ = ("_all", "_held", "is_known", "is_refused")

    def __init__(self, all: ReceivedBytes) -> None:
        self._all, self._held = all, 0
        self.is_known = False  #: whether the write key of the request is known before its body is here
        self.is_refused = False  #: whether the request found no room: what came of it since is thrown away

    @property
    def is_over(self) -> bool:
        """Whether there is no room for what this connection holds."""
        room = self._all.most if self.is_known else self._all.for_strangers
        return self._held > 0 and self._all.held > room

    def hold(self, size: int) -> None:
        """So many bytes more are kept."""
        self._held += size
        self._all.held += size

    def release(self) -> None:
        """Nothing is kept any more."""
        self._all.held -= self._held
        self._held = 0
        self.is_refused = False


class Receiver(Protocol):
    """A connection that counts what it has received."""

    share: Share
