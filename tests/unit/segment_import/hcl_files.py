"""Workspaces in HCL, with expressions of every kind."""

from __future__ import annotations

from collections.abc import Mapping

from router.segment_import.hcl import read_hcl
from router.segment_import.workspace import Workspace


def hcl(*blocks: tuple[str, str, Mapping[str, str]]) -> Workspace:
    """Resources: each with its kind, its name, and its attributes as expressions."""
    workspace = Workspace()
    bodies = (
        (kind, name, "".join(f"  {key} = {value}\n" for key, value in body.items())) for kind, name, body in blocks
    )
    read_hcl(
        [("all.tf", "".join(f'resource "segment_{kind}" "{name}" {{\n{body}}}\n' for kind, name, body in bodies))],
        workspace,
    )
    return workspace


SOURCES = tuple(("source", name, {"name": f'"{name}"', "enabled": "true"}) for name in ("web", "app"))
WEBHOOK = {"metadata": '{ id = "614a3c7d791c91c41bae7599" }', "enabled": "true"}


def webhook(name: str, source: str, settings: str) -> tuple[str, str, Mapping[str, str]]:
    body = {**WEBHOOK, "name": f'"{name}"', "source_id": f"segment_source.{source}.id", "settings": settings}
    return ("destination", name, body)
