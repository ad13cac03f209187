"""What a dry run shows of a plugin's request, whatever its hook does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from router.plugin import Item, Request, hookimpl
from router.plugin_host import Redactor
from router.plugin_host.preview import MAX_BODY, preview
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


def test_of_a_huge_body_the_beginning_is_shown_with_no_part_of_a_secret_at_its_end() -> None:
    class Huge(Plain):
        @hookimpl
        def request(self, items: list[Item]) -> Request:
            return Request("http://x/", body=b"x" * (MAX_BODY - 4) + b"pa55word" + b"y" * 1000)

    made = replace(destination(Huge, Vendor()), redactor=Redactor(["pa55word"]))
    shown = preview([Item({"id": 1})], made)
    assert shown["body"] == "x" * (MAX_BODY - 4) + "***y"
    assert shown["body_bytes"] == MAX_BODY + 1004
