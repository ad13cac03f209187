"""Names: where a request is sent, and what it means that a look-up hangs or fails."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any

import pytest

from router.deliver.send.http_client import Fault
from router.deliver.send.http_resolver import Resolver
from router.plugin import Request
from tests.contract.http_client.conftest import Opens, Vends
from tests.contract.http_client.raw_vendor import RawVendor, says

OK = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
LOCAL = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))


class Names:
    """A name server: `vendor.example` is here, `slow.example` hangs until `answer` is set, all others are unknown."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = threading.Event()

    def look_up(self, host: str, port: None, **more: Any) -> list[Any]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.answer.wait(30)
        if not host.endswith(".example"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [LOCAL]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433"])
async def test_a_host_of_this_machine_is_found_however_it_is_written(
    host: str, make: str, opens: Opens, vends: Vends
) -> None:
    if make == "aiohttp" and host not in ("localhost", "127.0.0.1"):
        pytest.skip("aiohttp refuses it")
    vendor: RawVendor = await vends(OK)
    assert (await opens().send(Request(f"http://{host}:{vendor.port}/"))).status == 200
    assert b"Host: %s:%d\r\n" % (host.encode(), vendor.port) in vendor.requests[0]


async def test_an_ipv6_address_is_an_address(opens: Opens) -> None:
    with pytest.raises(Fault) as caught:
        await opens().send(Request("http://[::1]:1/"))
    assert caught.value.reason in ("refused", "connect")


async def test_a_host_may_have_a_fixed_address(opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(OK)
    client = opens(resolve={"vendor.invalid": "127.0.0.1"})
    assert (await client.send(Request(f"http://vendor.invalid:{vendor.port}/"))).status == 200
    assert b"Host: vendor.invalid:%d\r\n" % vendor.port in vendor.requests[0]


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 64 + ".invalid"])
async def test_an_unknown_name_is_told_as_such(host: str, opens: Opens) -> None:
    with pytest.raises(Fault) as caught:
        await opens(resolver=Resolver({}, look_up=Names().look_up)).send(Request(f"http://{host}/?key=5ecret"))
    assert (caught.value.reason, caught.value.sent) == ("dns", False)
    assert "5ecret" not in caught.value.words


async def test_look_ups_that_hang_delay_no_other_host_and_no_other_destination(opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(OK)
    names = Names()
    slow, other = opens(resolver=Resolver({}, look_up=names.look_up)), opens()
    hanging = [asyncio.ensure_future(slow.send(Request(f"http://slow{n}.example:{vendor.port}/"))) for n in range(8)]
    while len(names.asked) < 8:  # noqa: ASYNC110 - they are asked in threads
        await asyncio.sleep(0.001)
    assert (await slow.send(Request(f"http://vendor.example:{vendor.port}/"))).status == 200
    assert (await other.send(Request(f"http://localhost:{vendor.port}/"))).status == 200
    assert not any(task.done() for task in hanging)
    names.answer.set()
    assert {reply.status for reply in await asyncio.gather(*hanging)} == {200}


async def test_a_host_is_looked_up_once_for_all_who_wait_and_kept(opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(OK)
    names = Names()
    client = opens(resolver=Resolver({}, look_up=names.look_up))
    for _ in range(3):
        await asyncio.gather(*(client.send(Request(f"http://vendor.example:{vendor.port}/")) for _ in range(5)))
    assert names.asked == ["vendor.example"]


async def test_a_host_that_does_not_answer_is_looked_up_again(make: str, opens: Opens) -> None:
    if make == "aiohttp":
        pytest.skip("aiohttp does not tell its resolver")
    names = Names()
    client = opens(resolver=Resolver({}, look_up=names.look_up))
    for _ in range(2):
        with pytest.raises(Fault, match="refused"):
            await client.send(Request("http://vendor.example:1/"))
    assert names.asked == ["vendor.example"] * 2


async def test_a_look_up_that_hangs_is_told_at_the_time_out(make: str, opens: Opens) -> None:
    names = Names()
    client = opens(0.1, resolver=Resolver({}, look_up=names.look_up))
    with pytest.raises(Fault) as caught:
        await client.send(Request("http://slow.example/"))
    assert caught.value.reason == "timeout"
    if make == "httptools":
        assert not caught.value.sent
        assert "the name look-up took too long" in caught.value.words
    names.answer.set()


async def test_a_host_that_no_thread_could_look_up_is_looked_up_when_there_is_one(
    opens: Opens, vends: Vends, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor: RawVendor = await vends(OK)
    client = opens(resolver=Resolver({}, look_up=Names().look_up))
    request = Request(f"http://vendor.example:{vendor.port}/")

    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(Fault) as caught:
            await client.send(request)
    assert (caught.value.reason, caught.value.sent) == ("dns", False)
    assert "vendor.example was not looked up: the system gave no thread" in caught.value.words
    assert (await client.send(request)).status == 200


async def test_a_look_up_that_fails_in_another_way_is_told_and_tried_again(opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(OK)
    faults: list[Exception] = [MemoryError()]

    def look_up(*_: Any, **__: Any) -> list[Any]:
        if faults:
            raise faults.pop()
        return [LOCAL]

    client = opens(resolver=Resolver({}, look_up=look_up))
    request = Request(f"http://vendor.example:{vendor.port}/")
    with pytest.raises(Fault, match="the look-up failed with MemoryError"):
        await client.send(request)
    assert (await client.send(request)).status == 200


async def test_where_one_address_is_dead_another_one_is_taken(opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(OK)
    dead = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("100::1", 0, 0, 0))  # the discard prefix: nobody answers
    client = opens(resolver=Resolver({}, look_up=lambda *_, **__: [dead, LOCAL]))
    assert (await client.send(Request(f"http://vendor.example:{vendor.port}/"))).status == 200


async def test_refused_is_told_as_such(opens: Opens) -> None:
    with pytest.raises(Fault) as caught:
        await opens().send(Request("http://127.0.0.1:1/?key=5ecret"))
    assert (caught.value.reason, caught.value.sent) == ("refused", False)
    assert "5ecret" not in caught.value.words


async def test_proxies_of_the_environment_are_not_asked(
    opens: Opens, vends: Vends, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    vendor: RawVendor = await vends(OK)
    assert (await opens().send(Request(vendor.url))).status == 200
