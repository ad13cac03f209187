"""The configuration: what is in force, since when, what a reload now would do, and the reload itself."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from router.console.console import Console
from router.console.guard import checked_form, redirect
from router.console.rendered import Rendered
from router.errors import ConfigError, ConfirmationRequired, RestartRequired
from router.plugin_host import Destination

DONE = {
    "reloaded": "config.toml was read again and is active.",
    "everywhere": "Each node that lives has read its config.toml again, and it is active there.",
    "refused": "The reload was refused. Nothing was changed.",
    "not_everywhere": "At least one node was not reloaded. `reload --everywhere` tells why, the page Cluster which files differ.",
    "saved": "config.toml was written and is active.",
}
"""What was done before this page was opened, by `?done=`."""


async def settings(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """The page, and its button Reload."""
    if request.method == "POST":
        return await _reload(console, request)
    values = await console.answers.configuration()
    done = request.query.get("done", "")
    return Rendered(
        "settings.html",
        "Configuration",
        {
            **{key: value for key, value in values.items() if key != "path"},
            "file": values["path"],
            "done": DONE.get(done, ""),
            "is_good": done not in ("refused", "not_everywhere"),
            "is_shared": console.daemon.store.cluster is not None,
            "destinations": [_row(runner.destination) for runner in console.daemon.runners.values()],
        },
    )


def _row(destination: Destination) -> dict[str, Any]:
    table = destination.config
    return {"name": table.name, "plugin": table.plugin, "mode": table.mode, "enabled": table.enabled}


async def _reload(console: Console, request: web.Request) -> web.StreamResponse:
    fields = await checked_form(console, request)
    is_confirmed = fields.get("yes") == "1"
    if fields.get("everywhere") == "1":
        nodes = await console.daemon.reload_everywhere(is_confirmed=is_confirmed, via="console")
        done = "not_everywhere" if any(node.done is None for node in nodes) else "everywhere"
        return redirect(f"/settings?done={done}")
    try:
        await console.daemon.reload(is_confirmed=is_confirmed, via="console")
    except (ConfigError, RestartRequired, ConfirmationRequired):
        return redirect("/settings?done=refused")
    return redirect("/settings?done=reloaded")
