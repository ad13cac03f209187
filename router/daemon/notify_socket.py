"""The socket on which a service manager is told how its service is: datagrams to `$NOTIFY_SOCKET`. Sending never waits.

Source: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import MutableMapping

KEPT = 8
"""Messages that were not taken, and are kept for the next time. The oldest goes first: what counts is the newest."""


class NotifySocket:
    """A crash leaves nothing of it behind: the system sees the process end."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._untold: deque[bytes] = deque(maxlen=KEPT)

    def tell(self, **fields: str) -> None:
        """Send this. Where it is not taken now, it goes with the next message."""
        self._untold.append(_message(fields))
        self.tell_untold()

    def tell_once(self, **fields: str) -> bool:
        """Send this, or nothing. Returns whether it was taken."""
        return self.tell_untold() and self._send(_message(fields))

    def tell_untold(self) -> bool:
        """Send what was not taken before. Returns whether nothing is left of it."""
        while self._untold and self._send(self._untold[0]):
            self._untold.popleft()
        return not self._untold

    def close(self) -> None:
        """Tell nothing more."""
        self._socket.close()

    def _send(self, message: bytes) -> bool:
        try:
            self._socket.sendto(message, self._address)
        except OSError:  # the receiver is busy, or it is gone: a daemon does not stop for that
            return False
        return True


def _message(fields: dict[str, str]) -> bytes:
    lines = (f"{key}={' '.join(value.split())}" for key, value in fields.items())
    return "\n".join(lines).encode("utf-8", "replace")


def notify_socket(environ: MutableMapping[str, str]) -> NotifySocket | None:
    """The socket that the environment names; None without one. The name is taken out: it is for this process only."""
    address = environ.pop("NOTIFY_SOCKET", "")
    return NotifySocket(address) if address.startswith(("/", "@")) else None


def watchdog_s(environ: MutableMapping[str, str]) -> float:
    """Within how many seconds the system wants a sign of life of this process, again and again; 0 for never. Taken out, too."""
    interval, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
    is_ours = not pid or pid == str(os.getpid())
    return int(interval) / 1e6 if is_ours and interval.isdecimal() else 0.0
