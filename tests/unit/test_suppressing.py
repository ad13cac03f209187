"""Suppressed people: their calls are counted and not kept, and whoever is not on the list notices nothing."""

from __future__ import annotations

import pytest

from router.event import Call, Discard
from router.store import Suppressions
from router.suppressing import without_suppressed


def call(user_key: str) -> Call:
    return Call("web", "track", "m1", user_key, 7, b"{}\n{}")


def suppressing(*user_keys: str, owner: str = "") -> Suppressions:
    nobody = Suppressions(b"key", ())
    pairs = [(nobody.hash_of(key), nobody.hash_of(owner or key)) for key in user_keys]
    return Suppressions(b"key", pairs)


def test_a_suppressed_call_leaves_source_type_and_time() -> None:
    kept, discards = without_suppressed([call("u:one"), call("u:two")], [], suppressing("u:one"))
    assert kept == [call("u:two")]
    assert discards == [Discard("web", 7, "suppressed", "the person is suppressed", type="track")]


def test_a_batch_of_one_person_asks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash takes longer than all else that is done here."""
    asked: list[str] = []
    hash_of = Suppressions.hash_of

    def noted(self: Suppressions, user_key: str) -> bytes:
        asked.append(user_key)
        return hash_of(self, user_key)

    monkeypatch.setattr(Suppressions, "hash_of", noted)
    suppressions = suppressing("u:one")
    asked.clear()
    kept, discards = without_suppressed([call("u:one")] * 5, [], suppressions)
    assert (len(kept), len(discards), asked) == (0, 5, ["u:one"])


def test_without_anybody_on_the_list_calls_are_passed_on_as_they_are() -> None:
    calls: list[Call] = [call("u:one")]
    discards: list[Discard] = []
    kept = without_suppressed(calls, discards, Suppressions(b"key", ()))
    assert (kept[0] is calls, kept[1] is discards) == (True, True)


@pytest.mark.parametrize(
    ("excerpt", "is_emptied"),
    [
        ('{"userId":"one","traits":7', True),
        ('{"traits":7,"anonymousId" : "one', False),
        ('{"anonymousId" : "browser", "event"', True),
        ('{"userId":12, "event"', True),
        ('{"userId":"two","event":"one"', False),
        ('{"user\\\\u0049d":"one","event"', True),
        ('{"traits":{"note":"so long…', True),
    ],
)
def test_another_discard_that_names_a_suppressed_person_loses_its_words(excerpt: str, is_emptied: bool) -> None:
    discard = Discard("web", 7, "invalid", "words", "m1", "track", excerpt)
    _, [kept] = without_suppressed([], [discard], suppressing("u:one", "a:browser", "u:12"))
    assert (kept.code, kept.excerpt == "", kept.message_id == "") == ("invalid", is_emptied, is_emptied)


def test_a_person_is_counted_once_and_leaves_with_their_anonymous_ids() -> None:
    suppressions = suppressing("u:one", "a:x", "a:y", owner="u:one")
    assert (len(suppressions), "a:x" in suppressions, "u:two" in suppressions) == (1, True, False)
    suppressions.remove([suppressions.hash_of("u:one")])
    assert (len(suppressions), "a:x" in suppressions, bool(suppressions)) == (0, False, False)


def test_an_anonymous_id_that_two_people_used_stays_until_both_have_left() -> None:
    suppressions = suppressing("u:one", "a:shared", owner="u:one")
    suppressions.add((suppressions.hash_of(key), suppressions.hash_of("u:two")) for key in ("u:two", "a:shared"))
    suppressions.remove([suppressions.hash_of("u:two")])
    assert ("u:two" in suppressions, "a:shared" in suppressions, len(suppressions)) == (False, True, 1)
    suppressions.remove([suppressions.hash_of("u:one")])
    assert "a:shared" not in suppressions
