"""The short form of a long proof: which of its cases are in the default run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def every(n: int, cases: Iterable[Any]) -> list[Any]:
    """All cases for `parametrize`: the first one and each nth after it belong to the default run, the others to `-m slow`.

    Where the cases are for several arguments, each of them is a `pytest.param`.
    """
    return [case if number % n == 0 else _slow(case) for number, case in enumerate(cases)]


def _slow(case: Any) -> Any:
    if hasattr(case, "marks"):  # it is a pytest.param
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.slow])
    return pytest.param(case, marks=pytest.mark.slow)
