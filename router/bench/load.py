"""What the load generator is asked for, and what came of it."""

from __future__ import annotations

import msgspec

from router.bench.workload import Workload


class Load(msgspec.Struct, frozen=True):
    """One run against one server."""

    port: int
    workload: Workload
    connections: int
    seconds: float
    warm_up_s: float
    pid: int  #: the server's, whose usage is read
    own: tuple[int, ...] = ()  #: all processes of this run but the generator
    rate: float = 0.0  #: requests a second of an open loop; 0: closed loop
    window: int = 0  #: events on their way from here to the sink at most; 0: no bound
    destinations: int = 1  #: how many of the sink's names get every event


class Loaded(msgspec.Struct, frozen=True):
    """What came of it. Rates and latencies are of the time after the warm-up, counts are of all of it."""

    began_at: float  #: on the machine's monotonic clock
    seconds: float
    requests: int
    events: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    cpu_s: float
    written: int
    foreign: float
    generator_share: float
    answered: int  #: events that got a 200, repeated ones too
    repeated: int  #: of these, how many repeat a message id
    refused: dict[str, int]  #: other answers, by status
    unanswered: int  #: events whose fate is unknown

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def rate_per_cpu(self) -> float:
        """Events a second of the server's processor time."""
        return self.events / self.cpu_s if self.cpu_s else 0.0
