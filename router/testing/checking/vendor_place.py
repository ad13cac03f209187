"""What a vendor answers, by the place where its author has written it: `tests/test_destination.py:pulse`, or `acme.testing:answer`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from router.errors import RouterError
from router.testing.checking.loading import run_file
from router.testing.replies import Answers, checked_answers

__all__ = ["VendorError", "answers_at"]


OF_TESTS = ("pytest", "_pytest", "pytest_asyncio", "aioresponses")
"""Modules that the extra `testing` brings."""


class VendorError(RouterError):
    """There is no answer of a vendor at this place."""


def answers_at(place: str) -> Answers:
    """The Reply, or the function of a request, at `FILE.py:NAME` or `MODULE:NAME`. The code there is run.

    Raises:
        VendorError: there is none.
    """
    module, colon, name = place.rpartition(":")
    if not colon or not module or not name:
        raise VendorError(f"{place!r} is not FILE.py:NAME or MODULE:NAME")
    try:
        found: Any = getattr(_loaded(module), name)
    except AttributeError:
        raise VendorError(f"{module} has no {name}") from None
    except Exception as error:  # the author's code runs
        words = f"{module} cannot be imported: {type(error).__name__}: {error}"
        raise VendorError(words + _advice(error)) from error
    try:
        return checked_answers(found)
    except TypeError as error:
        raise VendorError(f"{place}: {error}") from None


def _advice(error: Exception) -> str:
    name = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
    if name.partition(".")[0] not in OF_TESTS:
        return ""
    return ". Install the extra `testing`, or keep what the vendor answers in a file that imports no pytest"


def _loaded(module: str) -> ModuleType:
    if not module.endswith(".py"):
        return importlib.import_module(module)
    file = Path(module).resolve()
    sys.path.append(str(file.parent))  # it may import what is beside it
    return run_file(file, f"segment_router_vendor_{file.stem}")
