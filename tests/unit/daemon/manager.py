"""A service manager that keeps what it is told."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType
from typing import Self


class Manager:
    """The receiving end of `$NOTIFY_SOCKET`, in this folder."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "manager")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)

    def __enter__(self) -> Self:
        self._socket.bind(self.address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def told(self) -> list[str]:
        """What came since the last call, a text for each message."""
        messages = []
        while True:
            try:
                messages.append(self._socket.recv(65_536).decode())
            except BlockingIOError:
                return messages
