"""Fixture files: read, compared, and written where that is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from router.plugin import Batch, Event, Item, Request, Sender, Settings, hookimpl
from router.testing import CheckFixture, Fixture, fixture_files
from tests.unit.testing.greeter import Greeter

CASE = {
    "case": "a greeting",
    "before": [{"type": "group", "userId": "u1", "groupId": "acme", "traits": {"name": "Acme Inc"}}],
    "calls": [{"type": "track", "userId": "u1", "event": "Hello"}],
}
EXPECTED = {
    "outcome": "sent",
    "requests": [
        {
            "url": "https://greeter.example.com/events",
            "headers": {"Authorization": "Bearer T"},
            "json": {"who": "u1", "did": "Hello", "company": "Acme Inc"},
        }
    ],
    "warnings": ["greeted"],
}
SETTINGS = {"token": "T"}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(**changes: Any) -> Path:
        path = tmp_path / "01-a-greeting.json"
        path.write_text(json.dumps({**CASE, "expected": EXPECTED, **changes}))
        return path

    return write


def test_what_comes_is_what_is_expected(write: Write, check_fixture: CheckFixture) -> None:
    check_fixture(Greeter, write(), SETTINGS)


def test_the_settings_of_the_file_come_on_top(write: Write) -> None:
    assert not Fixture(write(settings=SETTINGS)).check(Greeter, {"token": "another"})


def test_a_difference_is_shown_line_by_line_with_what_to_do(write: Write) -> None:
    wrong = json.loads(json.dumps(EXPECTED).replace("Hello", "Bye"))
    with pytest.raises(AssertionError) as error:
        Fixture(write(expected=wrong)).check(Greeter, SETTINGS)
    told = str(error.value)
    assert told.startswith(
        "01-a-greeting.json (a greeting): what came is not what is expected\n--- expected\n+++ came\n"
    )
    changed = [line for line in told.splitlines() if line.startswith(("-  ", "+  "))]
    assert changed == ['-        "did": "Bye",', '+        "did": "Hello",']
    assert told.endswith("If what came is right: pytest --segment-router-update")


def test_a_fault_of_the_plugin_is_shown_with_its_traceback(write: Write) -> None:
    path = write(calls=[{"type": "track", "userId": "u1", "event": "Broken"}])
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        Fixture(path).check(Greeter, SETTINGS)


def test_an_update_writes_what_came_and_nothing_where_it_is_the_same(write: Write) -> None:
    path = write(expected={})
    assert Fixture(path).check(Greeter, SETTINGS, update=True)
    assert json.loads(path.read_text()) == {**CASE, "expected": EXPECTED}
    assert path.read_text() == json.dumps({**CASE, "expected": EXPECTED}, indent=2) + "\n"
    before = path.stat().st_mtime_ns
    assert not Fixture(path).check(Greeter, SETTINGS, update=True)
    assert path.stat().st_mtime_ns == before


def test_a_fixture_may_have_nothing_but_the_time_until_which_timers_are_due(tmp_path: Path) -> None:
    path = tmp_path / "02-later.json"
    path.write_text(json.dumps({"until": "2026-01-02T00:00:00Z"}))
    assert Fixture(path).check(Greeter, SETTINGS, update=True)
    assert json.loads(path.read_text())["expected"] == {"requests": []}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"calls": []}, "no calls"), ({"call": []}, "unknown key 'call'; a fixture has the keys case, ")],
)
def test_a_file_that_is_no_fixture_is_refused(write: Write, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Fixture(write(**changes))


def test_files_are_found_by_name_and_an_empty_folder_is_a_fault(write: Write, tmp_path: Path) -> None:
    path = write()
    assert fixture_files(tmp_path) == [path]
    with pytest.raises(FileNotFoundError, match=r"no \*\.json in"):
        fixture_files(tmp_path / "missing")


class Shapes:
    """Sends a body of any form."""

    settings_model = Settings
    kinds: ClassVar[Any] = {"": Batch(), "batch": Batch(max_items=2)}

    def __init__(self, settings: Settings) -> None:
        pass

    @hookimpl
    def track(self, event: Event) -> list[Item]:
        kind = event.properties.get("kind", "")
        return [Item(body, kind) for body in event.properties["bodies"]]

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        body = b"".join(bytes(item.body) if isinstance(item.body, list) else item.body.encode() for item in items)
        return Request("https://shapes.example.com", "PUT", {"Content-Type": "text/plain"}, body)


@pytest.mark.parametrize(
    ("bodies", "shown"),
    [
        (["a=1"], [{"text": "a=1"}]),
        (['{"a":1}\n{"b":2}\n'], [{"lines": [{"a": 1}, {"b": 2}]}]),
        (['{"a":1}'], [{"json": {"a": 1}}]),
        ([[255, 254]], [{"base64": "//4="}]),
        ([""], [{}]),
        (["1", "2", "3"], [{"json": 12}, {"json": 3}]),
    ],
)
def test_a_body_is_shown_in_the_form_that_reads_best(write: Write, bodies: list[Any], shown: list[Any]) -> None:
    kind = "batch" if len(bodies) > 1 else ""
    call = {"type": "track", "userId": "u1", "event": "E", "properties": {"bodies": bodies, "kind": kind}}
    head = {"method": "PUT", "url": "https://shapes.example.com", "headers": {"Content-Type": "text/plain"}}
    expected = {"outcome": "sent", "requests": [{**head, **one} for one in shown]}
    assert not Fixture(write(calls=[call], expected=expected)).check(Shapes)


class Sink:
    """Without HTTP."""

    settings_model = Settings

    def __init__(self, settings: Settings) -> None:
        pass

    @hookimpl
    def track(self, event: Event) -> Item:
        return Item({"did": event.name})

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> None:
        raise NotImplementedError


def test_of_a_plugin_without_requests_the_items_are_compared(write: Write) -> None:
    assert not Fixture(write(expected={"outcome": "sent", "items": [{"body": {"did": "Hello"}}]})).check(Sink)
