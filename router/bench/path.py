"""The whole path: calls in, stored, decided, logged, POSTed to the sink by `webhook`. One run on a fresh daemon.

In a closed loop only WINDOW events are on their way at a time, so that what is measured is a daemon whose destinations keep up, not one
that takes in first and delivers later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec

from router.bench import balance
from router.bench.child import SERVER_CORE, Child
from router.bench.config import STORE, receivers
from router.bench.load import Load, Loaded
from router.bench.measure import cpu_s, peak_mb
from router.bench.plan import Plan
from router.bench.sink import TRACES, Arrived
from router.bench.subject import daemon
from router.bench.traffic import Traffic
from router.bench.workload import Workload

WINDOW = 2_000
CONNECTIONS = {"single": 64, "batch": 8}
OPEN_LOOP_CONNECTIONS = 256
WARM_UP_S, WARM_UP_SEED = 0.5, 1_000_000
SETTLE_S = 0.2
"""After the last arrival, for the commit that settles it."""
ARRIVE_S = 180.0


class Form(msgspec.Struct, frozen=True):
    """How events come in and go out. `batch`: events in a POST to a destination; `rate`: calls a second of an open loop; `sample`: the
    share of the requests that is traced."""

    name: str
    kind: str = "batch"
    batch: int = 100
    destinations: int = 1
    decisions: str = "all"
    rate: float = 0.0
    sample: float = 0.0


class Passed(msgspec.Struct, frozen=True):
    """What a run came to: so many events, from the first request until the last of them had arrived everywhere and was settled."""

    load: Loaded
    events: int
    seconds: float
    cpu_s: float
    arrived: Mapping[str, Arrived]
    peak_mb: float
    problems: list[str]
    exports: int = 0  #: of spans that came to the collector
    database_s: float = 0.0  #: processor time of the database

    @property
    def rate(self) -> float:
        """Events through the whole path in a second."""
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def per_cpu(self) -> float:
        """Events through the whole path in a second of processor time."""
        return self.events / self.cpu_s if self.cpu_s else 0.0

    @property
    def cost_us(self) -> float:
        """Processor time of an event, in microseconds."""
        return 1e6 * self.cpu_s / self.events if self.events else 0.0

    @property
    def age_ms(self) -> tuple[float, float]:
        """p50 and p99 of an event's age at the sink, of the slowest destination."""
        ages = [(one.p50_ms, one.p99_ms) for one in self.arrived.values()]
        return max((age[0] for age in ages), default=0.0), max((age[1] for age in ages), default=0.0)


def run_path(
    plan: Plan, form: Form, seed: int, url: str = STORE, database_s: Callable[[], float] = lambda: 0.0
) -> Passed:
    """Load a fresh daemon, wait until all has arrived, and count everything. `database_s`: what its database has used so far."""
    to = receivers(form.destinations, form.batch)
    with (
        Traffic() as traffic,
        daemon(to, traffic.port, parent=plan.folder, decisions=form.decisions, sample=form.sample, url=url) as subject,
    ):
        course = _Course(plan, form, seed, traffic, subject.port, subject.child.pid)
        course.database_s = database_s
        course.run()
        memory = peak_mb(subject.child.pid)
        ledger, stored = subject.stop()
        arrived = traffic.arrived()
    exports = arrived.pop(TRACES, Arrived()).requests
    counts = {name: one.accepted for name, one in arrived.items()}
    complete = [one.name for one in to] if course.is_complete else []
    found = balance.problems(balance.count(course.loads, ledger, stored, counts, complete))
    if form.sample and not exports:
        found.append("the collector got no span")
    return msgspec.structs.replace(course.passed(arrived, memory, found), exports=exports)


def run_forwarder(plan: Plan, seed: int) -> Passed:
    """Single calls through the bare forwarder."""
    form = Form("forwarder", "single", 1)
    with Traffic() as traffic, Child("forwarder", SERVER_CORE, sink_port=traffic.port) as forwarder:
        course = _Course(plan, form, seed, traffic, forwarder.says(int), forwarder.pid)
        course.run()
        memory, arrived = peak_mb(forwarder.pid), traffic.arrived()
    return course.passed(arrived, memory, [])


class _Course:
    """Warms a server up, then measures it."""

    def __init__(self, plan: Plan, form: Form, seed: int, traffic: Traffic, port: int, pid: int) -> None:
        self._form, self._traffic, self._pid = form, traffic, pid
        self.database_s: Callable[[], float] = lambda: 0.0  #: what the server's database has used so far
        self._window = WINDOW if form.destinations and not form.rate else 0
        self._workload = Workload(form.kind, seed)
        connections = OPEN_LOOP_CONNECTIONS if form.rate else CONNECTIONS[form.kind]
        self._plain = Load(
            port,
            self._workload,
            connections,
            plan.seconds,
            0.0,
            pid,
            (pid,),
            form.rate,
            self._window,
            form.destinations,
        )
        self.loads: list[Loaded] = []
        self.is_complete = True
        self._seconds = self._cpu_s = self._used_s = 0.0

    def run(self) -> None:
        """Half a second that is not counted, then the run itself; each until everything has arrived."""
        warm = msgspec.structs.replace(self._workload, seed=self._workload.seed + WARM_UP_SEED)
        self._send(msgspec.structs.replace(self._plain, workload=warm, seconds=WARM_UP_S))
        self._send(self._plain)

    def _send(self, load: Load) -> None:
        cpu_began, used = cpu_s(self._pid), self.database_s()
        loaded = self._traffic.send(load)
        self.loads.append(loaded)
        ended = time.monotonic()
        if self._form.destinations:
            events = sum(one.answered for one in self.loads)
            arrival = self._traffic.wait(events, self._form.destinations, ARRIVE_S)
            self.is_complete &= arrival.complete
            ended = arrival.at
        time.sleep(SETTLE_S)
        self._seconds, self._cpu_s = ended - loaded.began_at, cpu_s(self._pid) - cpu_began
        self._used_s = self.database_s() - used

    def passed(self, arrived: Mapping[str, Arrived], memory: float, found: list[str]) -> Passed:
        """What it came to, with these problems and its own."""
        if not self.is_complete:
            found = [*found, f"not all events arrived within {ARRIVE_S:.0f} s"]
        load = self.loads[-1]
        problems = [f"{self._form.name}: {problem}" for problem in found]
        return Passed(
            load, load.answered, self._seconds, self._cpu_s, arrived, memory, problems, database_s=self._used_s
        )
