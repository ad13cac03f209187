"""Looks names up, each in a thread of its own: a name server that hangs for one host delays no other.

The loop's own look-ups share four threads (uvloop) with everything else in the process.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiohappyeyeballs import AddrInfoType

from router.deliver.send.http_client import Fault

CACHE_S = 10.0
MOST_HOSTS = 1000


class Resolver:
    """The addresses of hosts, kept for ten seconds. `fixed`: addresses by host that are never looked up."""

    def __init__(self, fixed: Mapping[str, str], *, look_up: Callable[..., list[Any]] = socket.getaddrinfo) -> None:
        self._fixed = fixed
        self._look_up = look_up
        self._kept: dict[str, tuple[float, list[AddrInfoType]]] = {}
        self._pending: dict[str, asyncio.Future[list[AddrInfoType] | str]] = {}

    async def resolve(self, host: str, port: int) -> list[AddrInfoType]:
        """Where to connect to, best first. Raises Fault `dns`."""
        host = self._fixed.get(host, host)
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return [_with_port(info, port) for info in await self._addresses(host)]
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        return [_with_port((family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, 0)), port)]

    def forget(self, host: str) -> None:
        """Look this host up again next time: its addresses did not answer."""
        self._kept.pop(self._fixed.get(host, host), None)

    async def _addresses(self, host: str) -> list[AddrInfoType]:
        loop = asyncio.get_running_loop()
        until, infos = self._kept.get(host, (0.0, []))
        if loop.time() < until:
            return infos
        pending = self._pending.get(host)
        if pending is None:
            pending = loop.create_future()
            thread = threading.Thread(target=self._work, args=(host, loop, pending), name="look-up", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # whoever asks next tries again
                raise Fault("dns", f"{host} was not looked up: the system gave no thread for it ({error})") from None
            self._pending[host] = pending
            pending.add_done_callback(lambda _: self._pending.pop(host, None))
        found = await asyncio.shield(pending)
        if isinstance(found, str):
            raise Fault("dns", found)
        if len(self._kept) >= MOST_HOSTS:
            self._kept.clear()
        self._kept[host] = (loop.time() + CACHE_S, found)
        return found

    def _work(
        self, host: str, loop: asyncio.AbstractEventLoop, pending: asyncio.Future[list[AddrInfoType] | str]
    ) -> None:
        """Runs in a thread of its own."""
        found: list[AddrInfoType] | str
        try:
            found = self._look_up(host, None, type=socket.SOCK_STREAM) or f"{host} has no address"
        except (OSError, UnicodeError) as error:  # UnicodeError: a label that is empty or too long
            found = f"{host}: {getattr(error, 'strerror', None) or 'not a host name'}"
        except Exception as error:  # without an answer, all who ask for this host would wait for ever
            found = f"{host}: the look-up failed with {type(error).__name__}"

        def tell() -> None:
            if not pending.done():
                pending.set_result(found)

        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell)


def _with_port(info: AddrInfoType, port: int) -> AddrInfoType:
    family, kind, proto, name, address = info
    if family == socket.AF_INET6:
        flow, scope = (address[2], address[3]) if len(address) == 4 else (0, 0)
        return family, kind, proto, name, (address[0], port, flow, scope)
    return family, kind, proto, name, (address[0], port)
