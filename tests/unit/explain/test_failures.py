"""Failures like with like."""

from __future__ import annotations

import pytest

from router.explain.failures import MAX_KINDS, MAX_WORDS, described, like_with_like, shape


def failure(words: str, at: str = "2026-01-01T00:00:00.000Z", id: str = "m", **more: object) -> dict[str, object]:
    return {"state": "dead", "reason": "rejected", "status": 400, "words": words, "message_id": id, "at": at, **more}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("user 4711 is not known", "user … is not known"),
        ("no profile for ann.smith@example.com.", "no profile for …"),
        ("request 5f0c6a1e-1c9e-4f0a-9d3e-0a1b2c3d4e5f failed", "request … failed"),
        ("at 2026-01-01T10:00:00Z: quota of 100 reached", "at … quota of … reached"),
        ("events 1 2 3 are bad", "events … are bad"),
        ("status 400: field name is missing", "field name is missing"),
        ("status 400", ""),
        ("", ""),
        ("first line\nsecond line", "first line"),
    ],
)
def test_what_varies_is_cut_out_of_the_vendors_words(words: str, told: str) -> None:
    assert shape(words, "rejected", 400) == told


def test_of_a_traceback_the_exception_is_told() -> None:
    assert (
        shape("Traceback (most recent call last):\n  File x\nKeyError: 'plan'\n", "plugin_error") == "KeyError: 'plan'"
    )


def test_failures_of_one_kind_are_counted_with_their_first_and_last_and_the_newest_event() -> None:
    newest_first = [
        failure("user 3 unknown", "3", "m3"),
        failure("user 2 unknown", "2", "m2"),
        failure("bad", "1", "m1"),
    ]
    first, second = like_with_like(newest_first)
    assert (first.words, first.times, first.first, first.last, first.sample) == ("user … unknown", 2, "2", "3", "m3")
    assert (
        first.meaning.next_step
        == "read the vendor's words; correct the mapping, or the key or right that they name; then replay"
    )
    assert (second.words, second.times) == ("bad", 1)


def test_another_status_or_state_is_another_kind() -> None:
    kinds = [failure("x"), failure("x", status=422), failure("x", state="retrying", reason="status_503", status=503)]
    assert len(like_with_like(kinds)) == 3


def test_words_that_never_repeat_do_not_make_the_list_grow_without_end() -> None:
    assert len(like_with_like([failure("x" + chr(0x4E00 + n)) for n in range(3 * MAX_KINDS)])) == MAX_KINDS


def test_the_answer_says_whether_all_were_looked_at() -> None:
    assert described([failure("x")], 2)["is_all"] is True
    assert described([failure("x"), failure("y")], 2)["is_all"] is False


def test_words_are_cut_to_a_length_that_a_page_can_show() -> None:
    assert len(shape("word " * 1_000)) == MAX_WORDS
