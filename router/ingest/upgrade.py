"""What comes behind a request that asks for an upgrade. The client must be told where it is not answered.

aiohttp's parser drops it, in silence, where the upgrade is to a protocol that it does not know (h2c, say). Java's own client asks for that with
each request and sends nothing behind it, so its connection may stay.
"""

from __future__ import annotations

from aiohttp import hdrs
from aiohttp.http import RawRequestMessage


class Upgrade:
    """Of one connection."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left: int | None = None  #: of the body of such a request, bytes that are not here

    def begin(self, message: RawRequestMessage, behind_head: int, *, is_alone: bool) -> bool:
        """A head was read. Returns whether something behind its request may have been dropped.

        Args:
            behind_head: bytes that came with it and behind it.
            is_alone: no other request was read with it.
        """
        self._left = None
        if not message.upgrade:
            return False
        length = message.headers.get(hdrs.CONTENT_LENGTH, "0")
        if message.chunked or not is_alone:
            return True
        self._left = int(length) - behind_head
        return self._left < 0

    def more(self, size: int) -> bool:
        """So many bytes have come of a body, or behind it. Returns the same."""
        if self._left is None:
            return False
        self._left -= size
        return self._left < 0
