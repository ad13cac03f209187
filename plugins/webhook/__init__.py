"""Webhook: every event as a POST to a URL, in the form of Segment's own Webhooks destination.

The body is the whole call as one JSON object, or an array of them when `batch` is above 1. With a shared secret the header
`X-Signature` carries the HMAC-SHA1 of the body in hex; of an array, that of its first element, because that is what
receivers of Segment's webhooks check.

Source: https://segment.com/docs/connections/destinations/catalog/actions-webhook/
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from plugins.webhook.settings import SIGNATURE, WebhookSettings
from plugins.webhook.verdict import read_answer
from router.plugin import Answer, Batch, Event, Item, Outcome, Person, Request, hookimpl

__all__ = ["Webhook", "WebhookSettings"]


class Webhook:
    """Posts events of all six types. An item's body is the call."""

    api_version = (1, 1)
    display_names = ("Webhook", "Webhooks", "Webhooks (Actions)")
    settings_model = WebhookSettings

    def __init__(self, settings: WebhookSettings) -> None:
        self.settings = settings
        self.kinds: Mapping[str, Batch] = {"": Batch(max_items=settings.batch)}
        self._headers = {"Content-Type": "application/json"}
        self._headers |= {name: value.get_secret_value() for name, value in settings.headers.items()}
        self._secret = settings.shared_secret.get_secret_value().encode()

    @hookimpl
    def identify(self, event: Event) -> Item:
        """The whole call."""
        return Item(event.payload)

    group = track = page = screen = alias = identify

    @hookimpl
    def forget(self, person: Person) -> list[Item]:
        """A call of the type `delete` for each id."""
        calls = [{"type": "delete", "userId": person.user_id}] if person.user_id else []
        calls += [{"type": "delete", "anonymousId": anonymous} for anonymous in person.anonymous_ids]
        return [Item(call) for call in calls]

    @hookimpl
    def forget_group(self, group_id: str) -> Item:
        """A call of the type `delete`."""
        return Item({"type": "delete", "groupId": group_id})

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """One object or an array, signed when there is a secret."""
        calls = [item.json for item in items]
        body = b"[" + b",".join(calls) + b"]" if self.settings.batch > 1 else calls[0]
        headers = self._headers
        if self._secret:
            headers = {**headers, SIGNATURE: hmac.new(self._secret, calls[0], hashlib.sha1).hexdigest()}
        return Request(self.settings.url, headers=headers, body=body)

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome:
        """By status, except those that the operator declared final: see `verdict.py`."""
        return read_answer(answer, len(items), self.settings.final_statuses)
