"""Sockets that systemd listens on and passes to the daemon: the service starts and stops, the socket stays, and clients wait.

Source: https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

from router.config import Listen
from router.errors import ConfigError

FIRST_FD = 3
NAMES = {"ingest": "server.listen", "admin": "admin.listen"}
"""The listeners by the names of their descriptors, and the key that has the address of each."""
VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

Passed = dict[str, list[socket.socket]]


def take_passed_sockets(environ: MutableMapping[str, str]) -> Passed:
    """The sockets that were passed to this process, by the name of the listener; empty where none were. The variables are taken
    out of the environment, and children of this process do not get the sockets.

    Raises:
        ConfigError: something was passed that is no listening TCP socket, or has no name of a listener.
    """
    pid, number, names, _ = (environ.pop(name, "") for name in VARIABLES)
    if pid != str(os.getpid()) or not number.isdecimal():
        return {}
    passed: Passed = {}
    named = names.split(":") if names else []
    for at in range(int(number)):
        name = named[at] if at < len(named) else ""
        if name not in NAMES:
            words = f"a socket named {name!r} is passed: a socket unit needs FileDescriptorName=ingest or admin"
            raise ConfigError([words])
        passed.setdefault(name, []).append(_adopt(FIRST_FD + at, name))
    return passed


def _adopt(descriptor: int, name: str) -> socket.socket:
    words = (
        f"what is passed as {name} is no listening TCP socket: its unit needs ListenStream=ADDRESS:PORT and Accept=no"
    )
    try:
        one = socket.socket(fileno=descriptor)
    except OSError:
        raise ConfigError([words]) from None
    is_tcp = one.family in (socket.AF_INET, socket.AF_INET6) and one.type == socket.SOCK_STREAM
    if not is_tcp or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        one.close()
        raise ConfigError([words])
    one.set_inheritable(False)
    one.setblocking(False)
    return one


def check_addresses(passed: Passed, wanted: dict[str, Listen]) -> None:
    """A socket listens where config.toml says: its rules, such as that for a token, look at the address there.

    Args:
        wanted: the address of each listener.

    Raises:
        ConfigError: one listens elsewhere.
    """
    problems = []
    for name, sockets in passed.items():
        listen = wanted[name]
        for one in sockets:
            if (there := one.getsockname()[:2]) not in _addresses(listen):
                words = f"systemd passes a socket at {Listen(*there)}, and this is {listen}"
                problems.append(f"{NAMES[name]}: {words}: make it equal to ListenStream of the socket unit")
    if problems:
        raise ConfigError(problems)


def _addresses(listen: Listen) -> list[tuple[str, int]]:
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return []
    return [(str(address[0]), int(address[1])) for *_, address in found]
