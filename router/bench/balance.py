"""Nothing lost, nothing invented: what was answered with 200, what the ledger says, what is stored, what arrived. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from router.bench.load import Loaded

ENDS = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")


class Counted(msgspec.Struct, frozen=True):
    """One run, counted at every place. `arrived`: items the sink answered with 200, by destination."""

    answered: int
    repeated: int
    unanswered: int
    refused: Mapping[str, int]
    ledger: Mapping[str, Any]
    stored: int
    arrived: Mapping[str, int] = {}
    complete: tuple[str, ...] = ()  #: destinations that must have delivered everything


def count(
    loads: Iterable[Loaded],
    ledger: Mapping[str, Any],
    stored: int,
    arrived: Mapping[str, int] | None = None,
    complete: Iterable[str] = (),
) -> Counted:
    """Add up all loads of one daemon."""
    loads = list(loads)
    refused: dict[str, int] = {}
    for load in loads:
        for status, n in load.refused.items():
            refused[status] = refused.get(status, 0) + n
    return Counted(
        answered=sum(load.answered for load in loads),
        repeated=sum(load.repeated for load in loads),
        unanswered=sum(load.unanswered for load in loads),
        refused=refused,
        ledger=ledger,
        stored=stored,
        arrived=arrived or {},
        complete=tuple(complete),
    )


def problems(counted: Counted) -> list[str]:
    """What does not add up, in words; empty when everything does."""
    found: list[str] = []
    ledger, accepted = counted.ledger, counted.ledger["accepted"]

    def compare(what: str, got: int, want: int) -> None:
        if got != want:
            found.append(f"{what}: {got}, expected {want} ({got - want:+d})")

    if counted.unanswered:
        found.append(f"{counted.unanswered} events were sent and not answered")
    if counted.refused:
        found.append("requests refused: " + ", ".join(f"{n} with {status}" for status, n in counted.refused.items()))
    compare("accepted by the ledger", accepted, counted.answered - counted.repeated)
    compare("duplicates in the ledger", ledger["duplicates"], counted.repeated)
    compare("discarded in the ledger", ledger["discarded"], 0)
    compare("events in the log", counted.stored, accepted)
    for name, row in ledger["destinations"].items():
        compare(f"{name}: the seven states together", sum(row[state] for state in ENDS), accepted)
        if min(row[state] for state in ENDS) < 0:
            found.append(f"{name}: a negative count: { ({state: row[state] for state in ENDS}) }")
        if name in counted.complete:
            compare(f"{name}: delivered", row["delivered"], accepted)
        if counted.arrived.get(name, 0) < row["delivered"]:
            found.append(f"{name}: {row['delivered']} delivered, but only {counted.arrived.get(name, 0)} arrived")
    return found
