"""The page at `/`: what a browser finds on this listener. It shows no data, so it needs no token."""

from __future__ import annotations

from aiohttp import web

LINKS = {
    "/healthz": "whether the process serves",
    "/readyz": "whether events can be stored, and which destinations are in trouble",
    "/api/ledger": "every accepted event, counted by destination and state",
    "/api/events": "the newest events, and what became of them",
    "/api/destinations": "what is configured to receive, and how it is",
    "/api/sources": "who may send",
    "/api/cluster": "the nodes that share the store, and who has what",
    "/api/discards": "calls that could not be used",
    "/api/violations": "what does not fit the tracking plans of the sources",
    "/metrics": "the counts for Prometheus",
}

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>segment-router</title>
<style>body {{ font: 16px/1.6 sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }} :root {{ color-scheme: light dark }}</style>
<h1>segment-router</h1>
<p>This is the admin listener. It answers in JSON; where it has a token, only <code>Authorization: Bearer TOKEN</code> opens what stands
under <code>/api</code> and <code>/metrics</code>. On the command line: <code>segment-router status</code>.</p>
<ul>
{links}
</ul>
</html>
"""


async def index(request: web.Request) -> web.Response:
    """A list of links."""
    links = "\n".join(f'<li><a href="{path}">{path}</a>: {words}' for path, words in LINKS.items())
    page = PAGE.format(links=links)
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(text=page, content_type="text/html", headers=headers)
