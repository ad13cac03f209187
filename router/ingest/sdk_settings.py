"""What client libraries ask before they send: where to, and for which source. The answers name nobody but this router.

Source: https://github.com/segmentio/analytics-next/blob/master/packages/browser/src/browser/index.ts (Segment),
https://github.com/rudderlabs/rudder-sdk-js/blob/develop/packages/analytics-js/src/components/configManager (RudderStack)
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from router.clock import Clock, to_iso
from router.errors import InvalidCall, UnknownWriteKey
from router.ingest.proxy import Networks, own_url
from router.ingest.responses import document
from router.ingest.write_key import Sender, Source, Sources, write_key_of


class SdkSettings:
    """The handlers. `public_url`: as config.toml says; empty: as the request says."""

    def __init__(self, sources: Sources, clock: Clock, public_url: str, proxies: Networks) -> None:
        self._sources = sources
        self._clock = clock
        self._public_url = public_url
        self._proxies = proxies

    async def segment(self, request: web.Request) -> web.Response:
        """GET /v1/projects/<writeKey>/settings, of browsers and mobile apps."""
        key = write_key_of(request, Sender.PROJECT)
        source = self._sources.find(key)
        if source is None or source.kind != "segment":
            raise InvalidCall("unknown_project", "the write key belongs to no source", 404)
        return document(segment_settings(key, self._public_url or own_url(request, self._proxies)))

    async def rudderstack(self, request: web.Request) -> web.Response:
        """GET /sourceConfig, of RudderStack's web library."""
        key = write_key_of(request, Sender.PAGE)
        source = self._sources.source_of(key)
        if source.kind != "segment":
            raise UnknownWriteKey("invalid_write_key", "the write key belongs to a source of another kind")
        return document(rudderstack_settings(source, key, to_iso(self._clock.now_ms())))


def segment_settings(write_key: str, url: str) -> dict[str, Any]:
    """The least that analytics.js and the mobile libraries need.

    Args:
        url: the router's own address; "" leaves it out, so that the client keeps the host it was given.
    """
    scheme, _, host = url.partition("://")
    # A further key in integrations would make analytics.js load scripts of a vendor; a plan with disabled events drops them.
    own = {"apiKey": write_key, "addBundledMetadata": True, "unbundledIntegrations": [], "maybeBundledConfigIds": {}}
    if host:
        own |= {"apiHost": f"{host}/v1", "protocol": scheme}
    return {
        "integrations": {"Segment.io": own},
        "plan": {
            "track": {"__default": {"enabled": True, "integrations": {}}},
            "identify": {"__default": {"enabled": True}},
            "group": {"__default": {"enabled": True}},
        },
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


def rudderstack_settings(source: Source, write_key: str, updated_at: str) -> dict[str, Any]:
    """What RudderStack's web library waits for before it sends anything."""
    off = {"enabled": False}
    return {
        "source": {
            "id": "segment-router",  # the source's name in config.toml is nobody's business on a public page
            "name": "segment-router",
            "writeKey": write_key,
            "enabled": True,
            "workspaceId": "segment-router",
            "destinations": [],
            "config": {"statsCollection": {"errors": off, "metrics": off}},
            "connections": [],
            "dataplanes": {},
        },
        "updatedAt": updated_at,
    }
