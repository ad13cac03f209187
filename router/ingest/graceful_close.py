"""Stopping without a reset for anybody: what a socket is told at the end, and how long clients get."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from contextlib import suppress

from aiohttp import web

HANDSHAKE_S = 0.1
"""While stopping, a connection whose handshake had begun gets this long to be there."""

QUIET_S = 0.5
"""While stopping, a connection without a request stays this long: its client may be about to send one, and is told to
close only by the answer to it."""

CUT_S = 3.0
"""What is still not answered when the listener ends gets this long for its 503."""

SO_ATTACH_FILTER = 26  #: of asm-generic/socket.h; Python has no name for it

_IGNORE_SYN = [(0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFF)]
"""Classic BPF, as in Linux's networking/filter.rst: load byte 13 of the TCP header, its flags; drop the segment if SYN is set."""


def ignore_new_connections(site: web.BaseSite) -> None:
    """Let a site's sockets ignore who knocks from here on, so that none is reset as they close.

    Closing alone resets every connection that was made since the last `accept`: 2 of 27 stops under load had one. Whoever is
    ignored knocks again after a second (RFC 6298, 2.1), and is refused. Where the system has no such filter, it stays at that.
    """
    assert site._server is not None
    steps = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in _IGNORE_SYN))
    program = struct.pack("HP", len(_IGNORE_SYN), ctypes.addressof(steps))
    for one in site._server.sockets if sys.platform == "linux" else ():  # type: ignore[attr-defined]
        with suppress(OSError):
            one.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
