"""Accepting: what was stored is told in the log by its outcome, and a full disk is told once until it is over."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from router.accept import Acceptor
from router.errors import StoreBusy, StoreError, StoreFull
from router.event import Call, Discard
from router.logger import make_log
from router.store import DirectoryUpdate, OnStored, Suppressions
from router.testing.clock import FakeClock

CALLS = [Call("web", "track", m, "u:7", 0, b"{}\n{}") for m in ("m1", "m2")]


class FakeStore:
    """Remembers what it was given; answers as told."""

    def __init__(self) -> None:
        self.given: list[tuple[list[Call], list[DirectoryUpdate | None], list[Discard]]] = []
        self.refusal: StoreError | None = None  #: at once
        self.error: StoreError | None = None  #: later
        self.wake: Callable[[], None]

    def watch(self, wake: Callable[[], None]) -> None:
        self.wake = wake

    def append_soon(
        self,
        calls: Sequence[Call],
        facts: Sequence[DirectoryUpdate | None],
        discards: Sequence[Discard],
        on_done: OnStored,
    ) -> None:
        self.given.append((list(calls), list(facts), list(discards)))
        if self.refusal is not None:
            raise self.refusal
        on_done(self.error or [1, *[0] * (len(calls) - 1)][: len(calls)])


def acceptor(store: Any, level: str = "info", decisions: str = "all") -> tuple[Acceptor, io.StringIO]:
    stream = io.StringIO()
    log = make_log(level, "json", decisions, clock=FakeClock(), stream=stream, environ={})
    return Acceptor(store, Suppressions(b"key", ()), log), stream


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def accepted(acceptor: Acceptor, calls: list[Call], discards: list[Discard]) -> Exception | int:
    """What the acceptor tells of these, the store having answered."""
    results: list[Exception | int] = []
    acceptor.accept_soon(calls, discards, results.append)
    [result] = results
    return result


def test_calls_and_discards_go_to_the_store_in_one_go_with_their_facts() -> None:
    store = FakeStore()
    identify = Call("web", "identify", "i", "u:7", 0, b'{}\n{"userId": "7", "traits": {"a": 1}}')
    discard = Discard("web", 0, "no_user", "words")
    assert accepted(acceptor(store)[0], [*CALLS, identify], [discard]) == 2  # duplicates, says the store
    assert store.given == [([*CALLS, identify], [None, None, DirectoryUpdate("u:7", user_traits={"a": 1})], [discard])]


def test_each_call_is_told_as_accepted_or_duplicate() -> None:
    accept, stream = acceptor(FakeStore())
    assert accepted(accept, CALLS, []) == 1
    assert [(line["event"], line["message_id"]) for line in told(stream)] == [
        ("event_accepted", "m1"),
        ("event_duplicate", "m2"),
    ]
    assert {line["user_key"] for line in told(stream)} == {"user:7"}


def test_each_duplicate_is_told_to_who_remembers_them() -> None:
    seen: list[str] = []

    def note(source: str, accepted: int, discarded: int, repeated: Sequence[Call]) -> None:
        seen.extend(call.message_id for call in repeated)

    log = make_log("error", "json", clock=FakeClock(), environ={})
    store: Any = FakeStore()
    accept = Acceptor(store, Suppressions(b"key", ()), log, note=note)
    accepted(accept, CALLS, [])
    assert seen == ["m2"]


@pytest.mark.parametrize(
    ("level", "decisions", "events"), [("info", "exceptions", ["event_duplicate"]), ("warning", "all", [])]
)
async def test_what_the_configuration_leaves_out_is_not_told(level: str, decisions: str, events: list[str]) -> None:
    accept, stream = acceptor(FakeStore(), level, decisions)
    accepted(accept, CALLS, [])
    assert [line["event"] for line in told(stream)] == events


async def test_a_discard_is_told_with_its_reason() -> None:
    accept, stream = acceptor(FakeStore())
    accepted(accept, [], [Discard("web", 0, "no_user", "words", "m9", "track", '{"secret": 1}')])
    [line] = told(stream)
    assert (line["event"], line["reason"], line["message_id"]) == ("event_discarded", "no_user", "m9")
    assert "secret" not in stream.getvalue()


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_full_disk_is_told_once_and_so_is_its_end(when: str) -> None:
    store = FakeStore()
    accept, stream = acceptor(store)
    for _ in range(3):
        if when == "at once":
            store.refusal = StoreFull()
            with pytest.raises(StoreFull):
                accepted(accept, CALLS, [])
        else:
            store.error = StoreFull()
            assert isinstance(accepted(accept, CALLS, []), StoreFull)
    store.refusal = store.error = None
    for _ in range(2):
        accepted(accept, CALLS, [])
    names = [line["event"] for line in told(stream) if line["event"].startswith("store_")]
    assert names == ["store_full", "store_recovered"]


def test_overload_is_passed_on() -> None:
    store = FakeStore()
    store.refusal = StoreBusy()
    with pytest.raises(StoreBusy):
        accepted(acceptor(store)[0], CALLS, [])


@pytest.mark.parametrize("level", ["info", "warning"])
def test_what_a_group_has_accepted_is_told_at_its_end(level: str) -> None:
    store = FakeStore()
    accept, stream = acceptor(store, level)
    for call in CALLS:
        assert accepted(accept, [call], []) == 0
    assert told(stream) == []
    for _ in range(2):
        store.wake()
    assert [line["message_id"] for line in told(stream)] == (["m1", "m2"] if level == "info" else [])


def test_lines_keep_the_order_in_which_calls_were_stored() -> None:
    store = FakeStore()
    accept, stream = acceptor(store)
    accepted(accept, CALLS[:1], [])
    accepted(accept, [CALLS[1], CALLS[1]], [])
    store.wake()
    assert [line["event"] for line in told(stream)] == ["event_accepted", "event_accepted", "event_duplicate"]


def test_who_called_is_told_even_where_the_log_fails() -> None:
    store = FakeStore()
    accept, _ = acceptor(store)
    results: list[Exception | int] = []
    accept.accept_soon([Call("web", "track", "m1", "?", 0, b"{}\n{}")], [], results.append)  # a key of no kind
    store.wake()  # the store goes on, too
    with pytest.raises(KeyError):
        accept.accept_soon([Call("web", "track", m, "?", 0, b"{}\n{}") for m in ("m2", "m3")], [], results.append)
    assert results == [0, 1]
