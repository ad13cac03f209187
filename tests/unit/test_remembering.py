"""What senders write is remembered in bounds: so many texts, and none that is long."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from router.event import Envelope, normalize_event
from router.ingest.proxy import client_ip, networks
from router.ingest.write_key import basic_user
from router.personal_data.names import what_is_named
from router.remembering import MAX_LENGTH, remembered

MOST = 8
OURS = networks(["10.0.0.0/8"])


@pytest.fixture
def asked() -> list[str]:
    """The texts that were worked out."""
    return []


@pytest.fixture
def size(asked: list[str]) -> Callable[[str], int]:
    @remembered(MOST)
    def size(text: str) -> int:
        asked.append(text)
        return len(text)

    return size


def test_a_text_is_worked_out_once(size: Callable[[str], int], asked: list[str]) -> None:
    text = "x" * MAX_LENGTH
    assert (size(text), size(text), asked) == (MAX_LENGTH, MAX_LENGTH, [text])


def test_a_long_text_is_worked_out_each_time(size: Callable[[str], int], asked: list[str]) -> None:
    text = "x" * (MAX_LENGTH + 1)
    assert (size(text), size(text), asked) == (MAX_LENGTH + 1, MAX_LENGTH + 1, [text, text])


def test_of_many_texts_the_oldest_is_forgotten(size: Callable[[str], int], asked: list[str]) -> None:
    for text in (*map(str, range(MOST + 1)), "0"):
        size(text)
    assert asked[-1] == "0"
    assert asked.count("0") == 2


def of_a_library(text: str) -> object:
    body = Envelope(ip="192.0.2.1").line() + b'{"context":{"library":{"name":"%s"}}}' % text.encode()
    return normalize_event("website", "track", "m1", 0, body)


@pytest.mark.parametrize(
    "ask",
    [
        basic_user,
        lambda text: client_ip("10.0.0.1", [text], OURS),
        what_is_named,
        of_a_library,
    ],
    ids=["Authorization", "X-Forwarded-For", "name of a field", "name of a library"],
)
def test_long_texts_of_senders_are_not_kept(ask: Callable[[str], object]) -> None:
    ask("warm")
    tracemalloc.start()
    try:
        for n in range(100):
            ask(f"{n}-".ljust(16_000, "x"))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 500_000
