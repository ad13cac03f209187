"""What the plugin `erratic` returns, raises and stores: one call of an entry makes one thing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from router.plugin import Delivered, Item, Pause, Reject, Request, RetryLater, Skip, Split
from tests.flow.fuzz.odd_values import nested


class Own(BaseException):
    """None of Python's."""


def _yields_then_fails(name: str) -> Iterator[Item]:
    yield Item({"id": name})
    raise ValueError(name)


def _cyclic() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


NAN, HUGE = float("nan"), 10**400
WARNINGS = ("odd", "", "x" * 3_000, "\ud800")
STATES: tuple[Any, ...] = ({1: 2}, {"x": b"y"}, "x" * 9_000, NAN, {"s": "\ud800"}, nested(3_000, lists=True))
INSTANTS: tuple[Any, ...] = ("x", datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))
REQUESTS: tuple[Callable[[str], Any], ...] = (
    lambda url: None, lambda url: b"x", lambda url: Request(""), lambda url: Request("no url"), lambda url: Request("http://["),
    lambda url: Request(f"{url}/\ud800"), lambda url: Request(url, headers={"Host": "x"}), lambda url: Request(url, headers={"X": "a\r\nb"}),
    lambda url: Request(url, method="G T"), lambda url: Request(url, body="text"), lambda url: Request(url, headers={"é": "\ud800"}),  # type: ignore[arg-type]
    lambda url: Request(url, headers=[("a", 1)]), lambda url: Request("http://127.0.0.1:99999/"), lambda url: Request("ftp://127.0.0.1/"),  # type: ignore[arg-type]
    lambda url: Request(url, body=b"x" * 3_000_000),
)  # fmt: skip
VERDICTS: tuple[Callable[[int], Any], ...] = (
    lambda n: None, lambda n: 7, lambda n: [], lambda n: "delivered", lambda n: [Delivered()] * (n + 1), lambda n: Delivered,
    lambda n: {0: Delivered()}, lambda n: iter(()), lambda n: [None] * n, lambda n: Skip("x"),
)  # fmt: skip
RESULTS: tuple[Callable[[str], Any], ...] = (
    lambda name: None, lambda name: 7, lambda name: "text", lambda name: [], lambda name: {}, lambda name: Item, lambda name: [None, 7],
    lambda name: [Item({"id": name, "n": n}) for n in range(20)], lambda name: Item("x" * 1_200_000), lambda name: Item({"s": "\ud800"}),
    lambda name: Item({"at": datetime.now(UTC)}), lambda name: Item(NAN), lambda name: Item(HUGE), lambda name: Item({1: 2}), lambda name: Item(b"x"),
    lambda name: Item({"id": name}, "nobody's kind"), lambda name: Item({"id": name}, 7), lambda name: Item(nested(5_000, lists=True)),  # type: ignore[arg-type]
    lambda name: Item(_cyclic()), lambda name: _yields_then_fails(name), lambda name: (Item(n) for n in range(3)), lambda name: Item(None),
    lambda name: Item({"": "", "\x00": "\u2028"}), lambda name: Delivered(), lambda name: Skip("returned"), lambda name: Skip, lambda name: object(),
)  # fmt: skip
ERRORS: tuple[Callable[[], BaseException], ...] = (
    lambda: ValueError("\ud800"), KeyError, lambda: RuntimeError("x" * 100_000), lambda: SystemExit(3), KeyboardInterrupt, GeneratorExit,
    asyncio.CancelledError, lambda: Own("own"), StopIteration, StopAsyncIteration, RecursionError, MemoryError, lambda: OSError(28, "No space left"),
    TimeoutError, lambda: ExceptionGroup("many", [ValueError(1), OSError(2)]), lambda: BaseExceptionGroup("more", [SystemExit(1), Own()]),
    lambda: Skip("raised"), lambda: Reject("raised", "x"), lambda: RetryLater("raised", after_s=0.1), lambda: Split("raised"), lambda: Pause("raised", after_s=0.2),
)  # fmt: skip
OUTCOMES: tuple[Callable[[], Any], ...] = (
    lambda: Reject("refused", "\ud800"), lambda: Reject("", ""), lambda: Reject("x" * 5_000, "y" * 100_000), lambda: Reject(7, None),  # type: ignore[arg-type]
    lambda: RetryLater("later", after_s=0.5), lambda: RetryLater("later", after_s=-1), lambda: RetryLater("later", after_s=NAN), lambda: RetryLater("later", for_s=0.0),
    lambda: RetryLater("later", after_s=float("inf")), lambda: RetryLater("later", after_s="x"), lambda: RetryLater("later", after_s=1e300, for_s=-1),  # type: ignore[arg-type]
    lambda: RetryLater("later", after_s=HUGE), lambda: Pause("p", after_s=1.0), lambda: Pause("p", after_s=-5, sure=False), lambda: Pause("p", after_s=NAN),
    lambda: Pause("", "", after_s=float("inf")), lambda: Pause("by_hand"), lambda: Pause(None, 7),  # type: ignore[arg-type]
    lambda: Split("halves"), lambda: Split("halves", "\ud800"), lambda: Skip("no"), Delivered, Delivered,
)  # fmt: skip
