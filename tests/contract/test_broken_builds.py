"""The test of the test: each of the broken builds is caught by the simulation, by the invariant that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.broken_builds import BUILDS
from tests.contract.simulation.invariants import Broken
from tests.contract.simulation.story import run_story

SEEDS = 60


@pytest.mark.parametrize("name", BUILDS)
def test_the_simulation_catches_a_build_that(name: str) -> None:
    build, invariants = BUILDS[name]
    found = next(filter(None, (broken_by(build, seed) for seed in range(SEEDS))), "")
    assert found in invariants, f"by {SEEDS} seeds" if not found else ""


def broken_by(build: Callable[[], Any], seed: int) -> str:
    """The invariant that this seed finds broken, if any."""
    try:
        with build():
            run_story(seed)
    except Broken as broken:
        return broken.name
    return ""
