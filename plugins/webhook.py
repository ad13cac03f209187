"""Webhook: every event as a POST to a URL, in the form of Segment's own Webhooks destination.

The body is the whole call as one JSON object, or an array of them when `batch` is above 1. With a shared secret the header
`X-Signature` carries the HMAC-SHA1 of the body in hex; of an array, that of its first element, because that is what
receivers of Segment's webhooks check.

Source: https://segment.com/docs/connections/destinations/catalog/actions-webhook/
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from router.plugin import (
    JSON,
    Answer,
    Batch,
    Context,
    Event,
    Field,
    Item,
    Outcome,
    Request,
    SecretStr,
    Settings,
    Split,
    by_status,
    excerpt,
    hookimpl,
)

SIGNATURE = "X-Signature"
RESERVED = {"content-type", "content-length", "content-encoding", "transfer-encoding", SIGNATURE.lower()}
"""Headers that say something of the body, which is ours."""

NEVER_FINAL = {401, 429}
"""These are about the sender, whatever the event: they would bury everything that comes."""

NOT_THERE = "missing-url"
"""What the router puts in place of a secret URL that is not set; it does so only where nothing is sent."""


class WebhookSettings(Settings):
    """Settings of a webhook destination."""

    url: str = Field(repr=False, description="Where to POST to: http:// or https://. May be given as a secret.")
    headers: dict[str, SecretStr] = Field(
        default={}, description="More headers of each request. Values are taken as secrets, and may be given as such."
    )
    shared_secret: SecretStr = Field(
        default=SecretStr(""), description="Signs each request in the header X-Signature. Empty: not signed."
    )
    batch: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Events in a request. 1: the body is one object; above 1 it is always an array.",
    )
    final_statuses: tuple[Annotated[int, Field(ge=400, le=599)], ...] = Field(
        default=(),
        description="Statuses that refuse an event for good, though they would be tried again or pause the destination"
        " otherwise, e.g. [404, 410, 501]. Not 401 and 429.",
    )

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what could never be sent. Raises ValueError with the words the operator reads."""
        if self.url != NOT_THERE:
            _check_url(self.url)
        for name, value in self.headers.items():
            _check_header(name, value.get_secret_value())
        if NEVER_FINAL.intersection(self.final_statuses):
            raise ValueError("final_statuses: leave 401 and 429 out; they say nothing about the event")


class Webhook:
    """Posts events of all six types. An item's body is the call."""

    display_names = ("Webhook", "Webhooks")
    settings_model = WebhookSettings

    def __init__(self, settings: WebhookSettings) -> None:
        self.settings = settings
        self.kinds: Mapping[str, Batch] = {"": Batch(max_items=settings.batch)}

    @hookimpl
    def identify(self, event: Event, context: Context) -> Item:
        """The whole call."""
        return Item(event.payload)

    @hookimpl
    def group(self, event: Event, context: Context) -> Item:
        """The whole call."""
        return Item(event.payload)

    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        """The whole call."""
        return Item(event.payload)

    @hookimpl
    def page(self, event: Event, context: Context) -> Item:
        """The whole call."""
        return Item(event.payload)

    @hookimpl
    def screen(self, event: Event, context: Context) -> Item:
        """The whole call."""
        return Item(event.payload)

    @hookimpl
    def alias(self, event: Event, context: Context) -> Item:
        """The whole call."""
        return Item(event.payload)

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """One object or an array, signed when there is a secret."""
        calls = [encoded(item.body) for item in items]
        body = b"[" + b",".join(calls) + b"]" if self.settings.batch > 1 else calls[0]
        headers = {"Content-Type": "application/json"}
        headers |= {name: value.get_secret_value() for name, value in self.settings.headers.items()}
        secret = self.settings.shared_secret.get_secret_value()
        if secret:
            headers[SIGNATURE] = hmac.new(secret.encode(), calls[0], hashlib.sha1).hexdigest()
        return Request(self.settings.url, headers=headers, body=body)

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome:
        """By status, but for those that the operator declared final: an event alone is dead, a batch is halved."""
        if answer.status not in self.settings.final_statuses:
            return by_status(answer, len(items))
        return Split("rejected", f"status_{answer.status}: {excerpt(answer.body)}")


def encoded(call: JSON) -> bytes:
    """A call as compact JSON, unescaped as JavaScript writes it: some receivers sign what they have parsed and written again."""
    return json.dumps(call, ensure_ascii=False, separators=(",", ":")).encode()


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-~]+", url):
        raise ValueError('url: write an address such as "https://example.com/hook", other characters percent-encoded')
    if "#" in url:
        raise ValueError("url: leave out # and what follows it; that is never sent")
    if parts.username is not None:
        raise ValueError("url: give user and password as a header, e.g. headers = { Authorization = { env = NAME } }")


def _check_header(name: str, value: str) -> None:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError(f'headers: "{name}" is not the name of a header')
    if name.lower() in RESERVED:
        raise ValueError(f"headers: {name} is set by the plugin; leave it out")
    if not re.fullmatch(r"[ -~\t]*", value):
        raise ValueError(f"headers: the value of {name} may hold ASCII characters only, and no line break")
