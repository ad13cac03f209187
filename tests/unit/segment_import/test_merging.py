"""Which destinations of a workspace become one: none is lost, also where the export does not show everything of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from router.editing.catalogue import offers
from router.segment_import.convert import Imported, convert
from router.segment_import.terraform import read_terraform
from router.segment_import.workspace import Destination, Source, Trigger, Workspace
from tests.unit.segment_import.hcl_files import SOURCES, hcl, webhook

MASKED = "•" * 8
OPEN: Mapping[str, Any] = {"url": "https://hooks.example/orders"}


def made_of(
    *given: tuple[str, str, Mapping[str, Any]], triggers: Mapping[str, Mapping[str, Any]] | None = None
) -> Imported:
    """Webhooks: each with its id, its source, and its settings."""
    ids = dict.fromkeys(source for _, source, _ in given)
    workspace = Workspace(
        sources=[Source(id, id, True, ("wk",), False) for id in ids],
        destinations=[Destination(id, id, True, source, ("Webhooks",), "", settings) for id, source, settings in given],
        triggers=[Trigger(id, "All", True, "", settings) for id, settings in (triggers or {}).items()],
    )
    return convert(workspace, offers(None), lambda: "key")


def destinations(made: Imported) -> list[tuple[str, str]]:
    """Names and sources, as they are written."""
    lines = made.config.splitlines()
    at = [number for number, line in enumerate(lines) if line == "[[destination]]"]
    return [(lines[one + 1].split('"')[1], lines[one + 4].removeprefix("sources = ")) for one in at]


def test_the_same_at_two_sources_is_one_and_the_ids_of_both_are_in_the_comment() -> None:
    made = made_of(("d1", "web", OPEN), ("d2", "app", OPEN))
    assert destinations(made) == [("d1", '["web", "app"]')]
    assert '"d1" (d1)' in made.config
    assert '"d2" (d2), which is the same at another source' in made.config


def test_two_of_one_source_stay_two() -> None:
    made = made_of(("d1", "web", OPEN), ("d2", "web", OPEN), ("d3", "app", OPEN), ("d4", "app", OPEN))
    assert destinations(made) == [("d1", '["web", "app"]'), ("d2", '["web", "app"]')]


@pytest.mark.parametrize(
    "settings",
    [{**OPEN, "shared_secret": MASKED}, {"url": MASKED}, {}, {**OPEN, "headers": {"X-Key": f"Bearer {MASKED}"}}],
    ids=["masked", "required and masked", "required and missing", "masked inside of a table"],
)
@pytest.mark.parametrize("second", ["web", "app"])
def test_where_a_setting_is_hidden_each_is_its_own_and_a_note_says_so(settings: Mapping[str, Any], second: str) -> None:
    made = made_of(("d1", "web", settings), ("d2", second, settings))
    assert destinations(made) == [("d1", '["web"]'), ("d2", f'["{second}"]')]
    (note,) = [one for one in made.notes if "it hides some" in one]
    assert note.startswith('destination "d2": all that the export shows of it is as in "d1"')


def test_a_masked_setting_of_a_mapping_counts_too() -> None:
    hidden = {"headers": {"authorization": MASKED}}
    made = made_of(("d1", "web", OPEN), ("d2", "app", OPEN), triggers={"d1": hidden, "d2": hidden})
    assert [name for name, _ in destinations(made)] == ["d1", "d2"]


def test_those_of_which_everything_is_shown_have_no_note() -> None:
    assert (
        made_of(("d1", "web", OPEN), ("d2", "app", OPEN), ("d3", "web", {"url": "https://other.example"})).notes == []
    )


def test_settings_that_only_terraform_evaluates_are_not_the_same() -> None:
    workspace = hcl(*SOURCES, webhook("one", "web", "var.first"), webhook("two", "app", "var.second"))
    made = convert(workspace, offers(None), lambda: "key")
    assert [name for name, _ in destinations(made)] == ["one", "two"]


def test_filters_and_mappings_that_only_terraform_evaluates_are_not_the_same() -> None:
    same = 'jsonencode({ "url": "https://hooks.example" })'
    for kind, body in (
        ("destination_filter", {"title": '"F"', "if": "var.condition"}),
        ("destination_subscription", {"name": '"M"', "settings": "var.settings"}),
    ):
        owned = [(kind, name, {**body, "destination_id": f"segment_destination.{name}.id"}) for name in ("one", "two")]
        workspace = hcl(*SOURCES, webhook("one", "web", same), webhook("two", "app", same), *owned)
        made = convert(workspace, offers(None), lambda: "key")
        assert [name for name, _ in destinations(made)] == ["one", "two"], kind


def test_settings_that_are_no_json_are_named_and_not_the_same() -> None:
    values = [
        ("segment_source", {"id": "web", "name": "web"}),
        ("segment_source", {"id": "app", "name": "app"}),
        *(
            ("segment_destination", {
                "id": id, "name": id, "source_id": source, "metadata": {"name": "File"}, "settings": "{",
            })
            for id, source in (("d1", "web"), ("d2", "app"))
        ),
    ]  # fmt: skip
    resources = [{"mode": "managed", "type": kind, "values": one} for kind, one in values]
    workspace = Workspace()
    read_terraform(json.loads(json.dumps({"values": {"root_module": {"resources": resources}}})), workspace)
    assert workspace.unread == ["settings of d1: they are no JSON", "settings of d2: they are no JSON"]
    assert workspace.partly_read == {"d1", "d2"}
