"""What is to be said of the nodes that share a store, from the answer of `/api/cluster`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.explain.figures import instant, span

TRIMS = "housekeeping"
DUTIES = {TRIMS: "trims the log", "notices": "sends the messages of [notify]"}
"""What one node at a time does for all. The second only where `[notify]` has an address."""


def duties(told: Mapping[str, Any]) -> Iterator[str]:
    """Who does what for all."""
    for one in told["duties"]:
        what = DUTIES.get(one["duty"], one["duty"])
        if one["node"]:
            yield f"{one['node']} {what}"
        elif one["duty"] == TRIMS:
            yield f"no node {what} now; one will within a minute"


def unit(one: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    """A destination; one of its shards by number, where it is split: `crm 2/4`."""
    shards = sum(other["destination"] == one["destination"] for other in told["units"])
    return f"{one['destination']} {one['shard'] + 1}/{shards}" if shards > 1 else str(one["destination"])


def without_owner(told: Mapping[str, Any]) -> Iterator[str]:
    """Destinations that no node delivers to."""
    for one in told["units"]:
        if one["node"] is None and one["without_owner_s"]:
            yield f"no node has delivered to {unit(one, told)} for {span(one['without_owner_s'])}"


def differences(told: Mapping[str, Any]) -> Iterator[str]:
    """Where nodes that live are not alike."""
    for one in told["differs"]:
        sides = [f"{_said(one, side['value'])} at {', '.join(side['nodes'])}" for side in one["sides"]]
        more = "; no node that lives has the active one" if _is_missing(one) else ""
        yield f"{one['what']} differs: {'; '.join(sides)}{more}"


def alive(node: Mapping[str, Any]) -> str:
    """Whether it gives signs of life."""
    return "yes" if node["is_alive"] else f"no, since {instant(node['alive_until'])}"


def _said(one: Mapping[str, Any], value: str | None) -> str:
    if value is None:
        return "not configured"
    if one["what"] == "version":
        return value
    if one["active"] is None:
        return f"as {value[:6]}"
    return "active" if value == one["active"] else "not active"


def _is_missing(one: Mapping[str, Any]) -> bool:
    return one["active"] is not None and all(side["value"] != one["active"] for side in one["sides"])
