"""Problems of the check find their field, and typed secrets their browser. No daemon."""

from __future__ import annotations

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
    now = 1_000_000

    def __call__(self) -> int:
        return self.now


def edit(name: str) -> Edit:
    return Edit("", 0, name, "changed", "hash", Proposal(""), ())


def test_a_change_waits_half_an_hour_for_the_browser_that_made_it() -> None:
    clock = Clock()
    edits = Edits(clock)
    id = edits.propose("mine", edit("a"))
    assert edits.edit(id, "other") is None
    assert edits.edit(id, "mine") is not None
    clock.now += KEPT_MS + 1
    assert edits.edit(id, "mine") is None


def test_typed_secrets_are_kept_for_their_browser_only_and_under_a_new_id_each_time() -> None:
    edits = Edits(Clock())
    first, _ = edits.type("", "mine", {"key": "1"})
    assert edits.type(first, "other", {}) == ("", {})
    first, _ = edits.type("", "mine", {"key": "1"})
    second, typed = edits.type(first, "mine", {"more": "2"})
    assert (typed, second != first) == ({"key": "1", "more": "2"}, True)
    assert edits.type(first, "mine", {}) == ("", {})


def test_no_more_than_a_hundred_changes_wait() -> None:
    edits = Edits(Clock())
    ids = [edits.propose("mine", edit(str(n))) for n in range(MOST + 1)]
    assert edits.edit(ids[0], "mine") is None
    assert edits.edit(ids[1], "mine") is not None
