"""Runs the router's command line with one fault built in, which the oracle must find: `python -m tests.flow.oracle.broken BUILD
serve --config ...`. The faults are those that the simulation is tested with, but for one that a start would heal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from router import cli
from tests.contract import broken_builds
from tests.contract.simulation.inside import Lane

HEALED = "deletes_a_lane_with_an_uncommitted_parked_row"
"""Opening the store gives every parked row its lane back: from outside there is nothing to be seen."""
UNSEEN = {HEALED, *broken_builds.TRAITS}
"""These, and what shows only when many wait for each other, or after the retention."""


@contextmanager
def lets_a_lane_go_with_an_uncommitted_parked_row() -> Iterator[None]:
    """Its like in memory: a lane is forgotten while its row is not written yet."""

    def idle(self: Lane) -> bool:
        busy = self.pins or self.current or self.waiting or self.is_queued or self.is_draining or self.linking
        return not busy

    with patch.object(Lane, "is_idle", property(idle)):
        yield


BUILDS: Mapping[str, Callable[[], Any]] = {
    **{name: build for name, (build, _) in broken_builds.BUILDS.items() if name not in UNSEEN},
    lets_a_lane_go_with_an_uncommitted_parked_row.__name__: lets_a_lane_go_with_an_uncommitted_parked_row,
}


if __name__ == "__main__":
    with BUILDS[sys.argv[1]]():
        sys.exit(cli.main(sys.argv[2:]))
