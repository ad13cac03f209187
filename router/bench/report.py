"""What a run has to say, as it is written to a file: the measures of the table, their details, curves, and the conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import msgspec

from router.bench.load import Loaded
from router.bench.measure import NOISY, Spread, ratios, spread
from router.bench.stores import Stored


class Measure(msgspec.Struct):
    """One row of the table. `samples`: one a pair, in the order they were taken."""

    id: str
    value: Spread
    samples: list[float]
    more: dict[str, float] = {}


class Line(msgspec.Struct):
    """One detail. `ratio` and `cpu_ratio`: to `against`, pair by pair; the second in events per processor second."""

    suite: str
    name: str
    rate: float
    rate_per_cpu: float
    ratio: Spread | None = None
    cpu_ratio: Spread | None = None
    against: str = ""
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    p999_ms: float = 0.0
    written: float = 0.0  #: bytes written to storage for each event
    foreign: float = 0.0
    noisy: int = 0  #: runs in which others took more than NOISY of a core
    runs: int = 0
    more: dict[str, float] = {}


class Point(msgspec.Struct, frozen=True):
    """What was measured at one place of a curve. Rates in events a second."""

    x: float
    rate: Spread
    p50_ms: Spread
    p99_ms: Spread


class Curve(msgspec.Struct, frozen=True):
    """Throughput and latency against something. `latency`: what the latencies are of."""

    name: str
    x: str
    latency: str
    points: list[Point]


class Conditions(msgspec.Struct):
    """Where and with what it ran."""

    version: str
    python: str
    sqlite: str
    versions: dict[str, str]
    processor: str
    cores: int
    pinned: str
    folder: str
    sync_ms: float
    quick: bool
    seconds: float
    rounds: int
    sizes: dict[str, int] = {}  #: events held, in the backlog, in a burst
    began: str = ""  #: UTC
    load_average: tuple[float, float] = (0.0, 0.0)  #: of a minute, at the start and at the end


class Report(msgspec.Struct):
    """All of a run."""

    conditions: Conditions
    measures: list[Measure] = []
    lines: list[Line] = []
    curves: list[Curve] = []
    problems: list[str] = []


Run = Loaded | Stored


def measure(id: str, samples: Sequence[float], **more: float) -> Measure:
    """Sum up the samples of one measure."""
    return Measure(id, spread(samples), list(samples), more)


def measure_of(id: str, ratio: Sequence[float], runs: Sequence[Run], reference: Sequence[Run]) -> Measure:
    """A ratio of runs, with both rates in wall and processor time beside it."""
    more = {
        "ev/s": median([run.rate for run in runs]),
        "ev/cpu-s": median([run.rate_per_cpu for run in runs]),
        "reference ev/s": median([run.rate for run in reference]),
        "reference ev/cpu-s": median([run.rate_per_cpu for run in reference]),
        "foreign": median([run.foreign for run in [*runs, *reference]]),
        "client": client_share([*runs, *reference]),
    }
    return Measure(id, spread(ratio), list(ratio), more)


def client_share(runs: Sequence[Run]) -> float:
    """How much of its core the load generator took at most, the sink included where it runs with it."""
    return max((run.generator_share for run in runs if isinstance(run, Loaded)), default=0.0)


def line(
    suite: str, name: str, runs: Sequence[Run], reference: Sequence[Run] = (), against: str = "", **more: float
) -> Line:
    """Sum up the runs of one kind, beside the runs they were paired with."""
    loads = [run for run in runs if isinstance(run, Loaded)]
    result = Line(
        suite, name, median([run.rate for run in runs]), median([run.rate_per_cpu for run in runs]),
        written=median([run.written / run.events if run.events else 0.0 for run in runs]),
        foreign=median([run.foreign for run in runs]), noisy=sum(run.foreign > NOISY for run in runs), runs=len(runs),
        more=more,
    )  # fmt: skip
    if reference:
        result.against = against
        result.ratio = ratios([run.rate for run in runs], [run.rate for run in reference])
        result.cpu_ratio = ratios([run.rate_per_cpu for run in runs], [run.rate_per_cpu for run in reference])
    if loads:
        result.p50_ms = median([load.p50_ms for load in loads])
        result.p99_ms = median([load.p99_ms for load in loads])
        result.p999_ms = median([load.p999_ms for load in loads])
        result.more["client"] = median([load.generator_share for load in loads])
    return result


def curve(name: str, x: str, latency: str, points: Mapping[float, Sequence[tuple[float, float, float]]]) -> Curve:
    """A curve from the runs at each place: (events a second, p50 in ms, p99 in ms)."""
    found = [
        Point(at, *(spread([run[part] for run in runs]) for part in range(3))) for at, runs in sorted(points.items())
    ]
    return Curve(name, x, latency, found)
