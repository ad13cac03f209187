"""Problems of the check find their field, and typed secrets their browser. No daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plugins.webhook import WebhookSettings
from router.config import Proposal
from router.console.edit_form import by_field
from router.console.edits import KEPT_MS, MOST, Edit, Edits
from router.editing.fields import destination_fields, setting_fields

PLACE = "destination[2] (audit)"
FIELDS = [*destination_fields({}, ["website"], ""), *setting_fields(WebhookSettings, {"headers": {"X": "1"}})]


def test_each_problem_stands_at_the_field_it_is_about_and_all_others_above() -> None:
    problems = [
        f"{PLACE}.settings.batch: must be at least 1",
        f'{PLACE}.settings: url: write an address such as "https://example.com/hook"',
        f"{PLACE}.settings.final_statuses[1]: write a whole number, without quotes",
        f"{PLACE}.mapping.drop: write a list",
        f'{PLACE}.sources[0]: unknown source "x"',
        f"{PLACE}.filter: line 1, column 8: expected a value",
        f"{PLACE}.plugin: cannot be made",
        "destination[1] (audi).settings.batch: must be at least 1",
        "server.listen: not an address",
    ]
    errors, rest = by_field(problems, PLACE, FIELDS)
    assert errors == {
        "setting.batch": "must be at least 1",
        "setting.url": 'write an address such as "https://example.com/hook"',
        "setting.final_statuses": "[1]: write a whole number, without quotes",
        "mapping": "drop: write a list",
        "sources": '[0]: unknown source "x"',
        "filter": "line 1, column 8: expected a value",
    }
    assert rest == problems[-3:]


class Clock:
    """The time, and what is to be done later."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self._calls: list[tuple[int, Callable[[], None]]] = []

    def __call__(self) -> int:
        return self.now

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self._calls.append((self.now + int(seconds * 1000), call))

    def pass_by(self, ms: int) -> None:
        end = self.now + ms
        while due := [one for one in self._calls if one[0] <= end]:
            first = min(due, key=lambda one: one[0])
            self._calls.remove(first)
            self.now = first[0]
            first[1]()
        self.now = end


def edits_of(clock: Clock) -> Edits:
    return Edits(clock, clock.later)


def edit(name: str) -> Edit:
    return Edit("", 0, name, "changed", "hash", Proposal(""), ())


def test_a_change_waits_half_an_hour_for_the_browser_that_made_it() -> None:
    clock = Clock()
    edits = edits_of(clock)
    id = edits.propose("mine", edit("a"))
    assert edits.edit(id, "other") is None
    assert edits.edit(id, "mine") is not None
    clock.now += KEPT_MS
    assert edits.edit(id, "mine") is None


def test_typed_secrets_are_kept_for_their_browser_only_and_under_a_new_id_each_time() -> None:
    edits = edits_of(Clock())
    first, _ = edits.type("", "mine", {"key": "1"})
    assert edits.type(first, "other", {}) == ("", {})
    first, _ = edits.type("", "mine", {"key": "1"})
    second, typed = edits.type(first, "mine", {"more": "2"})
    assert (typed, second != first) == ({"key": "1", "more": "2"}, True)
    assert edits.type(first, "mine", {}) == ("", {})


def test_no_more_than_a_hundred_changes_wait() -> None:
    edits = edits_of(Clock())
    ids = [edits.propose("mine", edit(str(n))) for n in range(MOST + 1)]
    assert edits.edit(ids[0], "mine") is None
    assert edits.edit(ids[1], "mine") is not None


def held_in_memory(edits: Edits) -> str:
    """All that is kept, as text."""
    return repr((edits._edits, edits._typed))


def test_what_was_typed_is_gone_after_half_an_hour_also_when_nobody_opens_a_page_again() -> None:
    clock = Clock()
    edits = edits_of(clock)
    edits.type("", "mine", {"key": "s3cret"})
    edits.propose("mine", edit("a")._replace(proposal=Proposal("", {Path("key"): "s3cret"})))
    clock.pass_by(KEPT_MS - 1)
    assert held_in_memory(edits).count("s3cret") == 2
    clock.pass_by(1)
    assert "s3cret" not in held_in_memory(edits)


def test_another_round_of_the_form_keeps_no_secret_for_longer() -> None:
    clock = Clock()
    edits = edits_of(clock)
    first, _ = edits.type("", "mine", {"key": "old"})
    clock.pass_by(KEPT_MS - 1)
    second, typed = edits.type(first, "mine", {"more": "new"})
    assert typed == {"key": "old", "more": "new"}
    clock.pass_by(1)
    assert edits.type(second, "mine", {})[1] == {"more": "new"}


def test_a_change_that_waits_for_its_yes_keeps_no_secret_for_longer_than_it_was_typed_for() -> None:
    clock = Clock()
    edits = edits_of(clock)
    draft, _ = edits.type("", "mine", {"key": "s3cret"})
    clock.pass_by(KEPT_MS - 1)
    with_secret = edit("a")._replace(proposal=Proposal("", {Path("key"): "s3cret"}))
    id = edits.propose("mine", with_secret, draft)
    assert edits.edit(id, "mine") is not None
    assert held_in_memory(edits).count("s3cret") == 1, "the change has it now, and the form no more"
    clock.pass_by(1)
    assert "s3cret" not in held_in_memory(edits)
