"""From a workspace to config.toml and the files beside it, with everything that was not carried over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from router.editing.catalogue import Offer
from router.segment_import.destinations import write_destinations
from router.segment_import.result import Result
from router.segment_import.sources import write_sources
from router.segment_import.workspace import Workspace

KINDS: Mapping[str, tuple[str, str]] = {
    "segment_warehouse": ("warehouse", "the router fills no warehouses"),
    "segment_profiles_warehouse": ("profiles warehouse", "the router fills no warehouses"),
    "segment_source_warehouse_connection": ("connection of a source to a warehouse", "the router fills no warehouses"),
    "segment_function": ("function", "JavaScript is not run here; write a plugin: docs/plugin-tutorial.md"),
    "segment_insert_function_instance": ("insert function", "JavaScript is not run here; [destination.mapping] changes events"),
    "segment_transformation": ("transformation", "write it as [destination.mapping] or [source.privacy]: docs/coming-from-segment.md"),
    "segment_reverse_etl_model": ("Reverse ETL model", "the router reads no warehouses"),
    "segment_label": ("label", "sources have no labels here"),
    "segment_user": ("user", "there are no accounts here"),
    "segment_user_group": ("user group", "there are no accounts here"),
}  # fmt: skip
"""Kinds that have no counterpart: what people call them, and the reason."""


class Imported(NamedTuple):
    """A workspace for the router. Files by their path beside config.toml."""

    config: str
    files: Mapping[str, str]
    secrets: Mapping[str, str]
    left: Sequence[str]  #: what was not carried over, with the reason
    notes: Sequence[str]  #: what somebody has to look at


def convert(
    workspace: Workspace, offers: Sequence[Offer], new_key: Callable[[], str], *, inline: bool = False
) -> Imported:
    """The workspace as a config.toml that `check` takes.

    Args:
        offers: the plugins that destinations can have.
        new_key: makes a write key for a source of which the export has none.
        inline: write keys stand in config.toml, and not in files of their own.
    """
    result = Result()
    result.page.comment(
        "Made from a Segment workspace. Every destination is in dry-run: it sends nothing until mode is live."
    )
    result.page.comment(
        "What is not carried over is named where it belongs, or at the end. See docs/coming-from-segment.md."
    )
    sources = write_sources(workspace, result, new_key, inline=inline)
    write_destinations(workspace, result, offers, sources)
    known = {destination.id for destination in workspace.destinations}
    for owner, values in workspace.filters:
        if owner not in known:
            result.leave("filter", str(values.get("title") or ""), f"its destination ({owner}) is not in the export")
    for kind, name in workspace.left:
        called, why = KINDS.get(kind, (kind.removeprefix("segment_").replace("_", " "), "it has no counterpart here"))
        result.leave(called, name, why)
    left = [*result.left, *(f"not read: {words}" for words in workspace.unread)]
    if left:
        result.page.blank()
        result.page.comment("Not carried over:")
        for words in left:
            result.page.comment(f"- {words}")
    return Imported(result.page.text, result.files, result.secrets, left, result.notes)
