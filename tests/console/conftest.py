"""What the tests of the pages share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.console.pages import Visitor
from tests.flow.harness import Daemon


@pytest.fixture
async def visitor(daemon: Daemon) -> AsyncIterator[Visitor]:
    """Somebody who looks at the pages of the module's daemon."""
    async with Visitor(daemon.admin_url) as visitor:
        yield visitor
