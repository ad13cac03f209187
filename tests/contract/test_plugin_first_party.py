"""What every plugin of our own keeps to, as a third party's would: the hooks, documented settings, and one import."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import Any

import pluggy
import pytest

from plugins.braze import Braze
from plugins.clientsuccess import ClientSuccess
from plugins.file import File
from plugins.freshsuccess import Freshsuccess
from plugins.http import Http
from plugins.postgres import Postgres
from plugins.segment import Segment
from plugins.webhook import Webhook
from router.plugin import Hooks

PLUGINS = [
    (Braze, {"api_key": "K"}),
    (ClientSuccess, {"project_id": "P", "api_key": "K"}),
    (File, {"path": "events.jsonl"}),
    (Freshsuccess, {"event_auth_key": "A", "event_api_key": "K"}),
    (Http, {"url": "https://example.com/v1", "track": {"body": {"name": "${event}"}}}),
    (Postgres, {"dsn": "postgresql://loader:secret-password@localhost/events"}),
    (Segment, {"write_key": "K"}),
    (Webhook, {"url": "https://example.com/hook", "shared_secret": "S"}),
]
EXTRAS = {"plugins.postgres": ("asyncpg",)}
"""Libraries that come with an extra of the plugin's name."""
every_plugin = pytest.mark.parametrize(
    ("plugin", "settings"), PLUGINS, ids=lambda value: getattr(value, "__name__", "")
)


@every_plugin
def test_hooks_register_with_the_names_and_parameters_of_the_contract(plugin: Any, settings: dict[str, Any]) -> None:
    manager = pluggy.PluginManager("segment_router")
    manager.add_hookspecs(Hooks)
    instance = plugin(plugin.settings_model.model_validate(settings))
    manager.register(instance, name="destination")
    manager.check_pending()
    marked = {caller.name for caller in manager.get_hookcallers(instance) or []}
    assert marked == {name for name in vars(Hooks) if not name.startswith("_") and hasattr(instance, name)}


@pytest.mark.parametrize(
    ("plugin", "names"),
    [
        (Braze, {"Appboy", "Braze Cloud Mode (Actions)", "Braze Web Mode (Actions)"}),
        (Freshsuccess, {"Natero"}),
        (Webhook, {"Webhook", "Webhooks", "Webhooks (Actions)"}),
    ],
)
def test_a_plugin_lists_the_names_that_its_tool_has_had_at_segment(plugin: Any, names: set[str]) -> None:
    assert names <= set(plugin.display_names)


@every_plugin
def test_secrets_are_never_shown(plugin: Any, settings: dict[str, Any]) -> None:
    secrets = {name: f"secret-{name}" for name in settings if name.endswith(("key", "secret"))}
    shown = repr(plugin.settings_model.model_validate({**settings, **secrets}))
    assert [name for name, secret in secrets.items() if secret in shown] == []


@every_plugin
def test_a_plugin_imports_the_contract_the_standard_library_and_what_its_extra_brings(
    plugin: Any, settings: dict[str, Any]
) -> None:
    source = Path(inspect.getfile(plugin))
    own = f"plugins.{source.parent.name}"
    files = source.parent.glob("*.py") if source.name == "__init__.py" else [source]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                allowed = (
                    name == "router.plugin"
                    or name.startswith(own)
                    or name.split(".")[0] in {*sys.stdlib_module_names, *EXTRAS.get(own, ())}
                )
                assert allowed, f"{file.name} imports {name}"


@every_plugin
def test_what_an_answer_means_stands_in_verdict_py(plugin: Any, settings: dict[str, Any]) -> None:
    package = Path(inspect.getfile(plugin)).parent
    assert (package / "verdict.py").is_file()
    statuses = [
        node
        for file in package.glob("*.py")
        if file.name != "verdict.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in ("verdict", "deliver")
        for node in ast.walk(node)
        if isinstance(node, ast.Attribute) and node.attr == "status"
    ]
    assert not statuses, "the hooks themselves decide no status"
