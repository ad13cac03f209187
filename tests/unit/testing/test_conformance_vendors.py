"""What vendors ask for is no fault of a plugin, and what it makes wrong of their answers is found."""

from __future__ import annotations

import pytest

from tests.sampled import every
from tests.unit.testing.bad_plugins import also_good_of_vendors, of_vendors
from tests.unit.testing.bad_plugins.good import Base
from tests.unit.testing.single_check import findings

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("prepared_apart")]
GOOD = [value for value in vars(also_good_of_vendors).values() if getattr(value, "passes", "")]
BAD = [
    value
    for value in vars(of_vendors).values()
    if getattr(value, "__module__", "") == of_vendors.__name__ and getattr(value, "caught_by", "")
]


@pytest.mark.parametrize("plugin", every(2, GOOD), ids=lambda plugin: plugin.__name__)
def test_what_a_vendor_asks_for_is_no_fault(plugin: type[Base]) -> None:
    assert findings(plugin, plugin.passes) == []


@pytest.mark.parametrize("plugin", every(2, BAD), ids=lambda plugin: plugin.__name__)
def test_what_a_plugin_makes_wrong_of_an_answer_is_found(plugin: type[Base]) -> None:
    assert findings(plugin, plugin.caught_by) != []
