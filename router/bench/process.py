"""A process of a benchmark from inside: the daemon, its references, the generator, the sink; started by `child`.

`python -m router.bench.process ROLE {"core": 0, ...}`: a server tells its port in a line of JSON once it answers, and ends
with its standard input; a task tells its result in a line and ends by itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from router.bench import references, stores
from router.bench.generator import Generator
from router.bench.load import Load
from router.bench.mapping import map_events
from router.bench.traffic import serve_traffic
from router.bench.viewers import serve_viewers
from router.daemon import loop_factory, run


def main(role: str, arguments: dict[str, Any]) -> int:
    core = arguments.pop("core")
    if core is not None:
        os.sched_setaffinity(0, {core})
    if role == "daemon":
        return run(Path(arguments["config"]))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(_ROLES[role], arguments))
    return 0


async def _run(role: Callable[..., Awaitable[None]], arguments: dict[str, Any]) -> None:
    await role(**arguments)


async def _load(load: dict[str, Any]) -> None:
    _say(await Generator(msgspec.convert(load, Load), os.getpid()).run())


async def _traffic() -> None:
    await serve_traffic(_say)


async def _forwarder(sink_port: int) -> None:
    await references.serve_forwarder(sink_port, _say)


async def _bare() -> None:
    await references.serve_bare(_say)


async def _null(config: str) -> None:
    await references.serve_without_store(Path(config), _say)


async def _raw(folder: str, seconds: float) -> None:
    _say(stores.insert_raw(Path(folder), seconds))


async def _store(folder: str, seconds: float) -> None:
    _say(await stores.append_to_store(Path(folder), seconds))


async def _database(url: str, seconds: float, seed: int) -> None:
    def wait() -> None:
        """Until all writers are ready."""
        _say(0)
        sys.stdin.buffer.readline()

    _say(await stores.append_to_database(url, seconds, seed, wait))


async def _fill(path: str, events: int) -> None:
    _say(await stores.fill_store(Path(path), events))


async def _viewers(port: int, paths: list[str]) -> None:
    await serve_viewers(port, paths, _say)


async def _mapping(plugin: str, seconds: float) -> None:
    _say(map_events(plugin, seconds))


_ROLES: Mapping[str, Callable[..., Awaitable[None]]] = {
    "load": _load,
    "traffic": _traffic,
    "bare": _bare,
    "forwarder": _forwarder,
    "null": _null,
    "raw": _raw,
    "store": _store,
    "database": _database,
    "fill": _fill,
    "mapping": _mapping,
    "viewers": _viewers,
}


def _say(words: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(words) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], msgspec.json.decode(sys.argv[2])))
