"""The test of the test: each of the broken builds is caught by the simulation, by the invariant that it breaks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.contract.broken_builds import BUILDS, TRAITS
from tests.contract.simulation.invariants import Broken
from tests.contract.simulation.story import run_story
from tests.contract.simulation.traits import Traits

SEEDS = 60


@pytest.mark.parametrize("name", BUILDS)
def test_the_simulation_catches_a_build_that(name: str) -> None:
    build, invariants = BUILDS[name]
    traits = TRAITS.get(name, lambda seed: None)
    found = next(filter(None, (broken_by(build, seed, traits(seed)) for seed in range(SEEDS))), "")
    assert found in invariants, f"by {SEEDS} seeds" if not found else ""


def broken_by(build: Callable[[], Any], seed: int, traits: Traits | None) -> str:
    """The invariant that this seed finds broken, if any."""
    try:
        with build():
            run_story(seed, traits=traits)
    except Broken as broken:
        return broken.name
    return ""
