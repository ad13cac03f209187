"""What a dry run shows of a plugin's request, whatever its hook does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from router.plugin import Item, Request, hookimpl
from router.plugin_host.preview import preview
from tests.contract.rig import Plain, Vendor, destination


class Own(BaseException):
    """None of Python's."""


def raising(error: BaseException) -> Callable[[], Any]:
    def call() -> Any:
        raise error

    return call


odd: Any = Request


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (raising(Own("own")), "Own: own"),
        (raising(SystemExit(3)), "SystemExit: 3"),
        (raising(ValueError("half \ud800")), "ValueError: half ?"),
        (lambda: None, "AttributeError"),
        (lambda: Request("http://x/\ud800"), "Request.url"),
        (lambda: odd("http://x/", method=object()), "Request.method"),
        (lambda: odd("http://x/", body="text"), "Request.body is str"),
    ],
    ids=[
        "own",
        "exit",
        "half a character in an error",
        "none",
        "half a character in a url",
        "no method",
        "body as text",
    ],
)
def test_a_fault_of_the_hook_is_shown_and_not_raised(made: Callable[[], Any], words: str) -> None:
    class Faulty(Plain):
        @hookimpl
        def request(self, items: list[Item]) -> Any:
            return made()

    shown = preview([Item({"id": 1})], destination(Faulty, Vendor()))
    assert words in str(shown["error"])
    assert msgspec.json.decode(msgspec.json.encode(shown)) == shown
