"""Who asks, and under which address: of a request that may have come through proxies. Only listed ones are believed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from aiohttp import hdrs, web

from router.remembering import remembered

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Networks = tuple[Network, ...]

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)


def networks(proxies: Iterable[str]) -> Networks:
    """Addresses and networks as config.toml writes them."""
    return tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies)


def client_ip(remote: str, forwarded: Iterable[str], proxies: Networks) -> str | None:
    """The client's address: the last hop that is no trusted proxy of ours.

    Args:
        remote: the address at the other end of the connection.
        forwarded: the values of X-Forwarded-For, in order.
    """
    ip = _plain_ip(remote)
    if proxies and _is_trusted(ip, proxies):
        # Those before a hop that is not ours may be anything, and thousands.
        for hop in reversed(",".join(forwarded).split(",")):
            if not hop.strip():
                continue
            ip = _plain_ip(hop)
            if not _is_trusted(ip, proxies):
                break
    return ip or None


def own_url(request: web.BaseRequest, proxies: Networks) -> str:
    """The router's address as this request's sender wrote it, e.g. `https://events.example.com`; "" if it is none."""
    scheme, host = "http", request.headers.get(hdrs.HOST, "")
    if proxies and _is_trusted(_plain_ip(request.remote or ""), proxies):
        # Where there are several, the last is what our proxy added; those before it may be the client's invention.
        host = request.headers.get(hdrs.X_FORWARDED_HOST, host).rpartition(",")[2].strip()
        forwarded = request.headers.get(hdrs.X_FORWARDED_PROTO, scheme).rpartition(",")[2].strip().lower()
        scheme = forwarded if forwarded in ("http", "https") else scheme
    return f"{scheme}://{host}" if _HOST.fullmatch(host) else ""


@remembered(4096)
def _plain_ip(text: str) -> str:
    """An address without what proxies add to it (port, brackets, zone); "" for anything that is none."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    text = text.partition("%")[0].removeprefix("::ffff:")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _is_trusted(ip: str, proxies: Networks) -> bool:
    return bool(ip) and any(ipaddress.ip_address(ip) in proxy for proxy in proxies)
