"""What other sites and senders may try against the pages: each form, each page and each field that a sender fills is tried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from router.console.app import FORMS, PAGES
from router.console.guard import HEADERS
from router.testing.vendor import FakeVendor, Reply
from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "a-token-of-twenty-four-bytes"
NOBODY = {"base_url": "http://127.0.0.1:9"}
ATTACK = "\"'><script>alert(1)</script><img src=x onerror=alert(1)><a href=javascript:alert(1)>"
SHORT = "\"'><img src=x onerror=alert(1)>"
"""Where a field takes no more than 100 characters or so."""


def filled(path: str) -> str:
    """The path of a route, with names that exist where a name is asked for."""
    known = {"name": "website" if path.startswith("/sources") else "hook", "message_id": "m1", "user": "user:u1"}
    return path.replace("{path:(?!api/|metrics|static/).*}", "nothing").format(**known, group="acme", id="unknown")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def daemon(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """One with a little in it, that anybody on this machine may look at and change."""
    hook = destination("hook", "collector", NOBODY, mode="dry-run")
    async with Daemon(tmp_path_factory.mktemp("attacked"), [hook], console={"edit": True}) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
        await daemon.settled()
        yield daemon


async def answered(daemon: Daemon, path: str, cookie: bytes) -> bytes:
    """The answer to a browser with this cookie, which no client of ours would send."""
    to = urlsplit(daemon.admin_url)
    reader, writer = await asyncio.open_connection(to.hostname, to.port)
    name = f"segment_router_{to.port}".encode()
    head = f"GET {path} HTTP/1.1\r\nHost: {to.netloc}\r\nConnection: close\r\nCookie: ".encode()
    writer.write(head + name + b"=" + cookie + b"\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("cookie", [b"\xff\xfe", b"a\x80b", "ü".encode()])
@pytest.mark.parametrize("path", ["/", "/login", "/settings", "/sources/website"])
async def test_a_cookie_that_is_no_text_is_no_session_and_a_new_one_is_set(
    daemon: Daemon, path: str, cookie: bytes
) -> None:
    head = (await answered(daemon, path, cookie)).partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 303" if path == "/login" else b"HTTP/1.1 200")
    assert (b"Set-Cookie: segment_router_" in head) == (path != "/login")


async def test_at_the_login_a_cookie_that_is_no_text_is_no_session(tmp_path: Path) -> None:
    async with Daemon(
        tmp_path, [destination("hook", "collector", NOBODY, mode="dry-run")], admin={"token": TOKEN}
    ) as daemon:
        for path, status in (("/", b"303"), ("/login", b"200")):
            assert (await answered(daemon, path, b"\xff")).startswith(b"HTTP/1.1 " + status)
        assert b"Set-Cookie: segment_router_" in await answered(daemon, "/login", b"\xff")


OTHER_SITES: tuple[dict[str, str], ...] = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},  # another port of the same host
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
)


@pytest.mark.parametrize("path", [path for name, path, _ in FORMS if name != "login"])
async def test_no_form_is_taken_from_another_site_or_without_its_token(daemon: Daemon, path: str) -> None:
    async with Visitor(daemon.admin_url) as visitor, Visitor(daemon.admin_url) as stranger:
        good = (await visitor.open("/destinations/hook")).form("Pause").fields["form_token"]
        other = (await stranger.open("/destinations/hook")).form("Pause").fields["form_token"]
        ours = {"Origin": daemon.admin_url, "Sec-Fetch-Site": "same-origin"}
        for theirs in OTHER_SITES:
            assert (await visitor.post(filled(path), {"form_token": good}, {**ours, **theirs})).status == 403, theirs
        for token in ("", "0" * 64, other, "ä"):
            assert (await visitor.post(filled(path), {"form_token": token}, ours)).status == 403, token
        assert (await daemon.get("/api/destinations/hook"))["state"] == "running"


@pytest.mark.parametrize("path", [path for _, path, _ in FORMS])
async def test_nothing_changes_by_a_link_or_a_form_of_another_kind(daemon: Daemon, path: str) -> None:
    """What another site can make a browser do without being asked first: follow a link, and send text/plain or multipart."""
    async with Visitor(daemon.admin_url) as visitor, aiohttp.ClientSession() as http:
        before = len(daemon.log("operator_acted"))
        token = (await visitor.open("/destinations/hook")).form("Pause").fields["form_token"]
        await visitor.open(f"{filled(path)}?form_token={token}&reason=x&yes=1&user=user:u1&name=hook")
        cookies = visitor.cookies()
        for kind in ("text/plain", "multipart/form-data; boundary=b", "application/json"):
            headers = {"Content-Type": kind, "Origin": daemon.admin_url, "Sec-Fetch-Site": "same-origin"}
            body = f"form_token={token}&reason=x"
            async with http.post(
                daemon.admin_url + filled(path), data=body, headers=headers, cookies=cookies
            ) as answer:
                assert answer.status in (403, 415) or "login" in path, kind
        assert (await daemon.get("/api/destinations/hook"))["state"] == "running"
        assert len(daemon.log("operator_acted")) == before


async def test_no_other_site_can_log_somebody_in(tmp_path: Path) -> None:
    """The login has no form token, for nobody has a session before it, and its field is the secret itself."""
    hook = destination("hook", "collector", NOBODY)
    async with Daemon(tmp_path, [hook], admin={"token": TOKEN}) as daemon, Visitor(daemon.admin_url) as visitor:
        for theirs in OTHER_SITES:
            answer = await visitor.post("/login", {"token": TOKEN}, {"Origin": daemon.admin_url, **theirs})
            assert answer.status == 403, theirs
            assert "/login?next=" in (await visitor.open("/")).url, "still nobody"


@pytest.mark.parametrize("path", [path for _, path, _ in PAGES])
async def test_every_page_forbids_frames_and_scripts_of_others(daemon: Daemon, path: str) -> None:
    async with Visitor(daemon.admin_url) as visitor:
        page = await visitor.open(filled(path))
        assert page.status < 500
        assert HEADERS.items() <= page.headers.items()


@pytest.mark.parametrize("path", [path for _, path, _ in PAGES])
async def test_no_page_is_shown_under_the_name_of_another_host(daemon: Daemon, path: str) -> None:
    """A name of somebody else's that leads to this address: DNS rebinding."""
    async with aiohttp.ClientSession() as http:
        for host in ("evil.example", f"evil.example:{daemon.admin_port}", "localhost.evil.example", ""):
            async with http.get(daemon.admin_url + filled(path), headers={"Host": host}) as answer:
                assert answer.status in (400, 403, 421), host
                assert "segment-router" not in await answer.text(), host


