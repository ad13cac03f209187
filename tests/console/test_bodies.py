"""Bodies as text for a page: whatever a vendor answers, it is shown."""

from __future__ import annotations

from router.console.bodies import Shown


def test_an_answer_that_is_nested_too_deeply_is_shown_as_it_is() -> None:
    assert Shown("emails").raw_text("[" * 30_000) == "[" * 30_000


def test_an_answer_that_is_json_is_shown_over_several_lines() -> None:
    assert Shown("emails").raw_text('{"ok":[1]}') == '{\n  "ok": [\n    1\n  ]\n}'
