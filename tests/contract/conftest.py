"""The rig of these modules, and which of them take long: they play a worker through hours, break it in every way, or try thousands of inputs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from itertools import groupby
from pathlib import Path
from typing import cast

import pytest

from router.store.sqlite import group_transaction
from router.testing.clock import FakeClock
from tests import postgres_server
from tests.contract import store_case
from tests.contract.node_case import Among, OpenNode, nodes_on
from tests.contract.postgres_case import OnServer, PostgresCase
from tests.contract.rig import Rig, open_rig
from tests.contract.test_store import WINDOW_S

LONG = re.compile(
    r"test_(backup_killed|broken_builds|clock_jumps|conformance_\w+|disk_faults|faults_\w+|gate_model|migrations\w*|plugin_strict|plugin_\w+_worker"
    r"|power_loss|(store|retention|forget)_(postgres|nodes)\w*|simulation\w*|people_stories|worker_\w+)\.py"
)
"""The names of those modules. `./test --fast` leaves them out, the HTTP client, each of whose tests opens a server, and what asks a
PostgreSQL server."""
PLAYED = re.compile(r"test_(worker|faults)_\w+\.py")
"""Modules that play a worker. It speaks to either store by the same commands, which the tests of the stores prove on both."""
ON_SERVER, PLAYED_ON_SERVER = 2, 8
"""Of the tests that run on both stores each nth of a module runs on the server, of a module that plays a worker each nth of these. The others
do with `-m slow`. What only the server has is tested whole."""


def is_long(module: Path) -> bool:
    """Whether a module is long as a whole."""
    folder = module.parent.name
    return folder == "http_client" or (folder == "contract" and LONG.fullmatch(module.name) is not None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where no long test is asked for, such modules are not even read."""
    return True if "not long" in config.option.markexpr and is_long(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if is_covered_twice(item)])
    items[:] = [item for item in items if not is_covered_twice(item)]
    for item in items:
        if is_on_server(item) or is_long(item.path) or "database_server" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.long)
    on_server = [item for item in items if is_on_server(item) and not item.get_closest_marker("slow")]
    for module, of_module in groupby(sorted(on_server, key=lambda item: item.nodeid), key=lambda item: item.path):
        n = PLAYED_ON_SERVER if PLAYED.fullmatch(module.name) else ON_SERVER
        for number, item in enumerate(of_module):
            if number % n:
                item.add_marker(pytest.mark.slow)


def is_on_server(item: pytest.Item) -> bool:
    """Whether a test that runs on both stores runs on the PostgreSQL server this time."""
    return bool(hasattr(item, "callspec") and item.callspec.params.get("backend") == "postgres")


def is_covered_twice(item: pytest.Item) -> bool:
    """Whether a test runs with `deliver` on the server though it also runs with `request` there, and with both on the embedded store: a store
    does not see which hook sends."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return False
    params = item.callspec.params
    sends_both_ways = "over_http" in params and "http" not in item.fixturenames
    return sends_both_ways and params.get("backend") == "postgres" and not params["over_http"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests that use the fixture `backend` run on both stores, but for those marked `only_sqlite`."""
    if "backend" in metafunc.fixturenames:
        is_neutral = metafunc.definition.get_closest_marker("only_sqlite") is None
        metafunc.parametrize("backend", ["sqlite", *(["postgres"] if is_neutral else [])], indirect=True)


@pytest.fixture(autouse=True)
def _trims_with_every_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands still between the commits of a test, so that none would come late enough to trim what is old."""
    monkeypatch.setattr(group_transaction, "TRIM_PAUSE_MS", 0)


@pytest.fixture(scope="session")
def database_server() -> Iterator[postgres_server.Server]:
    """A PostgreSQL server for all tests of this process; they are skipped, with the reason, where there is none."""
    with postgres_server.running() as server:
        yield server


@pytest.fixture(scope="session")
def on_server(database_server: postgres_server.Server) -> OnServer:
    """Opens stores there."""
    return OnServer(database_server)


@pytest.fixture
async def node_on(on_server: OnServer, tmp_path: Path) -> AsyncIterator[OpenNode]:
    """Opens nodes on one database."""
    async with on_server.open(tmp_path / "db", lambda mark: FakeClock(), dedupe_window_s=WINDOW_S) as (store, _):
        yield nodes_on(cast(PostgresCase, store).dsn)


@pytest.fixture
async def two(node_on: OpenNode) -> AsyncIterator[tuple[Among, Among]]:
    """Two nodes, of which each has seen the other."""
    async with node_on(1, "d") as first, node_on(2, "d") as second:
        await first.beat()
        yield first, second


@pytest.fixture
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Which store `open_case` opens."""
    if request.param != "postgres":
        yield str(request.param)
        return
    on_server = request.getfixturevalue("on_server")
    monkeypatch.setattr(store_case, "opens", on_server.open)
    yield "postgres"
    on_server.leave(tmp_path)


@pytest.fixture
def over_http() -> bool:
    """Whether plugins send with `request` and `verdict`; a module with `both_ways` runs its tests both ways."""
    return False


@pytest.fixture
def has_begun() -> bool:
    """Whether the destination began before the first event. A module whose tests add it later says no."""
    return True


@pytest.fixture
async def rig(tmp_path: Path, over_http: bool, has_begun: bool) -> AsyncIterator[Rig]:
    """A rig on a new store. A test starts its destination, with a plugin of its own."""
    async with open_rig(tmp_path) as rig:
        rig.over_http = over_http
        rig.opens_first = not has_begun
        if has_begun:
            await rig.store.cursor("d", rig.clock.now_ms())
        yield rig
