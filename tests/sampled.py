"""The short form of a long proof: which of its cases are in the default run."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import pytest

DEAR = frozenset({"any_call", "memory_bounded", "no_base_exception", "same_elsewhere"})
"""The conformance checks that take two thirds of the time of a report: another process, and thousands of calls."""


def every(n: int, cases: Iterable[Any]) -> list[Any]:
    """All cases for `parametrize`: the first one and each nth after it belong to the default run, the others to `-m slow`.

    Where the cases are for several arguments, each of them is a `pytest.param`.
    """
    return [case if number % n == 0 else _slow(case) for number, case in enumerate(cases)]


def once_for_each(cases: Iterable[Any], key: Callable[[Any], Hashable]) -> list[Any]:
    """All cases for `parametrize`: the first one of each key belongs to the default run, the others to `-m slow`."""
    seen, sampled = set[Hashable](), []
    for case in cases:
        sampled.append(_slow(case) if key(case) in seen else case)
        seen.add(key(case))
    return sampled


def _slow(case: Any) -> Any:
    if hasattr(case, "marks"):  # it is a pytest.param
        return pytest.param(*case.values, id=case.id, marks=[*case.marks, pytest.mark.slow])
    return pytest.param(case, marks=pytest.mark.slow)
