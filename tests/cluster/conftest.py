"""The server of these tests, and how long they may take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.form import IS_LONG
from tests.postgres_server import Server, running

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.long)
            if IS_LONG:
                item.add_marker(pytest.mark.timeout(0))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A PostgreSQL server that keeps what it has acknowledged."""
    with running(fsync=True) as server:
        yield server
