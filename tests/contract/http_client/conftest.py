"""Every test here runs with both makes of the client: httptools on uvloop, as in the daemon, and aiohttp on asyncio's own loop. With
`-m slow` each of them runs on the other loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from router.deliver.send.client_aiohttp import AiohttpClient
from router.deliver.send.client_httptools import HttptoolsClient
from router.deliver.send.http_client import Client
from tests.contract.http_client.raw_vendor import RawVendor, Script

MAKES: dict[str, Any] = {"httptools": HttptoolsClient, "aiohttp": AiohttpClient}
LOOP = "_asyncio_loop_factory"
"""The parameter by which pytest-asyncio gives a test its loop."""
Opens = Callable[..., Client]
Vends = Callable[..., Any]


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that the daemon may run on."""
    try:
        import uvloop
    except ImportError:
        return {"asyncio": asyncio.new_event_loop}
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        params: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
        if {"make", LOOP} <= params.keys() and (params["make"] == "aiohttp") != (
            params[LOOP] is asyncio.new_event_loop
        ):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(params=list(MAKES))
def make(request: pytest.FixtureRequest) -> str:
    """Which make of the client the test is about."""
    return str(request.param)


@pytest.fixture
async def opens(make: str) -> AsyncIterator[Opens]:
    """Opens clients of this make, which are closed at the end."""
    async with AsyncExitStack() as stack:

        def open_one(timeout_s: float = 5.0, **more: Any) -> Client:
            client: Client = MAKES[make](timeout_s, **more)
            stack.push_async_callback(client.close)
            return client

        yield open_one


@pytest.fixture
async def client(opens: Opens) -> Client:
    """A client with time enough."""
    return opens()


@pytest.fixture
async def vends() -> AsyncIterator[Vends]:
    """Opens vendors with a script, which are closed at the end."""
    async with AsyncExitStack() as stack:

        async def open_one(script: Script, **more: Any) -> RawVendor:
            return await stack.enter_async_context(RawVendor(script, **more))

        yield open_one
