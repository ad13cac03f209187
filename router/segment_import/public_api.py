"""Answers of Segment's Public API, as they came: `GET /sources`, `/destinations`, `/tracking-plans`, and those about one of them.

An answer about one plan or source does not name it. The file does: `tp_1.rules.json`, `tp_1.sources.json`, `s1.settings.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from router.segment_import.resources import add, add_rules
from router.segment_import.workspace import Connection, Workspace, items, table, text

LISTS: Mapping[str, str] = {
    "sources": "segment_source",
    "destinations": "segment_destination",
    "filters": "segment_destination_filter",
    "subscriptions": "segment_destination_subscription",
    "trackingPlans": "segment_tracking_plan",
    "warehouses": "segment_warehouse",
    "functions": "segment_function",
    "transformations": "segment_transformation",
    "reverseEtlModels": "segment_reverse_etl_model",
    "labels": "segment_label",
    "users": "segment_user",
    "userGroups": "segment_user_group",
}
"""What an answer lists, by its key, as the Terraform provider calls it. Without its plural, it is an answer with one of them."""

_SNAKE = re.compile(r"(?<=[a-z0-9])([A-Z])")


def read_answers(answers: Sequence[tuple[str, Any]], workspace: Workspace) -> None:
    """Add what answers say. `answers`: each with the name of its file, without the folder."""
    bodies = [(name, body) for name, answer in answers for body in _bodies(answer)]
    plans = {text(plan.get("id")) for _, body in bodies for plan in _listed(body, "trackingPlans")}
    for name, body in bodies:
        if not _read(name, body, plans, workspace):
            workspace.unread.append(f"{name}: no answer of Segment's Public API, and no JSON of Terraform")


def _bodies(answer: Any) -> list[Mapping[str, Any]]:
    """An answer with or without its envelope, or several in one list, as `jq -s` makes them."""
    answers = [one for one in answer if isinstance(one, Mapping)] if isinstance(answer, list) else [table(answer)]
    return [one["data"] if isinstance(one.get("data"), Mapping) else one for one in answers or [{}]]


def _read(name: str, body: Mapping[str, Any], plans: set[str], workspace: Workspace) -> bool:
    """Whether it was an answer that is known."""
    subject = name.partition(".")[0]
    if subject in plans and "sources" in body:
        workspace.connections += [Connection(subject, text(one.get("id"))) for one in _listed(body, "sources")]
        return True
    known = False
    for key, kind in LISTS.items():
        for one in _listed(body, key):
            add(workspace, kind, _snake(one))
        known = known or key in body or key[:-1] in body
    if "rules" in body:
        known = True
        if subject in plans:
            add_rules(workspace, subject, body["rules"])
        else:
            workspace.unread.append(f"{name}: rules of a plan; name the file after the plan's id, e.g. tp_1.rules.json")
    if isinstance(body.get("settings"), Mapping) and not known:
        known = True
        workspace.on_violation[subject] = table(_snake_all(body["settings"]))
    return known


def _listed(body: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
    one = body.get(key[:-1])
    return [one] if isinstance(one, Mapping) else items(body.get(key))


def _snake(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_SNAKE.sub(r"_\1", key).lower(): value for key, value in values.items()}


def _snake_all(value: Any) -> Any:
    return {key: _snake_all(inner) for key, inner in _snake(value).items()} if isinstance(value, Mapping) else value
