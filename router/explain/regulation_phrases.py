"""A regulation in words: what was erased, and what the destinations came to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ERASED = {
    "events": ("stored event", "stored events"), "waiting": ("event that waited", "events that waited"),
    "dead": ("dead letter", "dead letters"), "directory": ("row of the directory", "rows of the directory"),
    "texts": ("text that named them", "texts that named them"),
}  # fmt: skip
"""What a regulation counts, in words: of one, of several."""


def regulation(told: Mapping[str, Any]) -> list[str]:
    """A regulation, in lines."""
    first = f"{told['id']}: {told['regulationType']}, {told['overallStatus']}"
    erased = [f"    {n:,} {ERASED.get(name, (name, name))[n != 1]}" for name, n in told["erased"].items()]
    lines = [first, *(["erased:", *erased] if erased else [])]
    if told["finishedAt"] and not erased and "DELETE" in told["regulationType"]:
        lines.append("nothing found")
    tools = [tool for stream in told["streamStatus"] for tool in stream["destinationStatus"]]
    lines += [
        f"{tool['name']}: {tool['status']}" + (f", {tool['errString']}" if tool["errString"] else "") for tool in tools
    ]
    return [*lines, *([told["note"]] if told["note"] else [])]
