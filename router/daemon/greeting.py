"""What a person who starts the daemon at a terminal wants to know first."""

from __future__ import annotations

from collections.abc import Sequence

from router.config import DestinationConfig


def greeting(ingest_url: str, admin_url: str, hint: str, destinations: Sequence[DestinationConfig]) -> str:
    """The addresses, a line to paste, and a note where every destination is in dry run.

    Args:
        hint: the line to paste.
    """
    lines = [f"Segment calls:  {ingest_url}", f"Admin API:      {admin_url}", f"Send an event:  {hint}"]
    enabled = [destination for destination in destinations if destination.enabled]
    if enabled and not any(destination.is_live for destination in enabled):
        lines.append(f"Dry run:        nothing is sent to {', '.join(destination.name for destination in enabled)}")
    return "\n".join(["", *lines, ""])
