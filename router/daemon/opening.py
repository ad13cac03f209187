"""Opens the store that config.toml names. Of the daemon the only place that knows both kinds."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from router.clock import Clock
from router.config import ClusterConfig, StoreConfig, without_passwords
from router.durable import make_folder, others_can_read
from router.errors import StartError
from router.logger import Log
from router.store import Store
from router.store.sqlite.private_files import make_private
from router.store.sqlite.store import open_store as open_sqlite


class ClockFrom(Protocol):
    """Makes the clock of router time: it begins at a stored high-water mark, and follows a wall clock."""

    def __call__(self, mark: int, wall_ns: Callable[[], int] = ...) -> Clock: ...


class JustOpened(Store, Protocol):
    """A store with what its opening changed."""

    @property
    def upgraded(self) -> str:
        """From which schema to which; empty where it had that of this program, or is new."""
        ...


@asynccontextmanager
async def open_store(
    store: StoreConfig, cluster: ClusterConfig, clock_from: ClockFrom, log: Log
) -> AsyncIterator[tuple[Store, Clock]]:
    """The store and the clock of router time, which `clock_from` makes of the stored high-water mark. Raises StartError, which tells no
    secret."""
    async with AsyncExitStack() as stack:
        if store.is_database:
            opened: tuple[JustOpened, Clock] = await _open_database(stack, store, cluster, clock_from)
        else:
            _make_private(store.path, log)
            opening = open_sqlite(
                store.path,
                clock_from,
                dedupe_window_s=store.dedupe_window_s,
                retention_s=store.retention_s,
                min_free_bytes=store.min_free_bytes,
            )
            opened = await stack.enter_async_context(opening)
        if opened[0].upgraded:
            log.emit("store_upgraded", detail=opened[0].upgraded)
        yield opened


def _make_private(store: Path, log: Log) -> None:
    for path in make_private(store):
        if others_can_read(path):
            log.emit(
                "store_warned", code="exposed", detail=f"every user of this machine can read {path}; chmod 600 {path}"
            )
        else:
            log.emit("store_made_private", file=str(path))


async def _open_database(
    stack: AsyncExitStack, store: StoreConfig, cluster: ClusterConfig, clock_from: ClockFrom
) -> tuple[JustOpened, Clock]:
    from router.store.postgres.database_time import DatabaseTime  # asyncpg is an extra
    from router.store.postgres.node import NodeSettings
    from router.store.postgres.node_id import node_id
    from router.store.postgres.store import open_postgres

    make_folder(store.path.parent)  # for what is this node's own
    id = stack.enter_context(node_id(Path(f"{store.path}.id")))
    time = DatabaseTime()
    node = NodeSettings(id, cluster.node or socket.gethostname(), cluster.lease_s)
    opening = open_postgres(
        store.url,
        lambda mark: clock_from(mark, time.now_ns),
        dedupe_window_s=store.dedupe_window_s,
        retention_s=store.retention_s,
        wants_standby=not store.is_replicated,
        node=node,
        time=time,
    )
    try:
        return await stack.enter_async_context(opening)
    except StartError as error:
        raise StartError(without_passwords(str(error), store.url)) from None
