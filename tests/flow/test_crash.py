"""Whatever was answered 200 meets its fate at every destination, through kills at any instant: the short forms of the oracle,
and its own test, daemons that are broken on purpose. The long form is `python -m tests.flow.oracle`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.flow import harness
from tests.flow.oracle.broken import BUILDS
from tests.flow.oracle.story import Plan, run
from tests.flow.oracle.table import machine, table

SEED = int(os.environ.get("ORACLE_SEED", "1"))
FEW_KILLS = Plan(SEED, kills=4, events=120, stuck_s=10.0)
LAST_EVENTS = Plan(SEED, kills=2, events=600, stuck_s=10.0)
"""A start heals what these builds do, so most of the events come after the last kill."""
MANY_KILLS = Plan(SEED, kills=40, events=90, stuck_s=10.0)
FINDINGS = {
    "answers_before_commit": (MANY_KILLS, "had their 200"),
    "opens_the_gate_on_seeing_a_group": (FEW_KILLS, "came before the group call that opens its gate"),
    "forgets_a_parked_row": (FEW_KILLS, "never arrived"),
    "commits_state_ahead_of_its_event": (FEW_KILLS, "and then as"),
    "looks_for_waiting_lanes_in_rows_only": (LAST_EVENTS, "still on their way"),
    "lets_a_lane_go_with_an_uncommitted_parked_row": (LAST_EVENTS, "never arrived"),
}
"""What the oracle says of each broken build, and the run that shows it."""


async def test_every_event_answered_200_meets_its_fate_through_twenty_kills(tmp_path: Path) -> None:
    """With faults of both vendors, a stop, a reload and a replay in between."""
    plan = Plan(SEED, kills=20, events=90)
    result = await run(tmp_path, plan)
    print(table(result, machine(tmp_path)))
    assert result.violations == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(1000, 1000 + int(os.environ.get("ORACLE_SEEDS", "10"))))
async def test_every_event_answered_200_meets_its_fate_through_a_hundred_kills(tmp_path: Path, seed: int) -> None:
    """Small worlds, in which everything meets everything, once a seed."""
    result = await run(tmp_path, Plan(seed, kills=100, events=150))
    assert result.violations == []


async def test_the_oracle_sees_a_gate_that_opens_too_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test, short form: one broken build, three kills."""
    name = "opens_the_gate_on_seeing_a_group"
    plan, words = FINDINGS[name]
    use_build(name, monkeypatch)
    result = await run(tmp_path, replace(plan, kills=3))
    assert any(words in violation for violation in result.violations), result.violations[:5]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BUILDS)
async def test_the_oracle_sees_every_build_that_is_broken_on_purpose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each takes out what keeps one promise."""
    plan, words = FINDINGS[name]
    use_build(name, monkeypatch)
    result = await run(tmp_path, plan)
    assert any(words in violation for violation in result.violations), result.violations[:5]


def use_build(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start this broken build wherever a daemon is started."""
    command = [sys.executable, "-m", "tests.flow.oracle.broken", name, "serve", "--config"]
    monkeypatch.setattr(harness, "serve_command", lambda config: [*command, str(config)])
