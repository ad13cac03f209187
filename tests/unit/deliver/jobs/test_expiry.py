"""How old something is: times in which its destination was disabled do not count."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.deliver.jobs.expiry import PAUSE_MS, Expiry, instant_of_age
from router.deliver.lanes.parked_rows import ParkedRows
from tests.contract.rig import Gated, open_rig
from tests.unit.deliver.parts import Parts

NOW = 10_000


@pytest.mark.parametrize(
    ("age", "disabled", "instant"),
    [
        (1_000, (), 9_000),
        (0, (), NOW),
        (1_000, ((2_000, 3_000),), 9_000),
        (1_000, ((9_200, 9_700),), 8_500),
        (1_000, ((8_000, 9_500),), 7_500),
        (1_000, ((9_000, 9_500), (9_700, 9_900)), 8_300),
        (1_000, ((9_700, 9_900), (9_000, 9_500)), 8_300),
        (1_000, ((9_000, 10_000),), 8_000),
        (1_000, ((9_500, 10_500),), 8_500),
        (500, ((9_000, 9_500),), 9_500),
        (501, ((9_000, 9_500),), 8_999),
        (20_000, (), -10_000),
        (1_000, ((9_500, 9_500),), 9_000),
    ],
    ids=[
        "never disabled",
        "no age at all",
        "disabled long ago",
        "disabled within it",
        "disabled over its beginning",
        "disabled twice",
        "whatever the order they are told in",
        "disabled until now",
        "disabled by now and beyond",
        "just as long ago as it was enabled",
        "a moment longer",
        "longer than there is time",
        "disabled for no time",
    ],
)
def test_an_age_is_counted_in_time_enabled(age: int, disabled: tuple[tuple[int, int], ...], instant: int) -> None:
    assert instant_of_age(age, NOW, disabled) == instant


SPELLS = st.lists(st.integers(0, NOW), min_size=2, max_size=10, unique=True).map(
    lambda at: tuple(zip(sorted(at)[::2], sorted(at)[1::2], strict=False))
)


@given(age=st.integers(0, NOW), disabled=SPELLS)
def test_between_the_instant_and_now_the_destination_was_enabled_for_this_long(
    age: int, disabled: tuple[tuple[int, int], ...]
) -> None:
    instant = instant_of_age(age, NOW, disabled)
    off = sum(max(0, ended - max(began, instant)) for began, ended in disabled)
    assert NOW - instant - off == age


# ------------------------------------------------------------ looking


async def look(folder: Path, *, held: int, passed_s: float, max_age: str) -> tuple[list[tuple[str, str]], Expiry, int]:
    """Hold events of one user, let time pass, look: (reason, detail) of what died, and the time of the look."""
    async with open_rig(folder) as rig:
        parts = Parts(Gated, rig.store, hold={"max_age": max_age})
        await rig.store.cursor("d", rig.clock.now_ms())
        rig.start(Gated, hold={"max_age": "400d"})
        for n in range(held):
            await rig.call("track", f"m{n}", userId="u1")
            await rig.quiet()
            rig.clock.advance(1)
        await rig.stop()
        parts.clock.ms = rig.clock.ms
        parts.work.held = held
        rows = ParkedRows(parts.context, parts.state, parts.releases)
        expiry = Expiry(parts.context, parts.state, rows, parts.outcomes, parts.releases, ())
        parts.clock.advance(passed_s)
        await expiry.look(parts.clock.now_ms())
        batch, _ = parts.work.close_batch()
        return [(letter.reason, letter.detail) for letter in batch.dead], expiry, parts.clock.now_ms()


@pytest.mark.parametrize(("passed_s", "dead"), [(50.0, 0), (57.5, 1), (58.5, 2), (59.5, 3)])
async def test_each_events_age_runs_from_its_own_hold(tmp_path: Path, passed_s: float, dead: int) -> None:
    died, expiry, at = await look(tmp_path, held=3, passed_s=passed_s, max_age="60s")
    assert [reason for reason, _ in died] == ["hold_expired"] * dead
    assert all("held for longer than hold.max_age: group_unknown" in detail for _, detail in died)
    assert expiry.next_look == at + PAUSE_MS
