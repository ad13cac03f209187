"""What a suite is told and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from router.bench.report import Curve, Line, Measure

T = TypeVar("T")


class Plan(msgspec.Struct, frozen=True):
    """How long and how often. `progress` is told what runs now."""

    seconds: float
    rounds: int
    folder: Path
    progress: Callable[[str], None]
    held: int = 1_000_000  #: events that `release` lets go; `held` takes a twentieth of them
    backlog: int = 5_000_000  #: events that `backlog` keeps in the log
    burst: int = 5_000  #: events that `fanout` sends to all destinations
    drain: int = 100_000  #: events that the nodes of `cluster` drain


class Outcome(msgspec.Struct):
    """What a suite found. `measures` stand in the table, `lines` are its details."""

    lines: list[Line] = []
    problems: list[str] = []
    measures: list[Measure] = []
    curves: list[Curve] = []


def in_turn(sides: Sequence[T], number: int) -> list[T]:
    """The sides in the order of this round: forwards, then backwards, so that a machine that gets slower favours no side."""
    return list(sides) if number % 2 == 0 else list(reversed(sides))
