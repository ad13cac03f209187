"""What a page says was done."""

from __future__ import annotations

import pytest

from router.console.done import done, told


def test_a_code_and_a_number_become_a_sentence() -> None:
    assert done("/destinations/d", "released", 38).headers["Location"] == "/destinations/d?done=released&n=38"
    assert told({"done": "released", "n": "38"}) == "38 events may go now, in order."
    assert told({"done": "dropped_dead", "n": "1"}) == "1 dead letter dropped for good. Their events stay dead."


@pytest.mark.parametrize("query", [{}, {"done": "You won"}, {"done": "__class__"}, {"n": "3"}])
def test_an_address_cannot_make_a_page_say_anything_else(query: dict[str, str]) -> None:
    assert told(query) == ""


@pytest.mark.parametrize("n", ["<b>", "-1", "٣", "9" * 30, ""])
def test_what_is_no_number_counts_as_none(n: str) -> None:
    assert told({"done": "released", "n": n}) == "0 events may go now, in order."
