"""The worked cases of consent: a destination, an event, and whether it goes there. Data of tests/fixtures/consent-cases.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parent.parent.parent / "fixtures/consent-cases.json"


class Case(NamedTuple):
    """One case."""

    n: int
    destination: dict[str, Any]  #: its table, with the name that `integrations` has it by
    event: dict[str, Any]
    expected: tuple[str, str]  #: "go" or "filtered", and the reason
    why: str

    @property
    def call(self) -> dict[str, Any]:
        """The event as a call that is accepted."""
        return {"type": "track", "event": "Opened", "userId": f"u{self.n}", **self.event}


def _read() -> list[Case]:
    found = []
    for raw in json.loads(FILE.read_text(encoding="utf-8")):
        expected = raw["expected"]["result"], raw["expected"]["reason"]
        found.append(Case(raw["n"], raw["destination"], raw["event"], expected, raw["why"]))
    return found


CASES = _read()
