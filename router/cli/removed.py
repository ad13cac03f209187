"""What the command line says of destinations that config.toml has no more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from router.cli.endpoint import program
from router.cli.options import Common, hint
from router.explain import destination_phrases
from router.explain.command_lines import drop_destination


def removed_lines(told: Mapping[str, Any], common: Common, states: Collection[str] | None = None) -> list[str]:
    """A sentence for each of them. `told`: an answer that has them as `removed`; one of an older daemon does not. `states`: only those of which
    something is kept in one of these."""
    return [
        destination_phrases.removed(row, f"{program()} {drop_destination(row['name'])}{hint(common)}")
        for row in told.get("removed", [])
        if states is None or any(row.get(state) for state in states)
    ]
