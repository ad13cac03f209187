"""What is wrong with a destination's `filter` and `filters`, and what is odd about them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from router.config.filter_tables import FilterAction, FilterTable
from router.config.messages import blank_ends
from router.config.model import ConfigWarning, DestinationConfig
from router.filters import FilterError, advice_on, compile_condition, compile_value, holds_for_type

PROTECTED = ("messageId", "type")
"""Keys of an event without which nothing can be sent."""


def filter_problems(destination: DestinationConfig) -> list[str]:
    """Every fault, each with the key below the destination, the reason and the remedy."""
    problems = list(_refused("filter", compile_condition, destination.filter)) if destination.filter else []
    for index, table in enumerate(destination.filters):
        where = f"filters[{index}] ({table.title})"
        if table.condition.strip():
            problems += _refused(f"{where}.if", compile_condition, table.condition)
        else:
            problems.append(f"{where}.if: there is no condition; write e.g. \"event = 'Paid'\", or all for every event")
        for place, action in enumerate(table.actions):
            problems += [f"{where}.actions[{place}]{fault}" for fault in _action_faults(action)]
    return problems


def _refused(key: str, compile_text: Callable[[str], object], text: str) -> Iterator[str]:
    try:
        compile_text(text)
    except FilterError as error:
        yield f"{key}: {error}"


def _action_faults(action: FilterAction) -> Iterator[str]:
    if action.type == "SAMPLE":
        if action.percent is None:
            yield ".percent: required for SAMPLE; write the share that goes on, e.g. 0.1 for one event in ten"
        if action.path:
            yield from _refused(".path", compile_value, action.path)
    elif action.percent is not None or action.path:
        yield f": percent and path belong to SAMPLE, and this is {action.type}; leave them out"
    if action.type in ("DROP_PROPERTIES", "ALLOW_PROPERTIES"):
        if not action.fields:
            yield f'.fields: required for {action.type}; write e.g. {{ "properties" = ["email"] }}'
        for path in action.fields:
            if "" in action.fields[path]:
                yield f'.fields."{path}": a name is empty, and no key is; leave it out'
            if path and "" in path.split("."):
                yield f'.fields."{path}": a key between two dots is empty; write e.g. "context.page", or "" for the event itself'
    elif action.fields:
        yield f".fields: belongs to DROP_PROPERTIES and ALLOW_PROPERTIES, and this is {action.type}; leave it out"
    if action.type == "DROP_PROPERTIES" and (kept := [key for key in PROTECTED if key in action.fields.get("", ())]):
        yield f'.fields."": {" and ".join(kept)} cannot be taken out of an event; leave it out of the list'


# ---------------------------------------------------------------- what is odd


def filter_warnings(destination: DestinationConfig) -> list[ConfigWarning]:
    """What faultless filters probably do not mean."""
    found = [("filter", words) for words in (advice_on(destination.filter) if destination.filter else ())]
    for index, table in enumerate(destination.filters):
        found += [(f"filters[{index}].if", words) for words in advice_on(table.condition)]
        found += [(f"filters[{index}].actions", words) for words in blank_ends(_names(table))]
        if table.enabled and any("traits" in path.split(".") for path in _taken_out(table)):
            words = (
                "takes traits out of the event only; a plugin may still get what is remembered of the user or group: to take"
                ' it from there too, write e.g. drop = ["user.email"] in [destination.mapping]'
            )
            found.append((f"filters[{index}].actions", words))
    return [ConfigWarning(destination.name, key, words) for key, words in found]


def _names(table: FilterTable) -> Iterator[str]:
    for action in table.actions:
        for path, names in action.fields.items():
            yield from (*path.split("."), *names)


def _taken_out(table: FilterTable) -> Iterator[str]:
    for action in table.actions:
        if action.type == "DROP_PROPERTIES":
            yield from action.fields


def no_group_calls(destination: DestinationConfig) -> list[ConfigWarning]:
    """The warning that a destination which waits for groups never gets a group call. Its filters are faultless."""
    words = "lets no group call through, so what waits for a group here waits until it expires; let group calls through"
    found = []
    if destination.filter and holds_for_type(destination.filter, "group") is False:
        found.append("filter")
    for index, table in enumerate(destination.filters):
        drops = any(action.type == "DROP" for action in table.actions)
        if table.enabled and drops and holds_for_type(table.condition, "group") is True:
            found.append(f"filters[{index}]")
    return [ConfigWarning(destination.name, key, words) for key in found]
