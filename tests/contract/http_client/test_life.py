"""Connections: kept, dropped, cut; requests: cancelled, late, sent again."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import Any

import pytest

from router.deliver.send.http_client import Client, Fault, Reply
from router.deliver.send.http_connection import Connection
from router.plugin import MAX_BODY, Request
from tests.contract.http_client.conftest import Opens, Vends
from tests.contract.http_client.raw_server import raw_server
from tests.contract.http_client.raw_vendor import Leave, RawVendor, Visit, hangs, says
from tests.patience import HANG_S

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Result = Reply | Fault


async def started(client: Client, request: Request) -> Result:
    """What `on_done` is told."""
    told: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
    client.start(request, told.set_result)
    assert not told.done(), "never from inside start"
    return await told


# ------------------------------------------------------------ the callback


async def test_the_callback_is_told_of_an_answer(client: Client, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK))
    result = await started(client, Request(vendor.url))
    assert isinstance(result, Reply)
    assert (result.status, client.in_flight) == (200, 0)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "nonsense"])
async def test_the_callback_is_told_of_a_fault_and_never_from_inside_start(url: str, client: Client) -> None:
    assert isinstance(await started(client, Request(url)), Fault)


async def test_what_is_no_request_is_an_error_of_the_caller_and_leaves_nothing(make: str, opens: Opens) -> None:
    if make == "aiohttp":
        pytest.skip("it is a fault there")
    client = opens()
    with pytest.raises(AttributeError):
        client.start(None, lambda result: None)  # type: ignore[arg-type]
    assert client.in_flight == 0


async def test_a_callback_that_raises_harms_nobody(client: Client, vends: Vends) -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context.get("exception")))
    vendor: RawVendor = await vends(says(OK))

    def on_done(result: Result) -> None:
        raise ZeroDivisionError

    for _ in range(3):
        client.start(Request(vendor.url), on_done)
        while client.in_flight:  # noqa: ASYNC110 - there is nothing else to wait for: the callback raises
            await asyncio.sleep(0)
    assert [type(error) for error in told] == [ZeroDivisionError] * 3
    assert vendor.visits == 1
    assert (await client.send(Request(vendor.url))).body == b"ok"


async def test_the_next_request_may_start_in_the_callback_of_the_last(client: Client, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK))
    done = asyncio.Event()
    left = 100

    def on_done(result: Result) -> None:
        nonlocal left
        assert isinstance(result, Reply)
        left -= 1
        if left:
            client.start(Request(f"{vendor.url}/{left}"), on_done)
        else:
            done.set()

    client.start(Request(vendor.url), on_done)
    await done.wait()
    assert (len(vendor.requests), vendor.visits) == (100, 1)


# ------------------------------------------------------------ kept and dropped


async def test_a_connection_is_used_again(client: Client, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK))
    for _ in range(5):
        await client.send(Request(vendor.url))
    assert vendor.visits == 1


async def test_ten_at_once_take_ten_connections_and_no_more(client: Client, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK))
    for _ in range(5):
        await asyncio.gather(*(client.send(Request(vendor.url)) for _ in range(10)))
    assert vendor.visits <= 10


DROPPED = {
    "Connection: close": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "a second answer": OK + OK,
    "bytes behind the answer": OK + b"\r\nHTTP",
}


@pytest.mark.parametrize("answer", list(DROPPED.values()), ids=list(DROPPED))
async def test_a_connection_is_not_used_again_after(answer: bytes, make: str, client: Client, vends: Vends) -> None:
    if make == "aiohttp" and answer.endswith(b"HTTP"):
        pytest.skip("aiohttp keeps it until its idle time is over")
    vendor: RawVendor = await vends(says(answer))
    for _ in range(2):
        assert (await client.send(Request(vendor.url))).body == b"ok"
    await vendor.becomes(lambda: vendor.visits == 2)


async def test_bytes_on_an_idle_connection_end_it(make: str, client: Client, vends: Vends) -> None:
    if make == "aiohttp":
        pytest.skip("aiohttp keeps it until its idle time is over")

    async def script(visit: Visit) -> None:
        await visit.say(OK)
        await asyncio.sleep(0.02)
        await visit.say(b"HTTP/1.1 500 Not Asked\r\nContent-Length: 2\r\n\r\nno")

    vendor: RawVendor = await vends(script)
    assert (await client.send(Request(vendor.url))).body == b"ok"
    await vendor.becomes(lambda: vendor.open == 0)
    assert (await client.send(Request(vendor.url))).body == b"ok"


async def test_an_answer_before_the_body_was_sent_ends_the_connection(client: Client) -> None:
    """The rest of the body would stand in the way of the next request."""
    ended = asyncio.Event()

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        await asyncio.sleep(0.05)
        try:
            while await reader.read(1 << 20):
                pass
        except ConnectionError:
            pass
        ended.set()
        writer.close()

    async with raw_server(visited, receive_buffer=64 * 1024) as address:  # the whole body must not fit into buffers
        reply = await client.send(Request(f"http://{address}/", body=b"x" * MAX_BODY))
        assert reply.status == 413
        async with asyncio.timeout(HANG_S):
            await ended.wait()


async def test_an_idle_connection_is_closed(opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK))
    client = opens(idle_s=0.1)
    await client.send(Request(vendor.url))
    await vendor.becomes(lambda: vendor.visits == 1 and vendor.open == 0)


async def test_a_connection_that_has_ended_leaves_nothing_for_the_garbage_collector(
    make: str, opens: Opens, vends: Vends
) -> None:
    if make == "aiohttp":
        pytest.skip("its connections are not ours")
    vendor: RawVendor = await vends(says(OK))
    client = opens()
    gc.collect()
    gc.disable()
    before = connections()
    try:
        await client.send(Request(vendor.url))
        assert len(connections()) == len(before) + 1
        await client.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert connections() == before
    finally:
        gc.enable()


def connections() -> list[int]:
    """The connections in memory; those of other tests, too."""
    return [id(found) for found in gc.get_objects() if isinstance(found, Connection)]


# ------------------------------------------------------------ sent again


async def test_a_stale_connection_is_no_fault_and_the_reply_tells_of_it(
    make: str, client: Client, vends: Vends
) -> None:
    async def script(visit: Visit) -> None:
        if visit.requests == 2:
            raise Leave
        await visit.say(OK)

    vendor: RawVendor = await vends(script)
    assert not (await client.send(Request(vendor.url))).resent
    if make == "aiohttp":
        with pytest.raises(Fault, match="closed"):
            await client.send(Request(vendor.url))
        return
    assert (await client.send(Request(vendor.url, body=b"{}"))).resent
    assert (vendor.visits, len(vendor.requests)) == (2, 3)
    assert vendor.requests[1] == vendor.requests[2]


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
async def test_on_a_fresh_connection_nothing_is_sent_again(
    method: str, make: str, client: Client, vends: Vends
) -> None:
    vendor: RawVendor = await vends(says(leave=True))
    with pytest.raises(Fault) as caught:
        await client.send(Request(vendor.url, method=method))
    assert (caught.value.reason, caught.value.sent, caught.value.resent) == ("closed", True, False)
    assert len(vendor.requests) == 1 or (make == "aiohttp" and method != "POST")


async def test_it_is_sent_again_once_only(make: str, client: Client, vends: Vends) -> None:
    if make == "aiohttp":
        pytest.skip("it does not send a POST again at all")

    async def script(visit: Visit) -> None:
        if len(vendor.requests) > 1:
            raise Leave
        await visit.say(OK)

    vendor: RawVendor = await vends(script)
    await client.send(Request(vendor.url))
    with pytest.raises(Fault) as caught:
        await client.send(Request(vendor.url))
    assert (caught.value.reason, caught.value.resent, len(vendor.requests)) == ("closed", True, 3)


async def test_after_one_byte_of_answer_nothing_is_sent_again(make: str, client: Client, vends: Vends) -> None:
    async def script(visit: Visit) -> None:
        if visit.requests == 1:
            await visit.say(OK)
        else:
            await visit.say(b"H")
            raise Leave

    vendor: RawVendor = await vends(script)
    await client.send(Request(vendor.url))
    with pytest.raises(Fault):
        await client.send(Request(vendor.url))
    assert len(vendor.requests) == 2


# ------------------------------------------------------------ cancelled and late


async def test_cancelling_cuts_every_connection(client: Client, vends: Vends) -> None:
    vendor: RawVendor = await vends(hangs)
    tasks = [asyncio.ensure_future(client.send(Request(vendor.url))) for _ in range(50)]
    await vendor.becomes(lambda: vendor.open == 50)
    for task in tasks:
        task.cancel()
    assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*tasks, return_exceptions=True))
    assert client.in_flight == 0
    await vendor.becomes(lambda: vendor.open == 0)


async def test_a_cancelled_exchange_is_cut_and_its_callback_is_not_called(client: Client, vends: Vends) -> None:
    vendor: RawVendor = await vends(hangs)
    told: list[Result] = []
    exchange = client.start(Request(vendor.url), told.append)
    await vendor.becomes(lambda: len(vendor.requests) == 1)
    exchange.cancel()
    exchange.cancel()
    await vendor.becomes(lambda: vendor.open == 0)
    assert (told, client.in_flight) == ([], 0)


async def test_a_request_that_is_cancelled_at_once_is_not_sent(client: Client, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK))
    for _ in range(100):
        client.start(Request(f"{vendor.url}/cancelled"), lambda result: None).cancel()
    client.start(Request("nonsense"), lambda result: pytest.fail("cancelled")).cancel()
    await client.send(Request(f"{vendor.url}/sent"))
    assert [request.split(b" ")[1] for request in vendor.requests] == [b"/sent"]


async def test_cancelling_late_does_not_cut_the_request_that_has_the_connection_now(
    client: Client, vends: Vends
) -> None:
    vendor: RawVendor = await vends(says(OK))
    for _ in range(20):
        told: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        first = client.start(Request(vendor.url), told.set_result)
        await told
        second = asyncio.ensure_future(client.send(Request(vendor.url)))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second).status == 200
    assert vendor.visits == 1


async def test_what_hangs_is_cut_at_the_time_out(opens: Opens, vends: Vends) -> None:
    vendor: RawVendor = await vends(hangs)
    client = opens(0.2)
    results = await asyncio.gather(*(client.send(Request(vendor.url)) for _ in range(50)), return_exceptions=True)
    assert [r.reason for r in results if isinstance(r, Fault)] == ["timeout"] * 50
    await vendor.becomes(lambda: vendor.open == 0)


async def test_close_ends_what_is_in_flight_and_everything_idle(client: Client, vends: Vends) -> None:
    vendor: RawVendor = await vends(says(OK))
    slow: RawVendor = await vends(hangs)
    await client.send(Request(vendor.url))
    waiting = [asyncio.ensure_future(client.send(Request(slow.url))) for _ in range(3)]
    await slow.becomes(lambda: slow.open == 3)
    await client.close()
    faults = await asyncio.gather(*waiting, return_exceptions=True)
    assert [fault.reason for fault in faults if isinstance(fault, Fault)] == ["closed"] * 3
    await slow.becomes(lambda: slow.open == 0)
    await vendor.becomes(lambda: vendor.open == 0)
    with pytest.raises(Fault, match="closed"):
        await client.send(Request(vendor.url))


async def test_no_descriptor_is_left_after_time_outs_and_cancels_in_every_stage(opens: Opens, vends: Vends) -> None:
    async def script(visit: Visit) -> None:
        if visit.requests % 2:
            await visit.say(OK[:-1] if len(vendor.requests) % 3 else OK)
        else:
            await visit.until_left()

    vendor: RawVendor = await vends(script)
    client = opens(0.1)
    await asyncio.gather(client.send(Request("http://127.0.0.1:1")), return_exceptions=True)
    before = len(os.listdir("/proc/self/fd"))
    for turns in range(20):
        tasks = [asyncio.ensure_future(client.send(Request(vendor.url))) for _ in range(10)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in tasks[turns % 3 :: 3]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
    await vendor.becomes(lambda: vendor.open == 0)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= before + 2
