"""The configurations that docs/destinations/http.md shows, as settings of the http plugin."""

from __future__ import annotations

import tomllib
from typing import Any

from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs/destinations/http.md"


def shown(name: str, **secrets: str) -> dict[str, Any]:
    """The settings of the destination of this name, with the secrets looked up by the names of their variables."""
    tables = [table for block in blocks(PAGE, "toml") for table in tomllib.loads(block.text)["destination"]]
    [settings] = [table["settings"] for table in tables if table["name"] == name]
    return {key: _looked_up(value, secrets) for key, value in settings.items()}


def clientsuccess(base_url: str, project: str = "PID", key: str = "KEY", **more: Any) -> dict[str, Any]:
    """ClientSuccess by configuration, at another address. `project`: as it is in a path."""
    settings = shown("clientsuccess-by-config", CLIENTSUCCESS_API_KEY=key)
    return {**settings, "url": f"{base_url.rstrip('/')}/collector/1.0.0/projects/{project}", **more}


def braze(base_url: str, key: str = "KEY", **more: Any) -> dict[str, Any]:
    """Braze by configuration, at another address."""
    settings = shown("braze-by-config", BRAZE_AUTHORIZATION=f"Bearer {key}")
    return {**settings, "url": base_url, **more}


def _looked_up(value: Any, secrets: dict[str, str]) -> Any:
    if isinstance(value, dict) and set(value) == {"env"}:
        return secrets[value["env"]]
    return {key: _looked_up(inner, secrets) for key, inner in value.items()} if isinstance(value, dict) else value
