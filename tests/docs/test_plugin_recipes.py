"""docs/plugin-recipes.md: each of its plugins is taken from the page and run against a server that behaves as the page says."""

from __future__ import annotations

import email
import re
import sqlite3
import xmlrpc.client
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qsl

import pytest

from router.plugin import JSON, Item, Outcome, RetryLater
from router.testing import Bench, FakeVendor, Garbage, Received, Reply, Reset, Scene, open_sender
from router.testing.checking.check import Tier
from router.testing.checking.report import Runner, words_of
from router.testing.checking.subject import Subject
from router.testing.checks import CHECKS
from tests.docs.modules import load_module
from tests.docs.pages import ROOT, blocks
from tests.sampled import every

pytestmark = pytest.mark.usefixtures("prepared_apart")
PAGE = ROOT / "docs/plugin-recipes.md"
FILES = {block.text.split()[1]: block.text for block in blocks(PAGE, "python")}
RECIPES = {name: text for name, text in FILES.items() if not name.startswith("test_")}

Load = Callable[[str], type[Any]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The plugin in a file of the page."""

    def load(name: str) -> type[Any]:
        path = tmp_path / name
        path.write_text(FILES[name], encoding="utf-8")
        classes = [value for value in vars(load_module(path)).values() if isinstance(value, type)]
        (plugin,) = [found for found in classes if "settings_model" in vars(found)]
        return plugin

    return load


def test_each_recipe_is_one_file_that_is_read_at_a_glance_and_is_in_the_list() -> None:
    text = PAGE.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert len(headings) == len(RECIPES) == 9
    assert re.findall(r"^\| \[(.+?)\]\(#", text, re.MULTILINE) == headings
    for name, recipe in RECIPES.items():
        _, _, code = recipe.rpartition("\n\n\nclass ")
        assert len(code.splitlines()) <= 50, name


# ---------------------------------------------------------------- conformance


def product(id: str) -> dict[str, JSON]:
    return {"type": "track", "userId": "u1", "messageId": id, "event": "Product Added", "properties": {"sku": id}}


class Database(Scene):
    """A folder for the SQLite recipe, whose database somebody else can lock."""

    troubles: Mapping[str, type[Outcome]] = {"another process locks it": RetryLater}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Mapping[str, JSON]]:
        with TemporaryDirectory() as folder:
            yield {"path": f"{folder}/events.db"}

    @asynccontextmanager
    async def trouble(self, name: str, settings: Mapping[str, JSON]) -> AsyncIterator[None]:
        with closing(sqlite3.connect(settings["path"], isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield


class Server(Scene):
    """An XML-RPC server, which can be down."""

    troubles: Mapping[str, type[Outcome]] = {"it answers 503": RetryLater}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Mapping[str, JSON]]:
        async with FakeVendor(XmlVendor()) as self.vendor:
            yield {"url": f"{self.vendor.url}/RPC2"}

    @asynccontextmanager
    async def trouble(self, name: str, settings: Mapping[str, JSON]) -> AsyncIterator[None]:
        self.vendor.answer = lambda seen: Reply(503)
        yield


ORDER = {"type": "track", "userId": "u1", "messageId": "o1", "event": "Order Completed"}
GIVEN: Mapping[str, Mapping[str, Any]] = {
    "client_credentials.py": {"settings": {"client_id": "c"}},
    "sessions.py": {"vendor": Reply(json={"session": "a-session-of-harbor"})},
    "workspaces.py": {"vendor": Reply(json={"id": "w1"})},
    "sqlite_sink.py": {"scene": Database()},
    "carts.py": {"calls": [product("A1"), product("B2"), ORDER]},
    "inbox.py": {"vendor": lambda seen: Reply(207, json=[{"id": one["id"], "status": 201} for one in seen.json()])},
    "ledger.py": {"scene": Server()},
    "graph.py": {"vendor": Reply(json={"data": {"logEvent": {"id": "1"}}})},
    "archive.py": {},
}
"""What the checks need to know of each recipe."""


YOURS = {
    "settings_described",
    "bad_address_refused",
    "names_listed",
    "version_named",
    "forget_said",
    "forget_group_said",
}
"""What a recipe leaves to its author."""


@pytest.mark.long
@pytest.mark.parametrize("name", every(4, RECIPES))
def test_each_recipe_reaches_silver_and_lacks_for_gold_only_what_is_the_author_s_to_say(name: str, load: Load) -> None:
    report = Runner(Subject(load(name), **GIVEN[name]), CHECKS).report()
    told = {result.check.name: list(words_of(result)) for result in report.missing}
    assert report.tier is Tier.SILVER, told
    assert told.keys() <= YOURS, told


# ---------------------------------------------------------------- token


class TokenVendor:
    """Gives out tokens for the one client; `revoke` makes the last one worthless."""

    def __init__(self) -> None:
        self.given = self.good_from = 0
        self.taken: list[JSON] = []

    def revoke(self) -> None:
        self.good_from = self.given + 1

    def __call__(self, seen: Received) -> Reply:
        if seen.url.endswith("/oauth/token"):
            form = dict(parse_qsl(seen.body.decode()))
            if form != {"grant_type": "client_credentials", "client_id": "c", "client_secret": "s3cret & more"}:
                return Reply(401, json={"error": "invalid_client"})
            self.given += 1
            return Reply(json={"access_token": f"token-number-{self.given}", "expires_in": 3600})
        if seen.headers["authorization"] not in [
            f"Bearer token-number-{n}" for n in range(self.good_from, self.given + 1)
        ]:
            return Reply(401)
        self.taken.append(seen.json()["did"])
        return Reply(201)


CLIENT = {"client_id": "c", "client_secret": "s3cret & more"}


async def test_a_token_is_asked_for_once_and_once_more_after_a_401(load: Load) -> None:
    vendor = TokenVendor()
    async with Bench(load("client_credentials.py"), CLIENT) as bench:
        bench.vendor.answer = vendor
        await bench.post([{"type": "track", "userId": f"u{n}", "event": f"E{n}"} for n in range(3)])
        assert (vendor.given, sorted(vendor.taken)) == (1, ["E0", "E1", "E2"])
        vendor.revoke()
        last = await bench.track(event="E3")
        assert await bench.fate(last) == ("delivered", "")
        assert (vendor.given, vendor.taken[-1]) == (2, "E3")
        assert "token-number" not in str(await bench.why(last))


async def test_a_wrong_client_secret_pauses(load: Load) -> None:
    async with Bench(load("client_credentials.py"), {**CLIENT, "client_secret": "wrong-secret"}) as bench:
        bench.vendor.answer = TokenVendor()
        event = await bench.track()
        assert bench.status == ("paused", "credentials")
        assert (await bench.fate(event)).state == "queued"


# ---------------------------------------------------------------- login


@pytest.mark.parametrize("status", [400, 403])
async def test_a_login_that_is_refused_pauses_and_keeps_the_event(status: int, load: Load) -> None:
    async with Bench(load("sessions.py"), {"api_key": "wrong-key"}) as bench:
        bench.vendor.answer = lambda seen: Reply(status)
        event = await bench.track()
        assert bench.status == ("paused", "credentials")
        assert (await bench.fate(event)).state == "queued"


# ---------------------------------------------------------------- look-up


async def test_an_id_is_looked_up_until_it_is_there_and_then_kept(load: Load) -> None:
    async with Bench(load("workspaces.py"), {"api_key": "the-key-of-the-desk", "workspace": "Sales & more"}) as bench:
        bench.vendor.answer = lambda seen: Reply(json={"id": "w1"})
        bench.vendor.script(Reply(503))
        first = await bench.track()
        await bench.advance(minutes=5)
        second = await bench.track()
        assert await bench.fate(first) == await bench.fate(second) == ("delivered", "")
        paths = [seen.url.removeprefix("https://desk.example.com/workspaces") for seen in bench.requests]
        assert paths == [*["?name=Sales%20%26%20more"] * 2, *["/w1/events"] * 2]


# ---------------------------------------------------------------- SQLite


def rows(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT id, user, name FROM event ORDER BY id").fetchall()


async def test_events_are_rows_once_also_when_they_are_sent_twice(load: Load, tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    async with Bench(load("sqlite_sink.py"), {"path": str(path)}) as bench:
        await bench.post([{"type": "track", "userId": f"u{n}", "event": "Hello"} for n in (1, 2)])
        assert rows(path) == [("m1", "u1", "Hello"), ("m2", "u2", "Hello")]
        await bench.replay()
        assert (await bench.ledger())["delivered"] == 2
        assert len(rows(path)) == 2


async def test_a_locked_database_is_tried_again(load: Load, tmp_path: Path, fake_vendor: FakeVendor) -> None:
    path = tmp_path / "events.db"
    async with open_sender(load("sqlite_sink.py"), {"path": str(path)}, fake_vendor) as sender:
        sender.plugin._db.execute("PRAGMA busy_timeout = 0")
        item = Item({"id": "m1", "user": "u1", "name": "Hello", "at": "", "properties": "{}"})
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            (outcome,) = await sender.deliver([item])
        assert (type(outcome).__name__, getattr(outcome, "reason", "")) == ("RetryLater", "database")
        await sender.deliver([item])
    assert rows(path) == [("m1", "u1", "Hello")]


# ---------------------------------------------------------------- timer


async def test_a_cart_is_reported_an_hour_after_its_last_product_unless_it_is_ordered(load: Load) -> None:
    async with Bench(load("carts.py")) as bench:
        for sku in ("A1", "B2"):
            await bench.track(userId="left", event="Product Added", properties={"sku": sku})
            await bench.advance(minutes=50)
        await bench.track(userId="bought", event="Product Added", properties={"sku": "C3"})
        await bench.track(userId="bought", event="Order Completed")
        assert [seen.json() for seen in bench.requests] == [{"user": "bought", "ordered": ["C3"]}]
        await bench.advance(hours=3)
        _, told = bench.requests
        assert (told.json()["user"], told.json()["left"]) == ("left", ["A1", "B2"])
        assert bench.states() == bench.timers() == {}


def test_the_test_of_the_timer_passes(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load("carts.py")
    monkeypatch.syspath_prepend(tmp_path)
    module: dict[str, Any] = {}
    exec(compile(FILES["test_carts.py"], "test_carts.py", "exec"), module)
    tests = [value for name, value in module.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        test()


# ---------------------------------------------------------------- results per item


async def test_each_item_has_its_own_result_in_any_order(load: Load) -> None:
    said: Mapping[str, JSON] = {
        "a": {"status": 201},
        "b": {"status": 409},
        "c": {"status": 422, "error": "no such user"},
    }
    said = {**said, "d": {"status": 503}, "e": None}

    def answer(seen: Received) -> Reply:
        results = [{"id": one["id"], **said[one["id"]]} for one in seen.json() if said[one["id"]]]
        return Reply(207, json=results[::-1])

    async with Bench(load("inbox.py"), {"api_key": "key-4711"}) as bench:
        bench.vendor.answer = answer
        await bench.post([{"type": "track", "userId": f"u{id}", "messageId": id} for id in said])
        assert len(bench.requests) == 1
        fates = {id: await bench.fate(id) for id in said}
        assert fates["a"] == fates["b"] == ("delivered", "")
        assert fates["c"] == ("dead", "rejected")
        assert (fates["d"], fates["e"]) == (("retrying", "status_503"), ("retrying", "no_result"))
        assert bench.warnings == {"duplicate": 1}


@pytest.mark.parametrize(
    "reply", [Garbage(207), Reply(200, body=b"<html>We are down for maintenance</html>"), Reply(204)]
)
async def test_a_2xx_without_results_is_tried_again(load: Load, reply: Reply) -> None:
    async with Bench(load("inbox.py"), {"api_key": "key-4711"}) as bench:
        bench.vendor.script(reply)
        assert await bench.fate(await bench.track()) == ("retrying", "unreadable_answer")


# ---------------------------------------------------------------- a blocking library


class XmlVendor:
    """Speaks XML-RPC; refuses what is named `Bad`."""

    def __init__(self) -> None:
        self.booked: list[str] = []

    def __call__(self, seen: Received) -> Reply:
        (body,), method = xmlrpc.client.loads(seen.body)
        assert (method, isinstance(body, dict)) == ("ledger.book", True)
        told: Any = (True,)
        if body["did"] == "Bad":  # type: ignore[index, call-overload]
            told = xmlrpc.client.Fault(1, "no such entry")
        else:
            self.booked.append(str(body["did"]))  # type: ignore[index, call-overload]
        return Reply(body=xmlrpc.client.dumps(told, methodresponse=True).encode(), headers={"Content-Type": "text/xml"})


async def test_a_blocking_library_works_in_a_thread_and_its_errors_are_outcomes(load: Load) -> None:
    server = XmlVendor()
    async with FakeVendor() as vendor, Bench(load("ledger.py"), {"url": f"{vendor.url}/RPC2"}) as bench:
        vendor.answer = server
        good, bad = await bench.track(event="Good"), await bench.track(event="Bad")
        assert await bench.fate(good) == ("delivered", "")
        assert await bench.fate(bad) == ("dead", "rejected")
        vendor.script(Reply(503))
        assert await bench.fate(await bench.track(userId="u2")) == ("retrying", "status_503")
        vendor.script(Garbage())
        assert await bench.fate(await bench.track(userId="u3")) == ("retrying", "unreadable_answer")
        vendor.script(Reset(), Reset())  # its client tries a second time by itself
        assert await bench.fate(await bench.track(userId="u4", event="Late")) == ("retrying", "connection")
        await bench.advance(minutes=5)
        assert server.booked.count("Late") == 1


# ---------------------------------------------------------------- GraphQL


@pytest.mark.parametrize(
    ("reply", "fate"),
    [
        (Reply(json={"data": {"logEvent": {"id": "m1"}}}), ("delivered", "")),
        (Reply(json={"errors": [{"message": "no", "extensions": {"code": "BAD_USER_INPUT"}}]}), ("dead", "rejected")),
        (Reply(json={"data": None, "errors": [{"message": "no"}]}), ("dead", "rejected")),
        (Reply(json={"errors": [{"extensions": {"code": "THROTTLED"}}]}), ("retrying", "busy")),
        (Reply(json={"errors": [{"extensions": {"code": "UNAUTHENTICATED"}}]}), ("queued", "credentials")),
        (Reply(body=b"<html>Maintenance</html>"), ("retrying", "unreadable_answer")),
        (Reply(502), ("retrying", "status_502")),
    ],
)
async def test_a_200_of_graphql_is_decided_by_its_errors(load: Load, reply: Reply, fate: tuple[str, str]) -> None:
    async with Bench(load("graph.py"), {"token": "token-4711"}) as bench:
        bench.vendor.default = reply
        event = await bench.track(event="Hello")
        assert bench.requests[0].json()["variables"]["input"]["name"] == "Hello"
        state, reason = await bench.fate(event)
        assert (state, reason if state != "queued" else bench.status.reason) == fate


# ---------------------------------------------------------------- file upload


async def test_a_batch_is_one_file(load: Load) -> None:
    async with Bench(load("archive.py"), {"token": "token-4711"}) as bench:
        await bench.post([{"type": "track", "userId": f"u{n}", "event": f"E{n}"} for n in range(3)])
        await bench.advance(seconds=2)
        assert (await bench.ledger())["delivered"] == 3
        (seen,) = bench.requests
        form = email.message_from_bytes(f"Content-Type: {seen.headers['content-type']}\n\n".encode() + seen.body)
        _, part = form.walk()
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        assert [line.count(b'"name":"E') for line in content.splitlines()] == [1, 1, 1]
        assert re.fullmatch(r"[0-9a-f]{32}\.jsonl", str(part.get_filename()))


async def test_a_file_has_the_same_name_and_bytes_at_each_attempt(load: Load) -> None:
    async with Bench(load("archive.py"), {"token": "token-4711"}) as bench:
        bench.vendor.script(Reply(503))
        await bench.track()
        await bench.advance(minutes=2)
        first, second = bench.requests
        assert (first.body, first.headers["content-type"]) == (second.body, second.headers["content-type"])
