"""The alert rules of monitoring/alerts.yml, and when each fires on a tape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import yaml  # type: ignore[import-untyped]

from tests.docs.pages import ROOT
from tests.monitoring.promql import Expression, parse
from tests.monitoring.tape import EVERY_S, Labels, Tape

FILE = ROOT / "monitoring/alerts.yml"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class _Fields(NamedTuple):
    name: str
    expr: str
    for_s: int
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Rule(_Fields):
    """One alert."""

    @cached_property
    def expression(self) -> Expression:
        """Its expression, parsed."""
        return parse(self.expr)

    @property
    def range_s(self) -> int:
        """How far back it looks."""
        return max((seconds(found) for found in re.findall(r"\[(\w+)\]", self.expr)), default=0)

    @property
    def series(self) -> set[str]:
        """The series that it asks for."""
        return series_of(self.expr)

    def firing(self, tape: Tape) -> set[Labels]:
        """The label sets for which it fires at the end of a tape."""
        since: dict[Labels, float] = {}
        start = max(0, len(tape.pages) - 1 - (self.for_s + self.range_s) // EVERY_S - 2)
        for place in range(start, len(tape.pages)):
            at = float(place * EVERY_S)
            found = self.expression(tape, at)
            assert not isinstance(found, float | int), "an alert needs a vector"
            since = {labels: since.get(labels, at) for labels in found}
        return {labels for labels, at in since.items() if tape.end - at >= self.for_s}


def rules() -> dict[str, Rule]:
    """All of them, by name."""
    groups: list[Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"]
    return {
        one["alert"]: Rule(one["alert"], one["expr"], seconds(one.get("for", "0s")), one["labels"], one["annotations"])
        for group in groups
        for one in group["rules"]
    }


def seconds(duration: str) -> int:
    """`5m` in seconds."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def series_of(expression: str) -> set[str]:
    """The series that an expression asks for."""
    bare = re.sub(r'"[^"]*"', "", expression)
    return set(re.findall(r"\b(?:segment_router|process)_\w+|\bup\b", bare))
