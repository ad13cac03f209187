"""A trial as pytest lines: the event, what was known, and what the plugin made of it. They use the plugin contract only."""

from __future__ import annotations

import pprint
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from router.plugin import Context, Event, Item, Outcome, Profile
from router.plugin_host import Destination

WIDTH = 108
FIELDS = ("type", "message_id", "source", "user_id", "anonymous_id", "group_id", "previous_id", "name", "category")
INSTANTS = ("timestamp", "original_timestamp", "received_at")
OBJECTS = ("traits", "properties", "options", "payload")


def as_test(
    destination: Destination, event: Event, context: Context | None, made: Sequence[Item] | Outcome | None
) -> str:
    """A test of this mapping.

    Args:
        made: the items, or the outcome that the hook raised; None: it raised something else.
    """
    plugin, settings = type(destination.instance), type(destination.settings)
    raised = type(made).__name__ if isinstance(made, Outcome) else ""
    names = ["Context", "Event", "Item", *(["Profile"] if _profiles(context) else []), *([raised] if raised else [])]
    lines = [
        "from datetime import datetime",
        "",
        *(["import pytest", ""] if raised else []),
        f"from router.plugin import {', '.join(sorted(names))}",
        *_imports(plugin, settings),
        "",
        "",
        f"def test_{_slug(event)}() -> None:",
        f"    plugin = {plugin.__qualname__}({settings.__qualname__}.model_validate({_value(_settings(destination))}))",
        "    event = Event(",
        *(f"        {line}," for line in _event(event)),
        "    )",
        f"    context = Context({', '.join(_context(context))})",
        *_expected(event.type, made, raised),
    ]
    return destination.redact("\n".join(lines) + "\n")


def _imports(*classes: type[Any]) -> list[str]:
    modules: dict[str, list[str]] = {}
    for one in classes:
        file = getattr(sys.modules.get(one.__module__), "__file__", None)
        is_single = one.__module__.startswith("segment_router_plugin_") and file
        name = Path(str(file)).stem if is_single else one.__module__
        modules.setdefault(name, []).append(one.__qualname__)
    return [f"from {name} import {', '.join(sorted(set(found)))}" for name, found in sorted(modules.items())]


def _slug(event: Event) -> str:
    words = re.sub(r"[^a-z0-9]+", "_", f"{event.type}_{event.name or event.group_id or ''}".lower()).strip("_")
    return words[:60].rstrip("_")


def _settings(destination: Destination) -> Mapping[str, Any]:
    """What config.toml sets. Secrets are stars: put others in their place."""
    settings: Mapping[str, Any] = destination.settings.model_dump(mode="json", exclude_unset=True)
    return settings


def _event(event: Event) -> list[str]:
    given = [f"{name}={value!r}" for name in FIELDS if (value := getattr(event, name)) is not None]
    given += [f"{name}=datetime.fromisoformat({getattr(event, name).isoformat()!r})" for name in INSTANTS]
    return given + [f"{name}={_value(value, 8)}" for name in OBJECTS if (value := getattr(event, name))]


def _profiles(context: Context | None) -> dict[str, Profile]:
    found = {} if context is None else {"user": context.user, "group": context.group}
    return {name: profile for name, profile in found.items() if profile is not None}


def _context(context: Context | None) -> list[str]:
    given = [f"{key}=Profile({who.id!r}, {_value(who.traits, 4)})" for key, who in _profiles(context).items()]
    if context is not None and context.previous_group_id is not None:
        given.append(f"previous_group_id={context.previous_group_id!r}")
    return given


def _expected(type: str, made: Sequence[Item] | Outcome | None, raised: str) -> list[str]:
    call = f"plugin.{type}(event, context)"
    if made is None:
        return [f"    {call}  # it raised: see the traceback"]
    if isinstance(made, Outcome):
        lines = [f"    with pytest.raises({raised}) as outcome:", f"        {call}"]
        return [*lines, f"    assert outcome.value.reason == {getattr(made, 'reason', '')!r}"]
    bodies = [f"        ({_value(item.body, 8)}, {item.kind!r})," for item in made]
    return [
        f"    made = {call}",
        "    items = [made] if isinstance(made, Item) else list(made)",
        "    assert [(item.body, item.kind) for item in items] == [",
        *bodies,
        "    ]",
    ]


def _value(value: Any, indent: int = 4) -> str:
    return pprint.pformat(value, width=WIDTH, sort_dicts=False).replace("\n", "\n" + " " * (indent + 4))
