"""Fixtures and one option for the tests of a plugin. pytest loads this module in every project of an environment that has the router in
it, so it imports nothing but pytest; the rest is imported where it is used.

- `fake_vendor`: a `FakeVendor` that is open; with pytest-asyncio.
- `check_fixture(Plugin, path)`: see `router.testing.fixtures`; with `--segment-router-update` it writes what came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from router.plugin import JSON
    from router.testing.fixtures import CheckFixture
    from router.testing.vendor import FakeVendor

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # no async tests, or another runner for them: `async with FakeVendor()` works there
    pass
else:

    @async_fixture
    async def fake_vendor() -> AsyncIterator[FakeVendor]:
        """A vendor to send to: a real server on the loopback interface."""
        from router.testing.vendor import FakeVendor

        async with FakeVendor() as vendor:
            yield vendor


OPTION = "segment_router_update"
WRITTEN = pytest.StashKey[list[Path]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--segment-router-update`."""
    group = parser.getgroup("segment-router", "plugins of segment-router")
    words = "write what came of fixtures as what is expected"
    group.addoption("--segment-router-update", dest=OPTION, action="store_true", help=words)


@pytest.fixture
def check_fixture(request: pytest.FixtureRequest) -> CheckFixture:
    """Compares what comes of a fixture file with what it expects."""
    __tracebackhide__ = True
    from router.testing.fixtures import Fixture

    def check(plugin: type[Any], path: Path, settings: Mapping[str, JSON] | None = None, **table: Any) -> None:
        __tracebackhide__ = True
        update = bool(request.config.getoption(OPTION))
        fault = ""
        try:
            if Fixture(path).check(plugin, settings, update=update, **table):
                request.config.stash.setdefault(WRITTEN, []).append(path)
        except AssertionError as error:
            fault = str(error)
        if fault:  # outside of `except`, so that pytest does not show it twice
            pytest.fail(fault, pytrace=False)

    return check


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says which fixtures were written."""
    for path in config.stash.get(WRITTEN, []):
        terminalreporter.write_line(f"wrote {path}")
