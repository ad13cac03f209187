"""Accepting: what was stored is told in the log by its outcome, and a full disk is told once until it is over."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import pytest

from router.accept import Acceptor
from router.errors import StoreBusy, StoreFull
from router.event import Call, Discard
from router.store import Facts
from router.telemetry import make_log
from tests.contract.rig import FakeClock

CALLS = [Call("web", "track", m, "u:7", 0, b"{}\n{}") for m in ("m1", "m2")]


class FakeStore:
    """Remembers what it was given; answers as told."""

    def __init__(self) -> None:
        self.given: list[tuple[list[Call], list[Facts | None], list[Discard]]] = []
        self.error: Exception | None = None

    async def append(
        self, calls: Sequence[Call], facts: Sequence[Facts | None], discards: Sequence[Discard]
    ) -> list[int]:
        self.given.append((list(calls), list(facts), list(discards)))
        if self.error is not None:
            raise self.error
        return [1, *[0] * (len(calls) - 1)][: len(calls)]


def acceptor(store: Any, level: str = "info") -> tuple[Acceptor, io.StringIO]:
    stream = io.StringIO()
    return Acceptor(store, make_log(level, "json", clock=FakeClock(), stream=stream, environ={})), stream


def told(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_calls_and_discards_go_to_the_store_in_one_go_with_their_facts() -> None:
    store = FakeStore()
    identify = Call("web", "identify", "i", "u:7", 0, b'{}\n{"userId": "7", "traits": {"a": 1}}')
    discard = Discard("web", 0, "no_user", "words")
    await acceptor(store)[0].accept([*CALLS, identify], [discard])
    assert store.given == [([*CALLS, identify], [None, None, Facts("u:7", user_traits={"a": 1})], [discard])]


async def test_each_call_is_told_as_accepted_or_duplicate() -> None:
    accept, stream = acceptor(FakeStore())
    await accept.accept(CALLS, [])
    assert [(line["event"], line["message_id"]) for line in told(stream)] == [
        ("event_accepted", "m1"),
        ("event_duplicate", "m2"),
    ]
    assert {line["user_key"] for line in told(stream)} == {"user:7"}


async def test_a_discard_is_told_with_its_reason() -> None:
    accept, stream = acceptor(FakeStore())
    await accept.accept([], [Discard("web", 0, "no_user", "words", "m9", "track", '{"secret": 1}')])
    [line] = told(stream)
    assert (line["event"], line["reason"], line["message_id"]) == ("event_discarded", "no_user", "m9")
    assert "secret" not in stream.getvalue()


async def test_a_full_disk_is_told_once_and_so_is_its_end() -> None:
    store = FakeStore()
    accept, stream = acceptor(store, "warning")
    store.error = StoreFull()
    for _ in range(3):
        with pytest.raises(StoreFull):
            await accept.accept(CALLS, [])
    store.error = None
    for _ in range(2):
        await accept.accept(CALLS, [])
    names = [line["event"] for line in told(stream) if line["event"].startswith("store_")]
    assert names[:1] == ["store_full"]
    assert names.count("store_full") == 1
    assert names.count("store_recovered") <= 1


async def test_overload_is_passed_on() -> None:
    store = FakeStore()
    store.error = StoreBusy()
    with pytest.raises(StoreBusy):
        await acceptor(store)[0].accept(CALLS, [])
