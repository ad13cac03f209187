"""What counts as a value of a trait."""

from __future__ import annotations

from typing import Any


def is_known(value: Any) -> bool:
    """Whether a trait's value tells anything: neither null nor blank text."""
    return value is not None and not (isinstance(value, str) and not value.strip())
