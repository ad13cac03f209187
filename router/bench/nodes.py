"""Nodes on one database, each of them with so much processor time at most where the machine lets us set it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from router.bench import balance
from router.bench.child import Child
from router.bench.config import Receiver, write_config
from router.bench.load import Loaded
from router.bench.measure import cpu_s
from router.bench.quota import limited_to
from router.bench.subject import POLL_S, Subject, events_in, get_json
from router.bench.traffic import Traffic
from router.testing.ports import HeldPort

T = TypeVar("T")
NAMES = "abcd"
CORES = 0.35
"""Of each node: so little that two of them, the database and the sink are no limit to each other on two cores."""
SPREAD_S = 120.0
"""Until the nodes have as many destinations each: longer than a destination stays where it is."""


class Nodes:
    """All of them. `is_limited`: each has no more than CORES."""

    def __init__(
        self, subjects: Sequence[Subject], receivers: Sequence[Receiver], url: str, *, is_limited: bool
    ) -> None:
        self.subjects, self.is_limited = list(subjects), is_limited
        self._names, self._url = [one.name for one in receivers], url

    @property
    def pids(self) -> tuple[int, ...]:
        """Of their processes."""
        return tuple(one.child.pid for one in self.subjects)

    def cpu_s(self) -> float:
        """Processor time of all of them."""
        return sum(cpu_s(pid) for pid in self.pids)

    def wait_until_spread(self) -> None:
        """Return once each destination has an owner, and no node has more than one more than another. Raises RuntimeError otherwise."""
        until = time.monotonic() + SPREAD_S
        while True:
            counts = Counter(self.owners().values())
            each = [counts[name] for name in NAMES[: len(self.subjects)]]
            if sum(each) == len(self._names) and max(each) - min(each) <= 1:
                return
            if time.monotonic() > until:
                raise RuntimeError(f"the nodes do not share the destinations: {dict(counts)}")
            time.sleep(POLL_S)

    def owners(self) -> dict[str, str]:
        """By destination the node that has it."""
        units: list[dict[str, Any]] = get_json(self.subjects[0].admin_port, "/api/cluster")["units"]
        return {unit["destination"]: unit["node"] for unit in units if unit["node"]}

    def of_each_destination(self, do: Callable[[str], None]) -> None:
        """Do something with all at once: a command waits for the node that has the destination."""
        at_once([lambda name=name: do(name) for name in self._names])  # type: ignore[misc]

    def problems(self, loads: Sequence[Loaded], traffic: Traffic, *, is_complete: bool) -> list[str]:
        """What does not add up, once nothing is to be sent any more. They are ended."""
        first = self.subjects[0]
        first.wait_until_done(self._names, SPREAD_S)
        ledger = first.ledger()
        for one in self.subjects:
            one.end()
        counts = {name: one.accepted for name, one in traffic.arrived().items()}
        stored = asyncio.run(events_in(self._url))
        return balance.problems(balance.count(loads, ledger, stored, counts, self._names if is_complete else []))


@contextmanager
def nodes(n: int, url: str, receivers: Sequence[Receiver], sink_port: int, parent: Path) -> Iterator[Nodes]:
    """So many nodes, which are ready and share the destinations."""
    with ExitStack() as stack:
        subjects, groups = [], []
        for name in NAMES[:n]:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", dir=parent)))
            ports = [stack.enter_context(closing(HeldPort())).number for _ in range(2)]
            config = write_config(folder, receivers, sink_port, ports, url=url, node=name)
            groups.append(stack.enter_context(limited_to(CORES, name)))
            child = stack.enter_context(Child("daemon", None, log=folder / "daemon.log", config=str(config)))
            subjects.append(Subject(folder, child, ports[0], ports[1], url))
        found = Nodes(subjects, receivers, url, is_limited=all(group.works for group in groups))
        try:
            for one in subjects:
                one.wait_until_ready()
            for group, one in zip(groups, subjects, strict=True):
                group.add(one.child.pid)
            if receivers:
                found.wait_until_spread()
            yield found
        finally:
            for one in subjects:
                if one.child.running:
                    one.child.terminate()


def at_once(work: Sequence[Callable[[], T]]) -> list[T]:
    """The results of all of it, done at the same time."""
    with ThreadPoolExecutor(len(work)) as pool:
        return list(pool.map(lambda do: do(), work))
