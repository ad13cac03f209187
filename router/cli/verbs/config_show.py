"""`config show`: what is in force, key by key, and where each value comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.client import Admin, NobodyThere
from router.cli.endpoint import admin_of, operator_of
from router.cli.lazy import lazy
from router.cli.options import ENV, Common, asks
from router.cli.output import say, say_json, say_table, toml_value, warn

if TYPE_CHECKING:
    from router import plugin_host
    from router.editing import key_values
else:
    key_values = lazy("router.editing.key_values")
    plugin_host = lazy("router.plugin_host")

Key = Annotated[str | None, typer.Argument(metavar="[KEY]", help="Only this key, or those below it: destination.braze")]


@asks
def config_show(common: Common, context: typer.Context, key: Key = None) -> None:
    """Show what is in force, and where each value comes from.

    That is what the running daemon has read; while none runs, what config.toml would give. A secret is shown as ***. A value comes from
    a line of config.toml, from the default, or, if it is a secret, from the environment variable, file or credential that this line
    names.

    Examples:
        config show
        config show destination.braze
        config show store --json
    """
    answer = _answer(common, key or "")
    if not answer["values"]:
        tables = sorted({".".join(one["key"].split(".")[:-1]) for one in _answer(common, "")["values"]} - {""})
        raise typer.BadParameter(f"no key {key!r}; there are those of {', '.join(tables)}", param_hint="KEY")
    if common.as_json:
        say_json({**answer, "named_by": _named_by(context)})
        return
    say(f"{answer['path']} ({_named_by(context)})", "")
    rows = [[one["key"], toml_value(one["value"]), _origin(one)] for one in answer["values"]]
    say_table(["key", "value", "from"], rows, wrap=["value"])


def _answer(common: Common, key: str) -> dict[str, Any]:
    """`{"running", "path", "since", "via", "values"}`, of a key and those below it. Raises ConfigError where none runs and the file is faulty."""
    try:
        with Admin(admin_of(common)) as admin:
            answer = admin.get("api", "configuration", key=key)
            return {"running": True, **{name: answer[name] for name in ("path", "since", "via", "values")}}
    except NobodyThere:
        if common.url is not None:
            raise
    loaded, destinations = plugin_host.read(common.config, *operator_of(common.config))
    warn(f"daemon is not running; this is what {common.config} would give")
    values = key_values.shown(key_values.below(key_values.key_values(loaded, destinations), key))
    return {"running": False, "path": str(loaded.path), "since": None, "via": None, "values": values}


def _named_by(context: typer.Context) -> str:
    """What has named the file to this command."""
    for name, words in (("url", "of the daemon that --url names"), ("config", "named by --config")):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            return words
        if source is not None and source.name == "ENVIRONMENT":
            return f"named by {ENV}" if name == "config" else "of the daemon that SEGMENT_ROUTER_URL names"
    return "by default"


def _origin(value: dict[str, Any]) -> str:
    line = "" if value["line"] is None else f"line {value['line']}"
    if value["origin"] in ("default", "config.toml"):
        return line or value["origin"]
    return f"{value['origin']}, {line}" if line else value["origin"]
