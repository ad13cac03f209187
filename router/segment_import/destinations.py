"""Destinations of a workspace, written as `[[destination]]` tables. All begin in dry-run.

At Segment a destination belongs to one source. The same tool with the same settings and filters at several sources is one here: only then
events of one user stay in order. Where the export hides a setting nobody can tell, so each is one of its own, and a note says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from router.editing.catalogue import Offer
from router.segment_import.filters import convert_filter
from router.segment_import.names import Names
from router.segment_import.result import Result
from router.segment_import.settings import HIDDEN, Converted, convert_settings
from router.segment_import.tools import plugin_for, tool_of
from router.segment_import.workspace import Destination, Trigger, Workspace


class _Wanted(NamedTuple):
    """A destination here, and the ones at Segment that it stands for: those of other sources are the same as the first."""

    offer: Offer
    members: list[Destination]
    sources: list[str]
    settings: Converted
    filters: Sequence[tuple[dict[str, Any], str]]
    triggers: Sequence[Trigger]
    looks: str  #: all of it that the export shows
    is_whole: bool  #: the export shows all of it

    @property
    def first(self) -> Destination:
        """The one whose name it has."""
        return self.members[0]


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
    names = Names()
    partly: dict[str, str] = {}  # names of those of which the export hides something, by what it shows
    for one in _merged(_all_wanted(workspace, result, offers, sources)):
        name = names.give(one.first.name, one.offer.name)
        if not one.is_whole and (other := partly.setdefault(one.looks, name)) != name:
            result.notes.append(
                f'destination "{name}": all that the export shows of it is as in "{other}", but it hides some; '
                f'if it is the same account, remove it and add its source to "{other}"'
            )
        _write(one, name, result)


def _all_wanted(
    workspace: Workspace, result: Result, offers: Sequence[Offer], sources: Mapping[str, str]
) -> Iterator[_Wanted]:
    """One for each of Segment's. Those that cannot be carried over are named."""
    owned = _Owned(workspace)
    for destination in workspace.destinations:
        tool, name = tool_of(destination), destination.name or destination.id
        offer = plugin_for(destination, offers)
        if offer is None:
            unknown = f"the export has only the id of its tool ({destination.catalog_id}); `terraform show -json` and the Public API name it"
            result.leave("destination", name, f"there is no plugin for {tool} here" if tool else unknown)
        elif destination.source_id not in sources:
            result.leave("destination", name, f"its source ({destination.source_id}) is not carried over")
        else:
            is_read = destination.id not in workspace.partly_read
            yield _wanted(destination, offer, sources[destination.source_id], owned, is_read=is_read)


def _wanted(destination: Destination, offer: Offer, source: str, owned: _Owned, *, is_read: bool) -> _Wanted:
    """`is_read`: nothing of it, its filters and its mappings is an expression that only Terraform can evaluate."""
    assert offer.model is not None
    filters = [convert_filter(values) for values in owned.filters.get(destination.id, ())]
    triggers = owned.triggers.get(destination.id, [])
    given = {**_from_triggers(offer, triggers), **destination.settings}
    settings = convert_settings(offer.model, given)
    shown = [offer.name, destination.is_enabled, given, [one[1:] for one in triggers], filters]
    looks = json.dumps(shown, sort_keys=True, default=str, ensure_ascii=False)
    is_whole = is_read and not settings.missing and not HIDDEN.search(looks)
    return _Wanted(offer, [destination], [source], settings, filters, triggers, looks, is_whole)


def _merged(all_wanted: Iterable[_Wanted]) -> Sequence[_Wanted]:
    """Those that are the same at several sources as one each. Two of one source stay two, as Segment sends to both."""
    found: list[_Wanted] = []
    merged: dict[tuple[str, int], _Wanted] = {}
    at_source: Counter[tuple[str, str]] = Counter()
    for one in all_wanted:
        if one.is_whole:
            (source,) = one.sources
            at_source[one.looks, source] += 1
            first = merged.setdefault((one.looks, at_source[one.looks, source]), one)
            if first is not one:
                first.members.extend(one.members)
                first.sources.append(source)
                continue
        found.append(one)
    return found


def _from_triggers(offer: Offer, triggers: Sequence[Trigger]) -> dict[str, Any]:
    """The address of a webhook: Segment's Actions have it in each mapping."""
    urls = {url for one in triggers if one.is_enabled and isinstance(url := one.settings.get("url"), str)}
    model = offer.model
    return {"url": urls.pop()} if len(urls) == 1 and model is not None and "url" in model.model_fields else {}


def _write(one: _Wanted, name: str, result: Result) -> None:
    page, settings = result.page, one.settings
    page.blank()
    members = [f'"{member.name or one.offer.name}" ({member.id})' for member in one.members]
    page.comment(f"destination {members[0]} of Segment")
    for member in members[1:]:
        page.comment(f"and {member}, which is the same at another source")
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
