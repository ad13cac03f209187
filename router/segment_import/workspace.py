"""What is read of a Segment workspace. Every form of an export becomes this."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Source(NamedTuple):
    """A source. `is_fetched`: Segment fetches from it, as from a cloud app; nothing sends to it."""

    id: str
    name: str
    is_enabled: bool
    write_keys: tuple[str, ...]
    is_fetched: bool


class Destination(NamedTuple):
    """A destination of one source. `tool`: what Segment calls the tool, as far as the export says it; empty if it only has its id."""

    id: str
    name: str
    is_enabled: bool
    source_id: str
    tool: tuple[str, ...]
    catalog_id: str
    settings: Mapping[str, Any]


class Trigger(NamedTuple):
    """A mapping of an Actions destination: which events it takes, and what it makes of them."""

    destination_id: str
    name: str
    is_enabled: bool
    expression: str
    settings: Mapping[str, Any]


class Plan(NamedTuple):
    """A tracking plan without its rules."""

    id: str
    name: str


class Connection(NamedTuple):
    """A source that has a tracking plan, with what becomes of violations."""

    plan_id: str
    source_id: str


class Left(NamedTuple):
    """Something of a kind that is not read."""

    kind: str
    name: str


@dataclass
class Workspace:
    """All of it, in the order of the files."""

    sources: list[Source] = field(default_factory=list)
    destinations: list[Destination] = field(default_factory=list)
    filters: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)  #: with the id of their destination
    triggers: list[Trigger] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    rules: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  #: by the id of their plan
    connections: list[Connection] = field(default_factory=list)
    on_violation: dict[str, Mapping[str, Any]] = field(default_factory=dict)  #: by the id of the source
    left: list[Left] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)  #: kinds and ids
    unread: list[str] = field(default_factory=list)  #: what could not be read, and why
    partly_read: set[str] = field(default_factory=set)  #: ids of destinations of which something could not be read

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it that could be carried over."""
        return not (self.sources or self.destinations or self.plans)


class HalfCharacter(ValueError):
    """A text has one half of a surrogate pair in it, which no file can hold."""

    def __init__(self, half: str) -> None:
        super().__init__(f"a text has half of a character in it ({half!a})")


_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def from_json(content: str) -> Any:
    """JSON of an export. Raises ValueError, HalfCharacter too."""
    found = json.loads(content)
    if _HALF.search(content):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise HalfCharacter(error.object[error.start]) from None
    return found


def text(value: Any) -> str:
    """A text of an export; empty for anything else."""
    return value if isinstance(value, str) else ""


def table(value: Any) -> Mapping[str, Any]:
    """An object of an export; empty for anything else."""
    return value if isinstance(value, Mapping) else {}


def items(value: Any) -> Sequence[Mapping[str, Any]]:
    """The objects in a list of an export."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
