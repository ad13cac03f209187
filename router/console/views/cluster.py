"""The nodes that share the store: which live, who delivers to what, and where they are not alike."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from router.admin.cluster import cluster as look
from router.console.console import Console
from router.console.rendered import Rendered
from router.explain import cluster_phrases


async def cluster(console: Console, request: web.Request) -> Rendered:
    """The page. The answer is one question to the database, whatever the number of events."""
    told = await look(console.daemon, console.answers)
    values = {
        **told,
        "unit": partial(cluster_phrases.unit, told=told),
        "does": list(cluster_phrases.duties(told)),
        "wrong": [*cluster_phrases.without_owner(told), *cluster_phrases.differences(told)],
    }
    return Rendered("cluster.html", "Cluster", values, is_live=True)
