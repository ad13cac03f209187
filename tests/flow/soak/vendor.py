"""A vendor that counts what arrives: one byte an event, so that hours of them have room."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.oracle.vendors import answer_taken, answer_untaken, drawn_fault
from tests.flow.soak.traffic import number_of

MOST = 255


class CountingVendor:
    """The far side of one destination. `faults`: how many times as often as `oracle.vendors.FAULTS` says."""

    def __init__(self, name: str, fake: FakeVendor, random: Random, faults: float) -> None:
        self.name, self.faults = name, faults
        self.is_down = False
        self.arrivals = bytearray()  #: how often the event of each number came
        self.delivered = self.duplicates = 0
        self._fake, self._random = fake, random
        fake.answer = self._answer

    @property
    def url(self) -> str:
        """Where it is."""
        return self._fake.url

    def missing(self, events: int) -> list[int]:
        """Numbers below `events` that never came."""
        came = self.arrivals.ljust(events, b"\0")
        return [number for number in range(events) if not came[number]]

    def _answer(self, seen: Received) -> Reply:
        self._fake.requests.clear()
        if self.is_down:
            return Reply(503)
        fault = drawn_fault(self._random, self.faults)
        if (untaken := answer_untaken(fault, self._random)) is not None:
            return untaken
        for item in seen.json():
            self._take(number_of(item["id"]))
        return answer_taken(fault, self._random)

    def _take(self, number: int) -> None:
        if number >= len(self.arrivals):
            self.arrivals.extend(bytes(number + 1 - len(self.arrivals) + 4096))
        if self.arrivals[number]:
            self.duplicates += 1
        else:
            self.delivered += 1
        self.arrivals[number] = min(MOST, self.arrivals[number] + 1)


class Outages:
    """Takes the vendors down in turn, one at a time."""

    def __init__(self, vendors: Sequence[CountingVendor]) -> None:
        self.begun = 0
        self._vendors = vendors

    def begin(self) -> None:
        """The next one is down from now on."""
        self._vendors[self.begun % len(self._vendors)].is_down = True
        self.begun += 1

    def end(self) -> None:
        """None is down from now on."""
        for vendor in self._vendors:
            vendor.is_down = False
