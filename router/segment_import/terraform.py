"""Terraform's JSON: what `terraform show -json` prints, and a state file. Every value is in it, references are resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from router.segment_import.resources import add
from router.segment_import.workspace import Workspace, items, table, text


def is_terraform(document: Any) -> bool:
    """Whether a JSON document has one of these forms."""
    if not isinstance(document, Mapping):
        return False
    return "terraform_version" in document or "root_module" in table(document.get("values"))


def read_terraform(document: Mapping[str, Any], workspace: Workspace) -> None:
    """Add the resources of a document. What is not Segment's is left alone."""
    root = table(table(document.get("values") or document.get("planned_values")).get("root_module"))
    for kind, values in (*_in_module(root), *_in_state(document)):
        if kind.startswith("segment_"):
            add(workspace, kind, values)


def _in_module(module: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for resource in items(module.get("resources")):
        if resource.get("mode") == "managed":
            yield text(resource.get("type")), table(resource.get("values"))
    for below in items(module.get("child_modules")):
        yield from _in_module(below)


def _in_state(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for resource in items(document.get("resources")):
        if resource.get("mode") == "managed":
            for instance in items(resource.get("instances")):
                yield text(resource.get("type")), table(instance.get("attributes"))
