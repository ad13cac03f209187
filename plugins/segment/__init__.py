"""Segment: every event to another API that speaks Segment's: Segment itself, another segment-router, or a router like it.

Calls go to `/v1/batch` with their message ids, contexts and integrations. Their times have been corrected already. So a call
has `timestamp` and `originalTimestamp`, and no `sentAt`: without it a receiver has nothing to correct with.

Each call says in `context.forwardedTo` where it has been. A call that comes back is sent nowhere it has been before.

Source: https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from plugins.segment.settings import SegmentSettings
from plugins.segment.verdict import read_answer, read_check
from router.plugin import Answer, Batch, Event, Item, Outcome, Reject, Request, Sender, Skip, basic_auth, hookimpl

__all__ = ["Segment", "SegmentSettings"]

MAX_ITEM_BYTES = 32 * 1024
"""One event. A longer one is dropped behind a 200, without a word to us."""
MAX_BATCH_BYTES = 475_000
"""Events of a request. The limit is 500 kB with the commas and what stands around them."""
BEEN = "forwardedTo"
MAX_HOPS = 16
"""Places that a call has been to. One with more is in a loop that changes its shape."""
OURS = ("receivedAt", "sentAt")
"""What the receiver says itself, and what it would correct the times with."""


class Segment:
    """Forwards events of all six types. An item's body is the call."""

    api_version = (1, 1)
    display_names = ("Segment", "Segment.io")
    forget_by_hand = "its API for events has no such call: delete the user there, at Segment under Privacy, Deletion"
    forget_group_by_hand = "its API for events has no such call: delete the group there"
    settings_model = SegmentSettings

    def __init__(self, settings: SegmentSettings) -> None:
        self.settings = settings
        self.kinds: Mapping[str, Batch] = {"": Batch(max_items=settings.batch, max_bytes=MAX_BATCH_BYTES)}
        key = settings.write_key.get_secret_value()
        base_url = settings.base_url.rstrip("/")
        self._url = f"{base_url}/v1/batch"
        self._authorization = basic_auth(key)
        #: of URL and key, since two sources of one address are two places
        self._mark = hashlib.blake2b(f"{base_url} {key}".encode(), digest_size=6).hexdigest()

    @hookimpl
    def identify(self, event: Event) -> Item:
        """The call, with a mark of where it goes."""
        call = {name: value for name, value in event.payload.items() if name not in OURS}
        context = call.get("context")
        context = context if isinstance(context, Mapping) else {}
        been = context.get(BEEN)
        been = been if isinstance(been, list) else []
        if self._mark in been or len(been) >= MAX_HOPS:
            raise Skip("loop")
        item = Item({**call, "context": {**context, BEEN: [*been, self._mark]}})
        if len(item.json) > MAX_ITEM_BYTES:
            raise Reject("too_large", f"{len(item.json)} bytes; the API takes {MAX_ITEM_BYTES} of one event")
        return item

    group = track = page = screen = alias = identify

    @hookimpl
    def request(self, items: list[Item]) -> Request:
        """The calls as one batch."""
        return self._post([item.json for item in items])

    def _post(self, calls: list[bytes]) -> Request:
        headers = {"Content-Type": "application/json", "Authorization": self._authorization}
        return Request(self._url, headers=headers, body=b'{"batch":[' + b",".join(calls) + b"]}")

    @hookimpl
    def verdict(self, items: list[Item], answer: Answer) -> Outcome:
        """By status, except for what only this API says: see `verdict.py`."""
        return read_answer(answer, len(items))

    @hookimpl
    async def check(self, sender: Sender) -> str:
        """Send a batch without events: the API looks at the key, and nothing is stored."""
        return read_check(await sender.send(self._post([])))
