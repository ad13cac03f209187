"""What a view returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Rendered(NamedTuple):
    """A page: the template of its main part, and what that shows."""

    template: str
    title: str
    values: Mapping[str, Any] = {}
    status: int = 200
    is_live: bool = False  #: the page keeps itself fresh
    has_charts: bool = False  #: the page loads the script of the charts
