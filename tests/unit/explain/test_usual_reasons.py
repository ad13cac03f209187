"""Why a tool shows nothing: what the plugin says of its delay comes first, and a dry run before all."""

from __future__ import annotations

from router.explain.usual_reasons import ALWAYS, LATER, usual_reasons


def test_the_delay_of_the_tool_is_named_where_its_plugin_says_it() -> None:
    assert (
        usual_reasons(shown_after="up to 24 hours later")[0].sentence == "The tool shows new data up to 24 hours later"
    )
    assert usual_reasons()[0].sentence == LATER
    assert usual_reasons()[1:] == list(ALWAYS)


def test_in_dry_run_that_is_the_first_reason() -> None:
    assert usual_reasons("dry-run")[0].sentence.startswith("The destination is in dry run")
