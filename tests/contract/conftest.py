"""The rig of these modules, and which of them take long: they play a worker through hours, break it in every way, or try thousands of inputs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.rig import Rig, open_rig

LONG = re.compile(
    r"test_(backup_killed|broken_builds|clock_jumps|disk_faults|faults_\w+|gate_model|migrations|plugin_strict|plugin_\w+_worker"
    r"|power_loss|simulation|worker_\w+)\.py"
)
"""The names of those modules. `./test --fast` leaves them out, and the HTTP client, each of whose tests runs four times."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.parent.name
        if folder == "http_client" or (folder == "contract" and LONG.fullmatch(item.path.name)):
            item.add_marker(pytest.mark.long)


@pytest.fixture
def over_http() -> bool:
    """Whether plugins send with `request` and `verdict`; a module with `both_ways` runs its tests both ways."""
    return False


@pytest.fixture
def has_begun() -> bool:
    """Whether the destination began before the first event. A module whose tests add it later says no."""
    return True


@pytest.fixture
async def rig(tmp_path: Path, over_http: bool, has_begun: bool) -> AsyncIterator[Rig]:
    """A rig on a new store. A test starts its destination, with a plugin of its own."""
    async with open_rig(tmp_path) as rig:
        rig.over_http = over_http
        if has_begun:
            await rig.store.cursor("d", rig.clock.now_ms())
        yield rig
