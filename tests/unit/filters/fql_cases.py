"""The cases of `tests/fixtures/fql/cases.jsonl`: an expression, an event, and true, false or the code of the refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

FILE = Path(__file__).parent.parent.parent / "fixtures/fql/cases.jsonl"


class Case(NamedTuple):
    """`expected` is a bool, or `{"error": code}`."""

    n: int
    expression: str
    event: dict[str, Any]
    expected: Any

    @property
    def is_refused(self) -> bool:
        return isinstance(self.expected, dict)


CASES = [Case(**json.loads(line)) for line in FILE.read_text(encoding="utf-8").splitlines()]
