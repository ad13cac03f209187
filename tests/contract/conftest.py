"""Which of these modules take long: they play a worker through hours, break it in every way, or try thousands of inputs."""

from __future__ import annotations

import re

import pytest

LONG = re.compile(
    r"test_(broken_builds|clock_jumps|disk_faults|faults_\w+|gate_model|migrations|plugin_strict|plugin_\w+_worker"
    r"|power_loss|simulation|worker_\w+)\.py"
)
"""The names of those modules. `./test --fast` leaves them out, and the HTTP client, each of whose tests runs four times."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.parent.name
        if folder == "http_client" or (folder == "contract" and LONG.fullmatch(item.path.name)):
            item.add_marker(pytest.mark.long)
