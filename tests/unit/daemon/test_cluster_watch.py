"""What the log says where nodes are not alike: once, until it is another thing."""

from __future__ import annotations

import io
import json
from typing import Any, cast

from router.daemon.cluster_watch import LOOK_S, ClusterWatch
from router.logger import make_log
from router.store import Health
from router.testing.clock import FakeClock
from router.vocabulary import Problem
from tests.flow.harness import eventually


class Told:
    """A store that tells of these problems."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def problems(self) -> list[Problem]:
        return self.found


def test_what_differs_is_written_when_it_begins_and_when_it_becomes_another_thing() -> None:
    said, told = io.StringIO(), Told()
    log = make_log("info", "json", stream=said)
    watch = ClusterWatch(cast(Health, told), FakeClock(), log)

    def written() -> list[tuple[Any, Any]]:
        log.flush()
        lines = [json.loads(line) for line in said.getvalue().splitlines()]
        said.truncate(0)
        said.seek(0)
        return [(line["event"], line["detail"]) for line in lines]

    watch.look()
    assert written() == []
    told.found = [Problem("store_away", "x"), Problem("config_differs", "crm"), Problem("versions_differ", "2")]
    watch.look()
    watch.look()
    assert written() == [("config_differs", "crm"), ("versions_differ", "2")]
    for found in ([Problem("config_differs", "crm, hook")], [], [Problem("config_differs", "crm, hook")]):
        told.found = found
        watch.look()
    assert written() == [("config_differs", "crm, hook"), ("config_differs", "crm, hook")]


async def test_it_looks_now_and_again() -> None:
    said, told, clock = io.StringIO(), Told(), FakeClock()
    log = make_log("info", "json", stream=said)
    async with ClusterWatch(cast(Health, told), clock, log).watched():
        told.found = [Problem("config_differs", "crm")]

        async def is_written() -> bool:
            clock.advance(LOOK_S)
            log.flush()
            return "config_differs" in said.getvalue()

        await eventually(is_written)
