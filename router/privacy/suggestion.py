"""From what looks personal to tables of `[source.privacy]` that can be used as they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from router.config.mapping_paths import within
from router.config.privacy_rules import IDS, OBJECTS
from router.personal_data.tally import ODD_KEY

HASHED = frozenset({"email", "phone"})
"""What tools recognise people by, so that a hash of it is still of use. All else is dropped."""

LEFT_ALONE = "name"
"""What is only told: to drop it would take the names of groups too."""

_IDS_AT = {".".join(place): id for id, places in reversed(IDS.items()) for place in places}

Reasons = dict[str, dict[str, dict[str, int]]]
"""path -> what -> `name` or `shape` -> events"""


@dataclass
class Suggestion:
    """What one source might take."""

    drop: list[str] = field(default_factory=list)
    hash: list[str] = field(default_factory=list)
    only_told: list[str] = field(default_factory=list)  #: paths that cannot be named, or should not be dropped at once
    reasons: Reasons = field(default_factory=dict)


def suggest(found: Iterable[Mapping[str, Any]]) -> dict[str, Suggestion]:
    """A suggestion for each source, by its name.

    Args:
        found: as the admin API gives it: `source`, `path`, `what`, `by`, `events`.
    """
    suggested: dict[str, Suggestion] = {}
    for one in found:
        path = _named(one["path"])
        reasons = (
            suggested.setdefault(one["source"], Suggestion()).reasons.setdefault(path, {}).setdefault(one["what"], {})
        )
        reasons[one["by"]] = reasons.get(one["by"], 0) + one["events"]
    for suggestion in suggested.values():
        _sort_out(suggestion)
    return suggested


def _named(path: str) -> str:
    """The path by which config.toml names a value: one path means the traits of the call and those in its context."""
    for place, id in _IDS_AT.items():
        if within(tuple(path.split(".")), tuple(place.split("."))):
            return id
    return path.removeprefix("context.") if path.startswith("context.traits.") else path


def _sort_out(suggestion: Suggestion) -> None:
    for path in sorted(suggestion.reasons, key=lambda path: path.split(".")):  # what is around a path comes before it
        kinds = suggestion.reasons[path].keys()
        if any(within(tuple(path.split(".")), tuple(outer.split("."))) for outer in suggestion.drop):
            continue
        if ODD_KEY in path.split(".") or kinds <= {LEFT_ALONE} or path.startswith("context.consent"):
            suggestion.only_told.append(path)
        elif path in IDS or (
            kinds <= HASHED | {LEFT_ALONE} and path not in OBJECTS and not _has_inner(path, suggestion)
        ):
            suggestion.hash.append(path)
        else:
            suggestion.drop.append(path)


def _has_inner(path: str, suggestion: Suggestion) -> bool:
    """Whether there is a finding inside it: an object in some events, which has no hash."""
    return any(other.startswith(f"{path}.") for other in suggestion.reasons)
