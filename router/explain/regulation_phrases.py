"""A regulation in words: what was erased, and what the destinations came to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ERASED = {
    "events": "stored events", "waiting": "events that waited", "dead": "dead letters", "directory": "rows of the directory",
    "texts": "texts that named them",
}  # fmt: skip
"""What a regulation counts, in words."""


def regulation(told: Mapping[str, Any]) -> list[str]:
    """A regulation, in lines."""
    first = f"{told['id']}: {told['regulationType']}, {told['overallStatus']}"
    erased = [f"    {n:,} {ERASED.get(name, name)}" for name, n in told["erased"].items()]
    lines = [first, *(["erased:", *erased] if erased else [])]
    if told["finishedAt"] and not erased and "DELETE" in told["regulationType"]:
        lines.append("nothing found")
    tools = [tool for stream in told["streamStatus"] for tool in stream["destinationStatus"]]
    lines += [
        f"{tool['name']}: {tool['status']}" + (f", {tool['errString']}" if tool["errString"] else "") for tool in tools
    ]
    return [*lines, *([told["note"]] if told["note"] else [])]
