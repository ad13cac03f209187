"""The test of the tests: each build of the shared store that is broken on purpose is caught by its check, which the real one passes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest

from router.testing.clock import FakeClock
from tests.cluster import broken_builds, checks
from tests.cluster.broken_builds import Build
from tests.cluster.nodes import new_database
from tests.cluster.pair import pair
from tests.contract.node_case import OpenNode, nodes_on
from tests.contract.postgres_case import OnServer, PostgresCase
from tests.contract.test_store import WINDOW_S
from tests.postgres_server import Server

Check = Callable[[OpenNode], Awaitable[list[str]]]

BUILDS: dict[str, tuple[Build, Check, str]] = {
    build.__name__: (build, check, name)
    for build, check, name in (
        (broken_builds.compares_no_epoch, checks.a_former_owner_commits, checks.FORMER),
        (broken_builds.retries_blindly, checks.an_answer_of_a_commit_is_lost, checks.ONCE),
        (broken_builds.renews_what_it_does_not_serve, checks.a_worker_ends_without_giving_back, checks.FREE),
        (broken_builds.takes_positions_from_a_sequence, checks.a_reader_follows_three_writers, checks.FOLLOWS),
    )
}
"""Each broken build, its check, and what that says."""


@pytest.fixture(scope="module")
def on_server(server: Server) -> OnServer:
    return OnServer(server)


@asynccontextmanager
async def nodes(on_server: OnServer, path: Path) -> AsyncIterator[OpenNode]:
    """Opens nodes on a new database."""
    async with on_server.open(path, lambda mark: FakeClock(), dedupe_window_s=WINDOW_S) as (store, _):
        dsn = cast(PostgresCase, store).dsn
    yield nodes_on(dsn)


@pytest.mark.parametrize("name", BUILDS)
async def test_a_check_tells_the_router_from_a_build_that(name: str, on_server: OnServer, tmp_path: Path) -> None:
    build, check, words = BUILDS[name]
    async with nodes(on_server, tmp_path / "real") as node_on:
        assert await check(node_on) == []
    async with nodes(on_server, tmp_path / "broken") as node_on:
        with build():
            assert await check(node_on) == [words]


async def test_a_check_tells_the_router_from_a_build_that_gives_a_write_up_by_a_cancel() -> None:
    async with pair(is_synchronous=True) as both:
        assert await checks.an_append_waits_for_a_standby_that_is_away(both) == []
        with broken_builds.gives_a_write_up_by_a_cancel():
            assert await checks.an_append_waits_for_a_standby_that_is_away(both) == [checks.SAFE]


async def test_a_check_tells_the_router_from_a_build_that_sends_without_asking_its_claim(
    tmp_path: Path, server: Server
) -> None:
    name = broken_builds.sends_without_asking_its_claim.__name__
    broken = f"from tests.cluster import broken_builds; broken_builds.become({name!r})"
    found = {}
    for folder, build in (("real", ""), ("broken", broken)):
        (tmp_path / folder).mkdir()
        dsn = await new_database(server)
        found[folder] = await checks.an_owner_is_cut_from_the_database(tmp_path / folder, dsn, build)
    assert found == {"real": [], "broken": [checks.BESIDE]}
