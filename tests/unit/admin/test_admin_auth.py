"""Who may talk to the admin API: the Host, the token, the Content-Type; and every refusal is JSON."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from router.admin.auth import guard
from router.admin.json_io import errors_as_json, refusal, reply
from router.logger import make_log
from router.testing.clock import FakeClock

TOKEN = "t0ken"
Make = Callable[..., Awaitable[TestClient[Any, Any]]]


@pytest.fixture
async def client(stream: io.StringIO) -> AsyncIterator[Make]:
    clients: list[TestClient[Any, Any]] = []

    async def make(token: str | None = None, listen_host: str = "127.0.0.1") -> TestClient[Any, Any]:
        log = make_log("error", "json", clock=FakeClock(), stream=stream, environ={})
        app = web.Application(middlewares=[errors_as_json(log), guard(token, listen_host)])

        async def answer(request: web.Request) -> web.Response:
            return reply({"path": request.path})

        async def fault(request: web.Request) -> web.Response:
            raise RuntimeError("spilled the beans")

        async def missing(request: web.Request) -> web.Response:
            raise web.HTTPNotFound(text="no destination 'x'")

        for path in ("/healthz", "/readyz", "/api/ledger"):
            app.router.add_get(path, answer)
        app.router.add_post("/api/reload", answer)
        app.router.add_get("/api/fault", fault)
        app.router.add_get("/api/missing", missing)
        made: TestClient[Any, Any] = TestClient(TestServer(app))
        await made.start_server()
        clients.append(made)
        return made

    yield make
    for one in clients:
        await one.close()


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


async def get(client: TestClient[Any, Any], path: str = "/api/ledger", **headers: str) -> tuple[int, dict[str, Any]]:
    """(status, JSON body)"""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(path, headers=named) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


# ------------------------------------------------------------ Host


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8081", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8081", 200),
        ("10.1.2.3", 200),
        ("[::1]:8081", 200),
        ("[::1]", 200),
        ("admin.internal:8081", 200),
        ("evil.example.com", 403),
        ("evil.example.com:8081", 403),
        ("localhost.evil.example.com", 403),
        ("127.0.0.1.evil.example.com", 403),
        ("127.0.0.1:99999", 403),
        ("127.0.0.1:x", 403),
    ],
)
async def test_without_a_token_only_addresses_and_our_own_name_are_answered(
    client: Make, host: str, status: int
) -> None:
    made = await client(listen_host="admin.internal")
    answer = await get(made, Host=host)
    assert answer[0] == status
    if status == 403:
        assert answer[1]["code"] == "wrong_host"


async def test_with_a_token_any_name_is_answered(client: Make) -> None:
    made = await client(TOKEN)
    assert (await get(made, Host="router.example.com", Authorization=f"Bearer {TOKEN}"))[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_rebound_page_cannot_read_the_health_either(client: Make, path: str) -> None:
    assert (await get(await client(), path, Host="evil.example.com"))[0] == 403


# ------------------------------------------------------------ token


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer wrong", "Bearer", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", f"Bearer  {TOKEN}", "Bearer tökén"],
)
async def test_a_wrong_or_missing_token_is_401(client: Make, authorization: str) -> None:
    status, body = await get(await client(TOKEN), Authorization=authorization)
    assert (status, body["code"]) == (401, "unauthorized")


async def test_the_right_token_is_let_in(client: Make) -> None:
    assert (await get(await client(TOKEN), Authorization=f"Bearer {TOKEN}"))[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_needs_no_token(client: Make, path: str) -> None:
    assert (await get(await client(TOKEN), path))[0] == 200


async def test_an_unknown_path_tells_nothing_without_the_token(client: Make) -> None:
    assert (await get(await client(TOKEN), "/api/nowhere"))[0] == 401


async def test_bytes_that_are_no_text_in_a_header_are_a_clients_fault(client: Make, stream: io.StringIO) -> None:
    made = await client(TOKEN)
    reader, writer = await asyncio.open_connection(made.host, made.port)
    writer.write(
        b"GET /api/ledger HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n"
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.split(b" ")[1] in (b"400", b"401")
    assert b"application/json" in answer
    assert stream.getvalue() == ""


# ------------------------------------------------------------ Content-Type and errors


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/vnd.segment.v1+json", 200),
        ("application/vnd.segment.v1beta+json", 200),
        ("text/json+plain", 415),
        ("application/x-json", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
async def test_a_post_says_that_it_is_json(client: Make, content_type: str, status: int) -> None:
    made = await client()
    async with made.post("/api/reload", data=b"{}", headers={"Content-Type": content_type}) as response:
        assert response.status == status
        assert response.content_type == "application/json"


async def test_an_unknown_path_is_404_in_json(client: Make) -> None:
    status, body = await get(await client(), "/nowhere")
    assert (status, body["code"]) == (404, "not_found")


async def test_a_handlers_own_words_are_told(client: Make) -> None:
    assert await get(await client(), "/api/missing") == (404, {"error": "no destination 'x'", "code": "not_found"})


async def test_a_wrong_method_is_405_and_names_the_right_ones(client: Make) -> None:
    made = await client()
    async with made.delete("/api/ledger") as response:
        assert response.status == 405
        assert "GET" in response.headers["Allow"]
        assert (await response.json())["code"] == "method_not_allowed"


async def test_a_fault_of_ours_is_500_without_details_and_the_log_has_the_traceback(
    client: Make, stream: io.StringIO
) -> None:
    status, body = await get(await client(), "/api/fault")
    assert (status, body["code"]) == (500, "internal_error")
    assert "beans" not in json.dumps(body)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["path"]) == ("internal_error", "/api/fault")
    assert "spilled the beans" in line["detail"]


def test_a_refusal_has_words_and_a_code() -> None:
    answer = refusal(409, "restart_required", "words")
    assert isinstance(answer.body, bytes)
    assert (answer.status, json.loads(answer.body)) == (409, {"error": "words", "code": "restart_required"})
