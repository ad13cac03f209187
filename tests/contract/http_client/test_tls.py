"""TLS: who is trusted, and in which words an operator hears that somebody is not."""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl as tls
from typing import Any

import pytest

from router.deliver.send.http_client import Fault, default_ssl_context
from router.plugin import Request
from tests.contract.http_client.certificates import Authority
from tests.contract.http_client.conftest import Opens, Vends
from tests.contract.http_client.raw_server import raw_server
from tests.contract.http_client.raw_vendor import RawVendor, Visit, hangs, says
from tests.patience import HANG_S

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


async def fault(client: Any, url: str) -> Fault:
    with pytest.raises(Fault) as caught:
        await client.send(Request(f"{url}/?key=5ecret", body=b"{}"))
    assert "5ecret" not in caught.value.words
    return caught.value


@pytest.mark.parametrize("version", [tls.TLSVersion.TLSv1_2, tls.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("host", ["127.0.0.1", "vendor.example"])
async def test_a_vendor_of_a_trusted_authority_is_spoken_to(
    host: str, version: tls.TLSVersion, authority: Authority, opens: Opens, vends: Vends
) -> None:
    server = authority.server()
    server.minimum_version = server.maximum_version = version
    server.set_alpn_protocols(["h2", "http/1.1"])
    vendor: RawVendor = await vends(says(OK), ssl=server)
    client = opens(ssl=authority.client(), resolve={"vendor.example": "127.0.0.1"})
    for _ in range(3):
        reply = await client.send(Request(f"https://{host}:{vendor.port}/", body=b"x" * 85_000))
        assert (reply.status, reply.body) == (200, b"ok")
    assert vendor.visits == 1


async def test_a_certificate_for_another_host_is_named(authority: Authority, opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK), ssl=authority.server("DNS:other.example"))
    client = opens(ssl=authority.client(), resolve={"vendor.example": "127.0.0.1"})
    found = await fault(client, f"https://vendor.example:{vendor.port}")
    assert (found.reason, found.sent) == ("tls", False)
    assert found.words == "Hostname mismatch, certificate is not valid for 'vendor.example'."


async def test_an_expired_certificate_is_named(authority: Authority, opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK), ssl=authority.server(days=-1))
    found = await fault(opens(ssl=authority.client()), vendor.url)
    assert (found.reason, found.words) == ("tls", "certificate has expired")


async def test_an_unknown_authority_is_named(authority: Authority, opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK), ssl=authority.server())
    found = await fault(opens(), vendor.url)
    assert found.reason == "tls"
    assert "issuer" in found.words or "self-signed" in found.words


async def test_a_port_that_does_not_speak_tls_is_named(opens: Opens) -> None:
    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with raw_server(visited) as address:
        found = await fault(opens(), f"https://{address}")
    assert found.reason == "tls"


async def test_a_handshake_that_the_vendor_breaks_off_is_named(opens: Opens) -> None:
    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    async with raw_server(visited) as address:
        found = await fault(opens(), f"https://{address}")
    assert (found.reason, found.words) == ("tls", "the vendor broke off the TLS handshake")


async def test_a_vendor_that_speaks_old_tls_only_is_refused(authority: Authority, opens: Opens, vends: Vends) -> None:
    server = authority.server()
    server.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        server.minimum_version = tls.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        server.maximum_version = tls.TLSVersion.TLSv1_1
    vendor: RawVendor = await vends(says(OK), ssl=server)
    assert (await fault(opens(ssl=authority.client()), vendor.url)).reason == "tls"


async def test_a_client_certificate_that_is_wanted_may_be_given(
    authority: Authority, opens: Opens, vends: Vends
) -> None:
    vendor: RawVendor = await vends(says(OK), ssl=authority.wants_client(authority.server()))
    client = opens(ssl=authority.client_with_certificate())
    assert (await client.send(Request(vendor.url))).status == 200
    assert (await fault(opens(ssl=authority.client()), vendor.url)).reason in ("tls", "closed")


async def test_a_handshake_that_hangs_is_cut_at_the_time_out_and_leaves_nothing(make: str, opens: Opens) -> None:
    left = asyncio.Event()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        left.set()
        writer.close()

    async with raw_server(visited) as address:
        found = await fault(opens(0.5), f"https://{address}")
        assert found.reason == "timeout"
        if make == "httptools":
            assert "the TLS handshake took too long" in found.words
        async with asyncio.timeout(HANG_S):
            await left.wait()


async def test_cancelling_cuts_every_connection_at_any_moment(authority: Authority, opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(hangs, ssl=authority.server())
    client = opens(ssl=authority.client())
    before = len(os.listdir("/proc/self/fd"))
    for turns in (0, 1, 2, 3, 5, 8, 13, 50, 200):
        tasks = [asyncio.ensure_future(client.send(Request(vendor.url))) for _ in range(5)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
    async with asyncio.timeout(HANG_S):
        while len(os.listdir("/proc/self/fd")) > before + 2:  # noqa: ASYNC110 - nobody tells of a descriptor's end
            await asyncio.sleep(0.01)


async def test_an_endless_body_is_cut(authority: Authority, opens: Opens, vends: Vends) -> None:
    async def script(visit: Visit) -> None:
        await visit.say(b"HTTP/1.1 200 OK\r\n\r\n")
        await visit.say_for_ever(b"x" * 8192)

    vendor: RawVendor = await vends(script, ssl=authority.server())
    client = opens(ssl=authority.client())
    replies = await asyncio.gather(*(client.send(Request(vendor.url)) for _ in range(10)))
    assert {len(reply.body) for reply in replies} == {256 * 1024}
    await vendor.becomes(lambda: vendor.open == 0)


def test_the_context_is_made_once_for_the_process() -> None:
    assert default_ssl_context() is default_ssl_context()
