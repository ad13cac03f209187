"""The JSON Schema of config.toml with the settings of all plugins, for an editor: what `config schema` prints."""

from __future__ import annotations

import msgspec
from aiohttp import web

from router.console.console import Console
from router.console.guard import HEADERS
from router.console.rendered import Rendered
from router.editing.catalogue import offers
from router.editing.config_schema import FILE, config_schema


async def schema(console: Console, request: web.Request) -> Rendered | web.StreamResponse:
    """As a file. Raises HTTPServiceUnavailable."""
    folder = console.daemon.config.plugins_dir
    try:
        found = await console.daemon.plugin_threads.run("form", lambda: config_schema(offers(folder)))
    except TimeoutError:
        raise web.HTTPServiceUnavailable(text="the plugins took too long to be loaded") from None
    headers = {**HEADERS, "Content-Disposition": f'inline; filename="{FILE}"'}
    body = msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
    return web.Response(body=body, content_type="application/schema+json", headers=headers)
