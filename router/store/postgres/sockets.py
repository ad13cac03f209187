"""Connections whose other end is gone without a word: the machine of the database has lost its power, or something in between has forgotten
the connection. They end after some seconds. Else who waits for an answer waits for a quarter of an hour, or for ever."""

from __future__ import annotations

import os
import socket
from typing import Any

IDLE_S, BETWEEN_S, PROBES = 5, 1, 3
"""A peer that says nothing for IDLE_S is asked whether it is there, so often and with such pauses."""
UNHEARD_MS = 8_000
"""What was sent and is not acknowledged for so long ends the connection."""
OPTIONS = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, BETWEEN_S),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNHEARD_MS),
)


def end_when_silent(connection: Any) -> None:
    """Have this connection of asyncpg end so. Nothing is done to one on a socket of the file system."""
    given = connection._transport.get_extra_info("socket")
    if given.family not in (socket.AF_INET, socket.AF_INET6):
        return
    with socket.socket(fileno=os.dup(given.fileno())) as same:  # uvloop's own has no options
        for option in OPTIONS:
            same.setsockopt(*option)
