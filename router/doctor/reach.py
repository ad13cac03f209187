"""One address, step by step: its name has an address, the address accepts connections, the certificate is trusted and not about to expire."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from router.clock import Clock
from router.doctor.finding import Finding, Level
from router.explain.figures import count

WAIT_S = 4.0
"""For a connection, and for the handshake; a resolver that does not answer is waited for until the checks end."""
MOST = 3
"""Addresses of a name that are tried."""
DAY_S = 86_400
SOON_DAYS = 14


class Address(NamedTuple):
    """Where to connect to."""

    host: str
    port: int
    is_tls: bool

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


PORTS = {"http": 80, "https": 443, "postgresql": 5432, "postgres": 5432}
"""Where a URL of these leads to that names no port. Others must name one."""


def address_of(url: str) -> Address | None:
    """The address of a URL; None where it is none, has no port that is known, or a masked secret hides a part of the host."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme)
        if "://" not in url or not parts.hostname or "*" in parts.hostname or port is None:
            return None
        return Address(parts.hostname, port, is_tls=parts.scheme == "https")
    except ValueError:
        return None


def reach(name: str, address: Address, tls: ssl.SSLContext, clock: Clock) -> Iterator[Finding]:
    """As far as it goes. An unreachable vendor stops no daemon: events wait."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        words = f"{name}: {address.host} has no address ({error.strerror})"
        yield Finding(
            "dns", Level.WARNING, words, "correct the name in config.toml, or the resolver in /etc/resolv.conf"
        )
        return
    try:
        began = clock.monotonic()
        connection = _connected([(str(at[0]), int(at[1])) for *_, at in found[:MOST]])
        took_ms = (clock.monotonic() - began) * 1000
    except OSError as error:
        words = f"{name}: {address} does not accept connections ({error.strerror or 'no answer in time'})"
        remedy = "look at firewalls, at the proxy and at the vendor's status page; events wait meanwhile"
        yield Finding("connect", Level.WARNING, words, remedy)
        return
    with connection:
        yield Finding("connect", Level.OK, f"{name}: {address} accepts connections ({took_ms:.0f} ms)")
        if address.is_tls:
            yield from _handshake(name, address, connection, tls, clock)


def _connected(places: Sequence[tuple[str, int]]) -> socket.socket:
    """A connection to the first that accepts one. Raises OSError of the last."""
    for place in places[:-1]:
        try:
            return socket.create_connection(place, WAIT_S)
        except OSError:
            continue
    return socket.create_connection(places[-1], WAIT_S)


def _handshake(
    name: str, address: Address, connection: socket.socket, tls: ssl.SSLContext, clock: Clock
) -> Iterator[Finding]:
    try:
        with tls.wrap_socket(connection, server_hostname=address.host) as secure:
            certificate, version = secure.getpeercert() or {}, secure.version()
    except ssl.SSLCertVerificationError as error:
        words = f"{name}: the certificate of {address} is not trusted: {error.verify_message}"
        yield Finding("tls", Level.WARNING, words, "renew it, or add its authority to the machine (ca-certificates)")
        return
    except (ssl.SSLError, OSError) as error:
        words = f"{name}: {address} does not speak TLS as expected ({getattr(error, 'reason', None) or error.strerror or error})"
        yield Finding("tls", Level.WARNING, words, "check the scheme and the port of the URL in config.toml")
        return
    yield Finding("tls", Level.OK, f"{name}: the certificate of {address} is trusted ({version})")
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    yield about_days(name, address, int((ends - clock.now_ms() / 1000) // DAY_S))


def about_days(name: str, address: Address, days: int) -> Finding:
    """What is to be said of a certificate that is valid for so many days more."""
    words = f"{name}: the certificate of {address} is valid for {count(days, 'day')} more"
    if days < SOON_DAYS:
        return Finding(
            "certificate", Level.WARNING, words, "have it renewed; when it has expired nothing is sent there"
        )
    return Finding("certificate", Level.OK, words)
