"""Attacked from all sides with seeded chance, the daemon delivers what an honest client sends; the long form is a program."""

from __future__ import annotations

from pathlib import Path

from tests.flow.fuzz.story import LIMIT_KB, Plan, run


async def test_what_an_honest_client_sends_arrives_through_ten_seconds_of_noise(tmp_path: Path) -> None:
    """Its bound of memory is that of a busy machine."""
    tally = await run(tmp_path, Plan(seed=1, seconds=10.0, limit_kb=2 * LIMIT_KB))
    assert {kind.partition(":")[0] for kind in tally.tried} == {
        "raw", "http", "json", "gzip", "admin", "operator", "vendor", "vendor, bare",
    }  # fmt: skip
