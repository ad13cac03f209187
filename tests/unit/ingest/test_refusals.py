"""How refusals are told: each of a known source, those of strangers together, and in the end all of them."""

from __future__ import annotations

import asyncio

import pytest

from router.errors import InvalidCall, UnknownWriteKey
from router.ingest import refusals
from router.ingest.refusals import Refusals
from router.ingest.token_bucket import RateExceeded
from router.metrics import Metrics
from tests.unit.ingest.rig import FakeClock, RecordingAcceptor
from tests.unit.ingest.test_hot_path import until

UNKNOWN = UnknownWriteKey("invalid_write_key", "the write key belongs to no source")


@pytest.fixture
def account(acceptor: RecordingAcceptor, clock: FakeClock) -> Refusals:
    return Refusals(acceptor, clock, Metrics())


async def told(acceptor: RecordingAcceptor) -> list[tuple[str, str, int]]:
    while acceptor._tasks:
        await asyncio.wait(acceptor._tasks)
    return [(discard.source, discard.code, discard.n) for discard in acceptor.discards]


async def test_of_many_strangers_the_first_is_told_at_once_and_the_others_together(
    account: Refusals, acceptor: RecordingAcceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where nobody is refused after them."""
    monkeypatch.setattr(refusals, "EVERY_S", 0.0)  # over in the next turn of the loop
    for _ in range(5):
        account.note("", UNKNOWN)
    account.count(400, "invalid_http", "the request is not valid HTTP")
    await until(lambda: sum(discard.n for discard in acceptor.discards) == 6)
    assert await told(acceptor) == [
        ("", "invalid_write_key", 1),
        ("", "invalid_http", 1),
        ("", "invalid_write_key", 4),
    ]
    assert acceptor.discards[2].message.endswith("(requests refused: 4)")


async def test_those_of_the_next_second_wait_for_its_end(account: Refusals, acceptor: RecordingAcceptor) -> None:
    for _ in range(5):
        account.note("", UNKNOWN)
    assert await told(acceptor) == [("", "invalid_write_key", 1)]


async def test_after_a_quiet_time_the_next_one_is_told_at_once(
    account: Refusals, acceptor: RecordingAcceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "EVERY_S", 0.0)
    for n in (1, 2):
        account.note("", UNKNOWN)
        await until(lambda: not account._unsaid)
        assert await told(acceptor) == [("", "invalid_write_key", 1)] * n


async def test_each_of_a_known_source_is_told(account: Refusals, acceptor: RecordingAcceptor) -> None:
    for _ in range(3):
        account.note("website", InvalidCall("invalid_json", "the body is not valid JSON"))
    assert await told(acceptor) == [("website", "invalid_json", 1)] * 3


async def test_what_may_come_again_is_told_where_nobody_sends_it_again_and_then_once_a_second(
    account: Refusals, acceptor: RecordingAcceptor
) -> None:
    for is_final in (False, True, True):
        account.note("website", RateExceeded(3), is_final=is_final)
    assert await told(acceptor) == [("website", "rate_exceeded", 1)]
