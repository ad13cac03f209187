"""A strict vendor behind a bench: it judges each request by its contract, and keeps what it found wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.testing import Bench, Received, Reply
from tests.vendors.strict import Seen, StrictVendor


class AtBench:
    """`bench.vendor` answers as the strict vendor does.

    Args:
        settings: with the addresses that the plugin sends to.
    """

    def __init__(self, bench: Bench, vendor: StrictVendor, settings: Mapping[str, Any]) -> None:
        self.refusals: list[str] = []
        self._vendor, self._settings = vendor, settings
        bench.vendor.answer = self._answer

    def _answer(self, received: Received) -> Reply:
        place = next(place for place in self._vendor.places if received.url.startswith(self._settings[place]))
        url = received.url.removeprefix(self._settings[place])
        judged = self._vendor.read(
            Seen(received.method, place, url, received.headers, received.body, 0.0), self._settings
        )
        self.refusals += judged.words
        return judged.reply
