"""What Prometheus would have stored: pages of `/metrics`, laid one after the other on a time of its own. Nothing waits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Page = Mapping[str, Mapping[Labels, float]]
"""Samples by name and labels. Empty: the scrape failed."""

EVERY_S = 30
"""Between two scrapes."""


class Matcher(NamedTuple):
    """One condition on a label: `reason=~"dead|late"`. A label that is not there is empty."""

    label: str
    sign: str
    value: str

    def fits(self, labels: Labels) -> bool:
        """Whether these labels meet it."""
        found = dict(labels).get(self.label, "")
        is_same = bool(re.fullmatch(self.value, found)) if self.sign.endswith("~") else found == self.value
        return is_same != self.sign.startswith("!")


def read(text: str) -> Page:
    """A page as it came."""
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = frozenset((name, value) for name, value in sample.labels.items() if value)
            found.setdefault(sample.name, {})[labels] = sample.value
    return found


class Tape:
    """Pages by their place: the n-th was scraped at n * EVERY_S."""

    def __init__(self, pages: Sequence[Page] = ()) -> None:
        self.pages = list(pages)

    def laid(self, page: Page, seconds: float) -> Self:
        """A tape that goes on with this page for so long, at least once."""
        return type(self)([*self.pages, *[page] * max(1, -int(-seconds // EVERY_S))])

    @property
    def end(self) -> float:
        """The instant of the last page."""
        return (len(self.pages) - 1) * EVERY_S

    def instant(self, name: str, matchers: Iterable[Matcher], at: float) -> dict[Labels, float]:
        """The samples of a name at an instant. What is not on the newest page is gone."""
        return _chosen(self.pages[int(at // EVERY_S)], name, matchers)

    def window(self, name: str, matchers: Iterable[Matcher], at: float, seconds: float) -> dict[Labels, list[float]]:
        """The values of each series of a name in the time before an instant."""
        last = int(at // EVERY_S)
        first = max(0, last - int(seconds // EVERY_S))
        found: dict[Labels, list[float]] = {}
        for page in self.pages[first : last + 1]:
            for labels, value in _chosen(page, name, matchers).items():
                found.setdefault(labels, []).append(value)
        return found


def _chosen(page: Page, name: str, matchers: Iterable[Matcher]) -> dict[Labels, float]:
    wanted = list(matchers)
    return {labels: v for labels, v in page.get(name, {}).items() if all(one.fits(labels) for one in wanted)}
