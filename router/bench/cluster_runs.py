"""The runs of the suite `cluster`: each on a database of its own, with fresh processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING

import msgspec

from router.bench.child import Child
from router.bench.config import receivers
from router.bench.load import Load
from router.bench.nodes import NAMES, Nodes, at_once, nodes
from router.bench.path import CONNECTIONS, Form, run_path
from router.bench.plan import Plan, in_turn
from router.bench.stores import Stored
from router.bench.subject import send
from router.bench.traffic import Traffic
from router.bench.workload import BATCH, Workload

if TYPE_CHECKING:  # it wants asyncpg
    from router.bench.own_server import OwnServer

DESTINATIONS = 4
ARRIVE_S = 1_800.0
FORM = Form("batches in, 75 events a POST, 3 destinations", batch=75, destinations=3)
HALF = 0.5
"""Of what one node takes, and of what it delivers: the load at which C7 is measured."""


class Ran(msgspec.Struct, frozen=True):
    """One run. `events`: of a drain those that were delivered, once for each destination."""

    events: float
    seconds: float
    cpu_s: float  #: of all nodes
    database_s: float
    problems: list[str]
    is_limited: bool = True
    age_ms: tuple[float, float] = (0.0, 0.0)

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds if self.seconds else 0.0


class Runs:
    """All runs of this suite, by name, on one server."""

    def __init__(self, plan: Plan, server: OwnServer) -> None:
        self._plan, self._server = plan, server
        self.found: dict[str, list[Ran]] = {}

    def _keep(self, name: str, ran: Ran) -> None:
        self.found.setdefault(name, []).append(ran)

    def _url(self) -> str:
        return self._server.dsn(asyncio.run(self._server.database()))

    @contextmanager
    def _nodes(self, n: int, to: int) -> Iterator[tuple[Nodes, Traffic]]:
        with (
            Traffic(None) as traffic,
            nodes(n, self._url(), receivers(to, 1), traffic.port, self._plan.folder) as found,
        ):
            yield found, traffic

    def round(self, number: int) -> None:
        """Each kind of run once; those that are compared next to each other."""

        def tell(name: str) -> str:
            self._plan.progress(f"cluster {number + 1}/{self._plan.rounds}: {name}")
            return name

        for n in in_turn((1, 2), number):
            self._keep(tell(f"drain, {n}"), self._drain(n, number))
        for n in in_turn((1, 2), number):
            self._keep(tell(f"ingest, {n}"), self._ingest(n, number))
        for store in in_turn(("PostgreSQL", "SQLite"), number):
            self._keep(tell(f"path, {store}"), self._path(store, number))
        for n in in_turn((1, 4), number):
            self._keep(tell(f"append, {n}"), self._append(n, number))
        one = self.found["drain, 1"][-1].rate, self.found["ingest, 1"][-1].rate
        self._keep(tell("latency"), self._latency(HALF * min(one), number))

    def _drain(self, n: int, seed: int) -> Ran:
        """From the moment at which four destinations go on, that were paused while the events came in, until all has come."""
        plan = self._plan
        with self._nodes(n, DESTINATIONS) as (found, traffic):
            first, pids = found.subjects[0], found.pids
            found.of_each_destination(first.pause)
            workload = Workload("batch", seed, most=max(1, plan.drain // BATCH))
            load = traffic.send(Load(first.port, workload, CONNECTIONS["batch"], 0.0, 0.0, pids[0], pids))
            used, database, began = found.cpu_s(), self._server.cpu_s(), time.monotonic()
            found.of_each_destination(first.resume)
            arrival = traffic.wait(load.answered, DESTINATIONS, ARRIVE_S)
            spent = found.cpu_s() - used, self._server.cpu_s() - database
            problems = found.problems([load], traffic, is_complete=arrival.complete)
            events = DESTINATIONS * load.answered
            return Ran(events, arrival.at - began, *spent, problems, found.is_limited)

    def _ingest(self, n: int, seed: int) -> Ran:
        """Single calls over as many connections together."""
        connections = CONNECTIONS["single"] // n
        with self._nodes(n, 0) as (found, traffic):
            used, database = found.cpu_s(), self._server.cpu_s()
            work = [
                lambda one=one, k=k: send(
                    one.port, one.child.pid, Workload(seed=seed + 1000 * k), connections, self._plan.seconds
                )
                for k, one in enumerate(found.subjects)
            ]
            loads = at_once(work)
            spent = found.cpu_s() - used, self._server.cpu_s() - database
            problems = found.problems(loads, traffic, is_complete=True)
            seconds = max(load.seconds for load in loads)
            return Ran(sum(load.rate for load in loads) * seconds, seconds, *spent, problems, found.is_limited)

    def _path(self, store: str, seed: int) -> Ran:
        if store == "SQLite":
            passed = run_path(self._plan, FORM, seed)
        else:
            passed = run_path(self._plan, FORM, seed, self._url(), self._server.cpu_s)
        return Ran(passed.events, passed.seconds, passed.cpu_s, passed.database_s, passed.problems)

    def _append(self, n: int, seed: int) -> Ran:
        """Batches of a hundred events without HTTP, from so many processes, which begin together."""
        url, seconds, database = self._url(), self._plan.seconds, self._server.cpu_s()

        def append(k: int) -> Stored:
            with Child("database", None, None, url=url, seconds=seconds, seed=seed + 1000 * k) as child:
                child.says(int)
                ready.wait()
                child.tell(0)
                return child.says(Stored)

        ready = Barrier(n)
        stored = at_once([lambda k=k: append(k) for k in range(n)])  # type: ignore[misc]
        rate, used = sum(one.rate for one in stored), sum(one.cpu_s for one in stored)
        return Ran(rate * seconds, seconds, used, self._server.cpu_s() - database, [])

    def _latency(self, rate: float, seed: int) -> Ran:
        """Single calls at an even rate to the node that does not have the destination."""
        plan = self._plan
        with self._nodes(2, 1) as (found, traffic):
            [owner] = found.owners().values()
            other = found.subjects[1 - NAMES.index(owner)]
            used, database, began = found.cpu_s(), self._server.cpu_s(), time.monotonic()
            load = traffic.send(
                Load(other.port, Workload(seed=seed), CONNECTIONS["single"], plan.seconds, 0.0, 0, found.pids, rate)
            )
            arrival = traffic.wait(load.answered, 1, ARRIVE_S)
            spent = found.cpu_s() - used, self._server.cpu_s() - database
            [came] = traffic.arrived().values()
            problems = found.problems([load], traffic, is_complete=arrival.complete)
            age = came.p50_ms, came.p99_ms
            return Ran(load.answered, arrival.at - began, *spent, problems, found.is_limited, age)
