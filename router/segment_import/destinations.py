"""Destinations of a workspace, written as `[[destination]]` tables. All begin in dry-run.

At Segment a destination belongs to one source. The same tool with the same settings and filters at several sources is one here: only then
events of one user stay in order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from router.editing.catalogue import Offer
from router.segment_import.filters import convert_filter
from router.segment_import.names import Names
from router.segment_import.result import Result
from router.segment_import.settings import Converted, convert_settings
from router.segment_import.tools import plugin_for, tool_of
from router.segment_import.workspace import Destination, Trigger, Workspace


class _Wanted(NamedTuple):
    """A destination here, and the ones at Segment that it stands for."""

    offer: Offer
    first: Destination
    sources: list[str]
    settings: Mapping[str, Any]
    filters: Sequence[tuple[dict[str, Any], str]]
    triggers: Sequence[Trigger]


class _Owned:
    """Filters and mappings by the id of their destination."""

    def __init__(self, workspace: Workspace) -> None:
        self.filters: dict[str, list[Mapping[str, Any]]] = {}
        self.triggers: dict[str, list[Trigger]] = {}
        for owner, values in workspace.filters:
            self.filters.setdefault(owner, []).append(values)
        for trigger in workspace.triggers:
            self.triggers.setdefault(trigger.destination_id, []).append(trigger)


def write_destinations(
    workspace: Workspace, result: Result, offers: Sequence[Offer], sources: Mapping[str, str]
) -> None:
    """Write them. `sources`: the names of sources here, by their ids."""
    wanted: dict[str, _Wanted] = {}
    owned = _Owned(workspace)
    for destination in workspace.destinations:
        _collect(destination, owned, result, offers, sources, wanted)
    names = Names()
    for one in wanted.values():
        assert one.offer.model is not None
        name = names.give(one.first.name, one.offer.name)
        _write(one, name, convert_settings(one.offer.model, one.settings), result)


def _collect(
    destination: Destination,
    owned: _Owned,
    result: Result,
    offers: Sequence[Offer],
    sources: Mapping[str, str],
    wanted: dict[str, _Wanted],
) -> None:
    """Add one of Segment's destinations to those that are wanted here, or name why not."""
    tool, name = tool_of(destination), destination.name or destination.id
    offer = plugin_for(destination, offers)
    if offer is None:
        unknown = f"the export has only the id of its tool ({destination.catalog_id}); `terraform show -json` and the Public API name it"
        result.leave("destination", name, f"there is no plugin for {tool} here" if tool else unknown)
        return
    if destination.source_id not in sources:
        result.leave("destination", name, f"its source ({destination.source_id}) is not carried over")
        return
    filters = [convert_filter(values) for values in owned.filters.get(destination.id, ())]
    triggers = owned.triggers.get(destination.id, [])
    settings = {**_from_triggers(offer, triggers), **destination.settings}
    same = [offer.name, destination.is_enabled, settings, filters, [one[1:] for one in triggers]]
    key = json.dumps(same, sort_keys=True, default=str)
    if key not in wanted:
        wanted[key] = _Wanted(offer, destination, [], settings, filters, triggers)
    wanted[key].sources.append(sources[destination.source_id])


def _from_triggers(offer: Offer, triggers: Sequence[Trigger]) -> dict[str, Any]:
    """The address of a webhook: Segment's Actions have it in each mapping."""
    urls = {url for one in triggers if one.is_enabled and isinstance(url := one.settings.get("url"), str)}
    model = offer.model
    return {"url": urls.pop()} if len(urls) == 1 and model is not None and "url" in model.model_fields else {}


def _write(one: _Wanted, name: str, settings: Converted, result: Result) -> None:
    page = result.page
    page.blank()
    page.comment(f'destination "{one.first.name or one.offer.name}" of Segment ({one.first.id})')
    for note in settings.notes:
        page.comment(f"not carried over: {note}")
        result.leave("destination", name, note)
    for trigger in one.triggers:
        _tell_trigger(trigger, name, result)
    page.header("[[destination]]")
    page.keys({"name": name, "plugin": one.offer.name, "mode": "dry-run", "sources": one.sources})
    if not one.first.is_enabled:
        page.key("enabled", False)
    page.header("[destination.settings]")
    page.keys(settings.table)
    for key, value in settings.secrets.items():
        page.key(key, result.secret(f"{name}_{key}", value))
    for key in settings.missing:
        page.key(key, {"env": f"{name}_{key}".upper().replace("-", "_")})
        result.notes.append(f'destination "{name}": the export does not have {key}; set it before going live')
    for table, fault in one.filters:
        _write_filter(table, fault, name, result)


def _tell_trigger(trigger: Trigger, name: str, result: Result) -> None:
    """Mappings are the plugin's affair, but what they let through is something that people chose."""
    state = "" if trigger.is_enabled else " (disabled)"
    words = (
        f'mapping "{trigger.name}"{state}: the plugin maps by itself. Its trigger was: {trigger.expression or "none"}'
    )
    result.page.comment(f"not carried over: {words}")
    result.leave("destination", name, words)


def _write_filter(table: Mapping[str, Any], fault: str, name: str, result: Result) -> None:
    page = result.page
    if fault:
        page.comment(f'not carried over: filter "{table["title"]}": {fault}')
        page.comment(
            "Do not set this destination live before you have put this right: events that it should stop would be sent."
        )
        result.leave("destination", name, f'filter "{table["title"]}": {fault}')
    page.header("#[[destination.filters]]" if fault else "[[destination.filters]]")
    page.keys(table, is_comment=bool(fault))
