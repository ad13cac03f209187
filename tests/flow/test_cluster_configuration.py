"""Nodes with different files: both say so, by name, until the files agree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor
from tests.flow.cluster import two_nodes
from tests.flow.harness import Daemon, eventually
from tests.postgres_server import Server, running


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(fsync=True) as server:
        yield server


async def differing(node: Daemon) -> list[str]:
    """What the node says of files that differ."""
    found = (await node.get("/healthz"))["troubles"]
    return [one["text"] for one in found if one["code"] == "config_differs"]


async def test_a_node_with_another_file_is_named_at_both(tmp_path: Path, server: Server) -> None:
    async with FakeVendor() as vendor, two_nodes(tmp_path, server, vendor) as (first, second):
        assert await differing(first) == await differing(second) == []
        second.source["strict"] = True
        await second.reload()

        async def is_told() -> bool:
            return bool(await differing(first)) and bool(await differing(second))

        await eventually(is_told, what="both say so")
        assert [("of node b says" in one, "source website" in one) for one in await differing(first)] == [(True, True)]
        assert (await first.admin("GET", "/readyz"))[0] == 200, "it takes events all the same"
        first.source["strict"] = True
        await first.reload()

        async def is_over() -> bool:
            return not await differing(first) and not await differing(second)

        await eventually(is_over, what="the files agree")
