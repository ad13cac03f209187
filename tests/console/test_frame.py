"""What all pages have in common: login, headers, forms that only our own pages can send, and staying fresh."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination
from tests.patience import HANG_S

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
TOKEN = "a-token-of-twenty-four-bytes"


def with_token(folder: Path) -> Daemon:
    return Daemon(folder, [HOOK], admin={"token": TOKEN})


async def test_the_first_page_shows_what_was_accepted_and_where_it_went(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        page = await visitor.open("/")
        assert page.status == 200
        assert "1 event accepted" in page.text
        assert "hook ● running (dry run) 1 1 0 0 0 0 0 0" in page.text


async def test_every_page_forbids_scripts_of_others_frames_and_caches(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        for path in ("/", "/login", "/destinations/nobody"):
            headers = (await visitor.open(path)).headers
            assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cache-Control"] == "no-store"


async def test_with_a_token_every_page_asks_for_it_and_leads_back_after_the_login(tmp_path: Path) -> None:
    async with with_token(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        login = await visitor.open("/?period=1h")
        assert "/login?next=" in login.url
        assert "accepted" not in login.text
        wrong = await visitor.send(login, "Log in", token="wrong")
        assert (wrong.status, "That is not the admin token." in wrong.text) == (401, True)
        page = await visitor.send(wrong, "Log in", token=TOKEN)
        assert (page.status, page.url) == (200, f"{daemon.admin_url}/?period=1h")
        assert "accepted" in page.text
        assert not [address for address in page.links.values() if "/api/" in address], (
            "the API takes the token, not the session"
        )
        out = await visitor.send(page, "Log out")
        assert out.url.endswith("/login")
        assert "/login?next=" in (await visitor.open("/")).url


@pytest.mark.parametrize(
    "elsewhere", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
async def test_a_login_never_leads_to_another_site(tmp_path: Path, elsewhere: str) -> None:
    async with with_token(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        fields, headers = {"token": TOKEN}, {"Origin": daemon.admin_url}
        answer = await visitor.post(f"/login?next={elsewhere}", fields, headers)
        assert (answer.status, answer.headers["Location"]) == (303, "/")


async def test_a_login_begins_a_new_session(tmp_path: Path) -> None:
    """Nobody can give somebody else a session and wait until it is logged in."""
    async with with_token(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        first = await visitor.open("/")
        given = visitor.cookies()
        await visitor.send(first, "Log in", token=TOKEN)
        assert visitor.cookies() != given
        assert all("HttpOnly" in cookie and "SameSite=Strict" in cookie for cookie in visitor.set_cookies)


async def test_ten_wrong_tokens_lock_the_login_for_a_minute(tmp_path: Path) -> None:
    async with with_token(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        for n in range(10):
            await visitor.post("/login", {"token": f"wrong {n}"}, {})
        locked = await visitor.post("/login", {"token": TOKEN}, {})
        assert (locked.status, "try again in a minute" in locked.text) == (401, True)
        assert await daemon.terminate() == 0
        refused = daemon.log("login_refused")
        assert [line["remote"] for line in refused] == ["127.0.0.1"] * 10, "none for the one while it was locked"
        assert "wrong" not in str(refused)


async def test_who_logs_in_is_in_the_log_without_the_token_and_the_session(tmp_path: Path) -> None:
    async with with_token(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        await visitor.send(await visitor.open("/"), "Log in", token=TOKEN)
        [line] = await daemon.logged("logged_in")
        assert (line["remote"], len(line["session"])) == ("127.0.0.1", 12)
        assert not [secret for secret in (TOKEN, *visitor.cookies().values()) if secret in str(line)]


async def test_a_stream_without_a_session_is_refused_and_not_sent_to_the_login(tmp_path: Path) -> None:
    """A script follows to the login page and would take it for a stream that is well."""
    async with with_token(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/?stream=1")
        assert (page.status, page.text) == (401, "")


async def test_a_form_that_another_site_sends_is_refused(tmp_path: Path) -> None:
    async with with_token(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.send(await visitor.open("/"), "Log in", token=TOKEN)
        fields = page.form("Log out").fields
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            assert (await visitor.post("/logout", fields, headers)).status == 403
        assert (await visitor.post("/logout", {}, {})).status == 403, "without the token of the form"
        assert "accepted" in (await visitor.open("/")).text, "still logged in"


async def test_without_the_console_the_listener_has_no_pages_and_the_api_stays(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK], console={"enabled": False}) as daemon, Visitor(daemon.admin_url) as visitor:
        assert (await visitor.open("/login")).status == 404
        assert (await daemon.ledger())["accepted"] == 0


async def test_a_stream_sends_the_page_anew_when_it_changes_and_ends_with_the_daemon(tmp_path: Path) -> None:
    async with (
        Daemon(tmp_path, [HOOK]) as daemon,
        aiohttp.ClientSession() as http,
        asyncio.timeout(HANG_S),
        http.get(f"{daemon.admin_url}/?stream=1") as stream,
    ):
        assert stream.content_type == "text/event-stream"
        seen = b""
        while b"0 events accepted" not in seen:
            seen += await stream.content.readany()
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        while b"1 event accepted" not in seen:
            seen += await stream.content.readany()
        assert b"@form-token" not in seen
        assert await daemon.terminate() == 0
        await daemon.restart()


async def test_a_tab_that_is_closed_leaves_no_fault_behind(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        for _ in range(5):
            async with aiohttp.ClientSession() as http, http.get(f"{daemon.admin_url}/?stream=1") as stream:
                await stream.content.readany()
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.settled()
        daemon.assert_no_fault()


async def test_a_page_that_is_refused_leads_to_the_one_above_it_and_not_to_itself(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        for path, above in (
            ("/destinations/hook/release", "/destinations/hook"),
            ("/destinations/hook/edit", "/destinations/hook"),
            ("/destinations/new", "/"),
        ):
            page = await visitor.open(path)
            assert page.status in (403, 409)
            assert page.links["Back"] == daemon.admin_url + above


async def test_a_page_that_is_left_open_shows_nothing_more_after_the_logout(tmp_path: Path) -> None:
    async with with_token(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor, asyncio.timeout(HANG_S):
        page = await visitor.send(await visitor.open("/"), "Log in", token=TOKEN)
        cookies = visitor.cookies()
        async with (
            aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
            http.get(f"{daemon.admin_url}/?stream=1") as stream,
        ):
            seen = b""
            while b"0 events accepted" not in seen:
                seen += await stream.content.readany()
            await visitor.send(page, "Log out")
            await daemon.post("track", userId="u1", event="E", messageId="m1")
            while more := await stream.content.readany():
                seen += more
            assert b"1 event accepted" not in seen
