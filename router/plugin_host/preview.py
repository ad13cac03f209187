"""A request as people may see it. Secrets are masked in each part before it is encoded as JSON."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

import msgspec

from router.plugin import JSON, Item, Request
from router.plugin_host.destination import Destination
from router.plugin_host.redaction import MAX_TOLD_LENGTH as LONGEST_SECRET

MAX_BODY = 1024 * 1024
"""Bytes of a body that are shown, and stored of a dry run: as much as the items of one event may have."""


def preview(items: Sequence[Item], destination: Destination) -> dict[str, JSON]:
    """What a dry run shows in place of sending these items: the request for those of the first kind, or the items themselves
    where the plugin has no `request`. A fault of that hook is shown, not raised."""
    if "request" not in destination.hooks:
        return {"items": [item["body"] for item in shown_items(items, destination)]}
    try:
        request = destination.hooks["request"]([item for item in items if item.kind == items[0].kind])
        shown: dict[str, JSON] = {"private": True} if request.private else _shown(request, destination)
        msgspec.json.encode(shown)  # a part of another type, or a text with half a character, is a fault, too
        return shown
    except BaseException as error:  # a hook that runs in one go is ended by nobody: whatever it raises is its own
        words = "".join(traceback.format_exception_only(error)).strip()
        return {"error": destination.redact(words.encode("utf-8", "replace").decode())}


def shown_items(items: Sequence[Item], destination: Destination) -> list[dict[str, JSON]]:
    """`{"body", "kind"}` of each."""
    return [{"body": _redacted(msgspec.to_builtins(item.body), destination), "kind": item.kind} for item in items]


def _shown(request: Request, destination: Destination) -> dict[str, JSON]:
    body = destination.redact_bytes(request.body[: MAX_BODY + LONGEST_SECRET])[:MAX_BODY].decode("utf-8", "replace")
    return {
        "method": request.method,
        "url": destination.redact(request.url),
        "headers": {name: destination.redact(value) for name, value in request.headers.items()},
        "body": body,
        **({"body_bytes": len(request.body)} if len(request.body) > MAX_BODY else {}),
    }


def _redacted(value: JSON, destination: Destination) -> JSON:
    """A JSON value without secrets in any of its texts."""
    if isinstance(value, str):
        return destination.redact(value)
    if isinstance(value, dict):
        return {destination.redact(key): _redacted(inner, destination) for key, inner in value.items()}
    return [_redacted(inner, destination) for inner in value] if isinstance(value, list | tuple) else value