@pytest.mark.parametrize("path", [path for _, path, _ in FORMS])
async def test_no_form_is_taken_under_the_name_of_another_host(daemon: Daemon, path: str) -> None:
    """Nor with the token of a form: the page of another name may have read it before the name led here."""
    async with Visitor(daemon.admin_url) as visitor, aiohttp.ClientSession() as http:
        token = (await visitor.open("/destinations/hook")).form("Pause").fields["form_token"]
        for host in ("evil.example", f"evil.example:{daemon.admin_port}"):
            headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
            address, cookies = daemon.admin_url + filled(path), visitor.cookies()
            async with http.post(address, data={"form_token": token}, headers=headers, cookies=cookies) as answer:
                assert answer.status in (400, 403, 421), host
        for address in ("/?stream=1", "/series.json", "/api/ledger", "/metrics"):
            async with http.get(daemon.admin_url + address, headers={"Host": "evil.example"}) as answer:
                assert answer.status in (400, 403, 421), address


async def test_a_session_that_was_logged_out_is_of_no_use_to_whoever_copied_it(tmp_path: Path) -> None:
    hook = destination("hook", "collector", NOBODY)
    async with (
        Daemon(tmp_path, [hook], admin={"token": TOKEN}) as daemon,
        Visitor(daemon.admin_url) as victim,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as attacker,
    ):
        page = await victim.send(await victim.open("/"), "Log in", token=TOKEN)
        copied = victim.cookies()
        async with attacker.get(daemon.admin_url, cookies=copied, allow_redirects=False) as answer:
            assert answer.status == 200, "while it lasts it is whoever has it"
        await victim.send(page, "Log out")
        for path, status in (("/", 303), ("/?stream=1", 401), ("/series.json", 303)):
            async with attacker.get(daemon.admin_url + path, cookies=copied, allow_redirects=False) as answer:
                assert answer.status == status, path


async def test_a_session_that_somebody_else_made_up_is_never_logged_in(tmp_path: Path) -> None:
    """Session fixation: the id that a browser brings along does not become the one that is logged in."""
    async with (
        Daemon(tmp_path, [destination("hook", "collector", NOBODY)], admin={"token": TOKEN}) as daemon,
        Visitor(daemon.admin_url) as victim,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as attacker,
    ):
        planted = {f"segment_router_{daemon.admin_port}": "planted"}
        victim._http.cookie_jar.update_cookies(planted, URL(daemon.admin_url))
        page = await victim.send(await victim.open("/"), "Log in", token=TOKEN)
        assert "accepted" in page.text
        assert planted.items().isdisjoint(victim.cookies().items())
        async with attacker.get(daemon.admin_url, cookies=planted, allow_redirects=False) as answer:
            assert answer.headers["Location"].startswith("/login")


