"""What a plugin warns of is counted under words that every reader can bear."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from router.deliver.context import MAX_REASON, Warnings
from tests.contract.rig import Plain
from tests.unit.deliver.parts import Parts


@pytest.mark.parametrize(
    ("reason", "counted"),
    [("odd", "odd"), ("half \ud800", "half ?"), (7, "7"), ("x" * 3_000, "x" * MAX_REASON)],
    ids=["text", "half a surrogate pair", "a number", "too long"],
)
def test_a_reason_is_counted_as_text_that_the_admin_api_can_show(reason: Any, counted: str) -> None:
    warnings = Warnings(Parts(Plain).context)
    warnings.warn(reason, n=3)
    warnings.warn(reason)
    assert msgspec.json.decode(msgspec.json.encode(warnings.counts)) == {counted: 2}
