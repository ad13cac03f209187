"""One resource of Segment as part of a workspace: the names are those of its Terraform provider, in snake case.

Source: docs/resources of github.com/segmentio/terraform-provider-segment, and the models of github.com/segmentio/public-api-sdk-python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from router.segment_import.workspace import (
    Connection,
    Destination,
    Left,
    Plan,
    Source,
    Trigger,
    Workspace,
    from_json,
    items,
    table,
    text,
)

Values = Mapping[str, Any]

_WRITE_KEY = r"[!-9;-~]+"
"""What config.toml takes for one."""


def add(workspace: Workspace, kind: str, values: Values) -> None:
    """Add a resource. `kind`: `segment_source`, and so on; of a kind that is not read, its name is kept."""
    id = text(values.get("id"))
    if id and (kind, id) in workspace.seen:
        return  # the same thing in another file, or in another form
    workspace.seen.add((kind, id))
    reader = READERS.get(kind)
    if reader is None:
        workspace.left.append(Left(kind, text(values.get("name")) or id))
    else:
        reader(workspace, values)


def decoded(value: Any) -> Any:
    """Terraform has JSON in texts where the Public API has it as it is."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value)
    except ValueError:
        return None


def _source(workspace: Workspace, values: Values) -> None:
    metadata = table(values.get("metadata"))
    keys = values.get("write_keys")
    name = text(values.get("name")) or text(values.get("slug")) or text(values.get("id"))
    workspace.sources.append(
        Source(
            text(values.get("id")),
            name,
            values.get("enabled") is not False,
            tuple(key for key in keys if isinstance(key, str) and re.fullmatch(_WRITE_KEY, key))
            if isinstance(keys, list)
            else (),
            metadata.get("is_cloud_event_source") is True or metadata.get("isCloudEventSource") is True,
        )
    )


def _destination(workspace: Workspace, values: Values) -> None:
    metadata = table(values.get("metadata"))
    before = metadata.get("previous_names") or metadata.get("previousNames") or []
    names = (metadata.get("name"), metadata.get("slug"), *(before if isinstance(before, list) else []))
    workspace.destinations.append(
        Destination(
            text(values.get("id")),
            text(values.get("name")) or text(metadata.get("name")),
            values.get("enabled") is not False,
            text(values.get("source_id")),
            tuple(name for name in names if isinstance(name, str) and name),
            text(metadata.get("id")),
            _settings(workspace, text(values.get("id")), values),
        )
    )


def _settings(workspace: Workspace, destination_id: str, values: Values) -> Values:
    """Settings of a destination, or of a mapping of it."""
    given = values.get("settings")
    found = decoded(given)
    if found is None and given not in (None, "", "null"):
        workspace.partly_read.add(destination_id)
        workspace.unread.append(f"settings of {text(values.get('name')) or destination_id}: they are no JSON")
    return table(found)


def _filter(workspace: Workspace, values: Values) -> None:
    workspace.filters.append((text(values.get("destination_id")), values))


def _trigger(workspace: Workspace, values: Values) -> None:
    settings = _settings(workspace, text(values.get("destination_id")), values)
    is_enabled = values.get("enabled") is not False
    expression = text(values.get("trigger"))
    owner, name = text(values.get("destination_id")), text(values.get("name"))
    workspace.triggers.append(Trigger(owner, name, is_enabled, expression, settings))


def _plan(workspace: Workspace, values: Values) -> None:
    id = text(values.get("id"))
    workspace.plans.append(Plan(id, text(values.get("name")) or id))
    add_rules(workspace, id, values.get("rules"))


def _rules(workspace: Workspace, values: Values) -> None:
    add_rules(workspace, text(values.get("tracking_plan_id")), values.get("rules"))


def add_rules(workspace: Workspace, plan_id: str, rules: Any) -> None:
    """Rules of a plan, in either spelling."""
    for rule in items(rules):
        schema = rule["jsonSchema"] if "jsonSchema" in rule else decoded(rule.get("json_schema"))
        found = {key: rule.get(key) for key in ("type", "key", "version")}
        workspace.rules.setdefault(plan_id, []).append({**found, "jsonSchema": schema})


def _connection(workspace: Workspace, values: Values) -> None:
    source_id = text(values.get("source_id"))
    workspace.connections.append(Connection(text(values.get("tracking_plan_id")), source_id))
    if settings := table(values.get("schema_settings")):
        workspace.on_violation[source_id] = settings


READERS: Mapping[str, Callable[[Workspace, Values], None]] = {
    "segment_source": _source,
    "segment_destination": _destination,
    "segment_destination_filter": _filter,
    "segment_destination_subscription": _trigger,
    "segment_tracking_plan": _plan,
    "segment_tracking_plan_rules": _rules,
    "segment_source_tracking_plan_connection": _connection,
}
