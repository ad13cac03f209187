"""The size of a request head on its way: llhttp bounds its lines, not their sum."""

from __future__ import annotations

_END = b"\r\n\r\n"


class HeadSize:
    """Counts the bytes of one head after the other."""

    __slots__ = ("_tail", "size")

    def __init__(self) -> None:
        self.size = 0  #: bytes of the head that is here in part
        self._tail = b""  #: its last bytes, where its end may have begun

    def with_next(self, data: bytes) -> int:
        """How large the head is with these bytes, up to its end where they hold it."""
        end = (self._tail + data).find(_END)
        return self.size + (len(data) if end < 0 else end + len(_END) - len(self._tail))

    def add(self, data: bytes) -> None:
        """These bytes belong to the head, and it has not ended."""
        self.size += len(data)
        self._tail = (self._tail + data)[-(len(_END) - 1) :]

    def restart(self) -> None:
        """It has ended."""
        self.size, self._tail = 0, b""