async def test_a_cookie_of_any_bytes_is_no_fault(daemon: Daemon) -> None:
    async with aiohttp.ClientSession() as http:
        for value in ("\udcff\udcfe", "ä", "x" * 4_000):
            headers = {"Cookie": f"segment_router_{daemon.admin_port}={value}"}
            async with http.get(daemon.admin_url, headers=headers) as answer:
                assert answer.status == 200
            async with http.post(
                f"{daemon.admin_url}/destinations/hook/pause", data={"form_token": "x"}, headers=headers
            ) as answer:
                assert answer.status == 403


ELSEWHERE = [
    "//evil.example", "///evil.example", "/\\evil.example", "https:evil.example", "https://evil.example", "\\\\evil.example",
    "/\t/evil.example", "/\n/evil.example", " //evil.example", "javascript:alert(1)", "/\r\nSet-Cookie: a=b", "data:text/html,x",
]  # fmt: skip


async def test_a_login_leads_to_no_other_site(tmp_path: Path) -> None:
    hook = destination("hook", "collector", NOBODY)
    async with Daemon(tmp_path, [hook], admin={"token": TOKEN}) as daemon, Visitor(daemon.admin_url) as visitor:
        for elsewhere in ELSEWHERE:
            path = f"/login?next={quote(elsewhere, safe='')}"
            answer = await visitor.post(path, {"token": TOKEN}, {"Origin": daemon.admin_url})
            assert (answer.status, answer.headers["Location"]) == (303, "/"), elsewhere
            assert "a=b" not in str(answer.headers)


@pytest.mark.parametrize("path", [path for name, path, _ in FORMS if name not in ("login", "logout")])
async def test_a_form_leads_to_no_other_site(daemon: Daemon, path: str) -> None:
    """Whatever the names in its address are."""
    async with Visitor(daemon.admin_url) as visitor:
        token = (await visitor.open("/destinations/hook")).form("Pause").fields["form_token"]
        odd = quote("//evil.example", safe="")
        for name in (odd, quote("\\\\evil.example", safe=""), f"%0d%0aLocation:{odd}"):
            address = path.format(name=name, user=name, group=name, message_id=name, id=name)
            answer = await visitor.post(
                address, {"form_token": token, "user": "//evil.example"}, {"Origin": daemon.admin_url}
            )
            where = answer.headers.get("Location", "/")
            assert answer.status < 500, address
            assert urlsplit(where)[:2] == ("", ""), where
            assert not where.startswith(("//", "/\\")), where


@pytest.mark.parametrize("id", ["//evil.example", "/\\evil.example", "https://evil.example", "\\\\evil.example"])
async def test_the_search_box_leads_to_no_other_site(daemon: Daemon, id: str) -> None:
    await daemon.post("track", userId=id, event="E", messageId=id)
    await daemon.settled()
    async with aiohttp.ClientSession() as http:
        for word in (id, f"user:{id}", f" {id}"):
            url = URL(f"{daemon.admin_url}/find?q={quote(word, safe='')}", encoded=True)
            async with http.get(url, allow_redirects=False) as answer:
                where = answer.headers.get("Location", "/")
                assert urlsplit(where)[:2] == ("", ""), where
                assert not where.startswith(("//", "/\\"))


