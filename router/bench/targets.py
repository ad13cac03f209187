"""The tables of performance measures: what each one is, and the figures that must and should be reached."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Target(msgspec.Struct, frozen=True):
    """One row. `unit`: of the figure; a ratio has none."""

    suite: str
    name: str
    must: float
    stretch: float
    unit: str = ""
    lower_is_better: bool = False

    def verdict(self, value: float) -> str:
        """`stretch`, `must`, or `below` where neither is reached."""
        sign = -1 if self.lower_is_better else 1
        if sign * value >= sign * self.stretch:
            return "stretch"
        return "must" if sign * value >= sign * self.must else "below"


def _lower(suite: str, name: str, must: float, stretch: float, unit: str = "") -> Target:
    return Target(suite, name, must, stretch, unit, lower_is_better=True)


TARGETS: Mapping[str, Target] = {
    "V1": Target("whole", "whole path, single calls in, 1 event a POST / bare forwarder, per CPU", 0.9, 1.15),
    "V2": Target("whole", "whole path, batches in, 1 event a POST / bare forwarder, per CPU", 1.6, 2.2),
    "V3": Target("whole", "whole path, batches in, 100 events a POST / bare forwarder, per CPU", 2.8, 3.6),
    "V4": _lower("whole", "CPU of a further destination / of the first one", 0.5, 0.35),
    "V5": Target("whole", "all decisions logged / exceptions only, per CPU", 0.93, 0.97),
    "V6": Target("ingress", "durable single ingest / bare aiohttp handler", 0.58, 0.65),
    "V7": Target("store", "durable batch ingest / raw executemany", 0.42, 0.55),
    "V8": _lower("fanout", "time to 20 destinations / 20 times the time to one", 0.4, 0.2),
    "V9a": Target("held", "release of held events / drain of live ones", 0.4, 0.6),
    "V9b": _lower("held", "peak memory meanwhile", 150.0, 150.0, "MB"),
    "V10a": Target("backlog", "ingest over a backlog / over an empty store", 0.7, 0.9),
    "V10b": _lower("backlog", "start with a backlog / with an empty store", 1.5, 1.2),
    "V11": _lower("latency", "p99 of the answer at 2,000 single calls a second, open loop", 15.0, 8.0, "ms"),
    "V12": _lower("groups", "time of a track, user of 5,000 groups / of one", 2.0, 1.3),
}

CLUSTER: Mapping[str, Target] = {
    "C1": Target("cluster", "drain to 4 destinations, 1 event a POST, 2 nodes / 1 node", 1.7, 1.9),
    "C2": Target("cluster", "durable single ingest, 64 connections, 2 nodes / 1 node", 1.6, 1.9),
    "C3": Target("cluster", "one node, batches in, 75 events a POST, PostgreSQL / SQLite", 0.4, 0.7),
    "C4": _lower("cluster", "CPU of the node an event, PostgreSQL / SQLite", 1.5, 1.2),
    "C5": _lower("cluster", "CPU of the database an event, ingest and 3 destinations", 25.0, 15.0, "us"),
    "C6": Target("cluster", "appends of 4 writers / of one", 0.8, 1.2),
    "C7a": _lower("cluster", "median from the receipt at a node to the delivery by another", 60.0, 30.0, "ms"),
    "C7b": _lower("cluster", "p99 of the same", 250.0, 100.0, "ms"),
}
"""Of several nodes on one PostgreSQL."""
EVERY = {**TARGETS, **CLUSTER}