class Elements(HTMLParser):
    """What on a page could run a script, or load something."""

    def __init__(self) -> None:
        super().__init__()
        self.dangerous: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        addresses = [given[key].strip().lower() for key in ("href", "src", "action", "formaction") if key in given]
        if (
            tag in ("img", "iframe", "object", "embed", "base", "style")
            or (tag == "script" and not given.get("src", "").startswith("/static/"))
            or any(key.startswith("on") or key == "style" for key in given)
            or any(address.startswith(("javascript:", "data:", "//", "http")) for address in addresses)
        ):
            self.dangerous.append((tag, attrs))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hostile(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """One to which an attack was sent in every field, by senders and by a vendor."""
    async with (
        FakeVendor(Reply(422, body=ATTACK.encode())) as vendor,
        FakeVendor(Reply(401, body=ATTACK.encode())) as locked,
    ):
        tables = [
            destination("hook", "collector", {"base_url": vendor.url}),
            destination("locked", "collector", {"base_url": locked.url}),
            destination("gated", "collector", {**NOBODY, "gated": True}, mode="dry-run"),
            destination("dry", "collector", NOBODY, mode="dry-run"),
        ]
        async with Daemon(
            tmp_path_factory.mktemp("hostile"), tables, console={"search_traits": True, "mask": "none"}
        ) as daemon:
            both = {"userId": ATTACK, "anonymousId": ATTACK}
            context = {
                "library": {"name": ATTACK, "version": ATTACK}, "page": {"url": f"javascript:{ATTACK}", "title": ATTACK}, ATTACK: ATTACK,
                "userAgent": ATTACK, "locale": ATTACK, "campaign": {"name": ATTACK}, "groupId": ATTACK,
            }  # fmt: skip
            anything = {ATTACK: ATTACK, "url": "javascript:alert(1)", "deep": [{ATTACK: [ATTACK]}]}
            await daemon.post(
                "identify",
                **both,
                traits={"email": ATTACK, "name": ATTACK, **anything},
                context=context,
                messageId="m0",
            )
            await daemon.post("track", **both, event=ATTACK, properties=anything, context=context, messageId=SHORT)
            await daemon.post("track", userId="held", event=ATTACK, properties=anything, messageId="m2")
            await daemon.post(
                "page", **both, name=ATTACK, category=ATTACK, properties=anything, context=context, messageId="m3"
            )
            await daemon.post("screen", **both, name=ATTACK, properties=anything, context=context, messageId="m4")
            await daemon.post(
                "group", **both, groupId=ATTACK, traits={"name": ATTACK, **anything}, context=context, messageId="m5"
            )
            await daemon.post("alias", userId=ATTACK, previousId=SHORT, context=context, messageId="m6")
            await daemon.post("track", userId=ATTACK, context=context, messageId=f"no{SHORT}")
            await daemon.post("identify", userId=ATTACK, traits=ATTACK, integrations={ATTACK: ATTACK}, messageId="m7")
            await daemon.settled("hook", "dry", "gated")
            await daemon.admin("POST", "/api/destinations/gated/pause", {"reason": ATTACK})
            await daemon.admin("POST", "/api/destinations/locked/test")
            await eventually(lambda: _is_paused(daemon))
            yield daemon


async def _is_paused(daemon: Daemon) -> bool:
    return bool((await daemon.get("/api/destinations/locked"))["state"] == "paused")


PERSON, GROUP, EVENT = quote(f"user:{ATTACK}", safe=""), quote(ATTACK, safe=""), quote(SHORT, safe="")
WHERE = [
    "/", "/events", "/events?show=discards", f"/events?name={GROUP}&user={GROUP}&state={GROUP}", f"/events?since={GROUP}",
    f"/find?q={GROUP}", f"/find?q={GROUP}x", f"/users/{PERSON}", f"/users/{PERSON}x", f"/users/{PERSON}/forget", f"/groups/{GROUP}", f"/groups/{GROUP}/forget",
    f"/groups/{GROUP}x", f"/events/{EVENT}x",
    *(f"/events/{EVENT}?view={view}&raw={raw}" for view in ("received", "stored", "plugin", "request", "answer") for raw in (0, 1)),
    *(f"/events/m{n}" for n in range(8)), "/events/m0?view=plugin", "/events/m5?view=request", f"/events/no{EVENT}",
    *(f"/destinations/{name}" for name in ("hook", "locked", "gated", "dry", EVENT)),
    "/destinations/gated/held", f"/destinations/gated/held?user={PERSON}", "/destinations/gated/release?user=user:held",
    f"/destinations/gated/release?user=user:held&group={GROUP}&group_name={GROUP}", f"/destinations/gated/release?user={PERSON}",
    "/destinations/hook/dead", f"/destinations/hook/dead?reason={GROUP}", f"/destinations/hook/dead?since={GROUP}",
    "/destinations/hook/errors", f"/destinations/hook/replay?what=dead&reason={GROUP}", f"/destinations/hook?done={GROUP}&period={GROUP}",
    "/replays", "/sources/website", f"/sources/{GROUP}", "/settings", f"/try?message={EVENT}&destination={GROUP}", f"/{GROUP}",
    f"/login?next={GROUP}",
]  # fmt: skip


@pytest.mark.parametrize("path", WHERE)
async def test_what_senders_and_vendors_write_is_never_markup(hostile: Daemon, path: str) -> None:
    async with Visitor(hostile.admin_url) as visitor:
        page = await visitor.open(path)
    assert page.status < 500
    found = Elements()
    found.feed(page.html)
    assert found.dangerous == []


async def test_the_attack_is_there_as_text(hostile: Daemon) -> None:
    """So the pages above really had it in them."""
    async with Visitor(hostile.admin_url) as visitor:
        for path in (
            "/events",
            f"/users/{PERSON}",
            f"/groups/{GROUP}",
            f"/events/{EVENT}",
            "/destinations/gated",
            "/destinations/hook/dead",
        ):
            assert "<script>alert(1)</script>" in (await visitor.open(path)).text, path
