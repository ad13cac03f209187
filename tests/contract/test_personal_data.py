"""What looks personal in the log, as counts: backwards from the newest event, a bounded number of events for one answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from router.store.postgres.queries import personal_data as of_blocks
from router.store.sqlite.queries import personal_data as of_rows
from tests.contract.rig import Rig, open_rig

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Seven events of two sources, an hour apart; those of the website have an address."""
    async with open_rig(tmp_path) as rig:
        for n in range(7):
            call = rig.make("identify", f"m{n}", userId=f"u{n}", traits={} if n % 3 else {"note": f"u{n}@example.com"})
            call.source = "app" if n % 3 else "website"
            await rig.accept([call])
            rig.clock.advance(3600)
        yield rig


async def scan(rig: Rig, source: str | None = None, since_ms: int = 0, before: int | None = None) -> dict[str, Any]:
    return await rig.store.input_reports.personal_data(source, since_ms, before)


async def test_what_looks_personal_is_counted_without_its_values(rig: Rig) -> None:
    found = await scan(rig)
    [address] = found["found"]
    assert (address["source"], address["events"]) == ("website", 3)
    assert "example.com" not in str(found)
    assert (found["events"], found["left_out"], found["next"]) == (7, 0, None)


async def test_only_a_source_and_a_time_are_looked_at(rig: Rig) -> None:
    assert (await scan(rig, "app"))["events"] == 4
    assert (await scan(rig, "app"))["found"] == []
    late = await scan(rig, since_ms=rig.clock.now_ms() - 3 * 3_600_000)
    assert (late["events"], [found["events"] for found in late["found"]]) == (3, [1])


async def test_one_answer_looks_at_so_many_events_and_says_where_to_go_on(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (of_rows, of_blocks):
        monkeypatch.setattr(module, "SLICE", 1)
        monkeypatch.setattr(module, "PAGE", 4)
    first = await scan(rig)
    assert (first["events"], first["next"]) == (4, 4)
    rest = await scan(rig, before=first["next"])
    assert (rest["events"], rest["next"]) == (3, None)
    assert sum(found["events"] for page in (first, rest) for found in page["found"]) == 3
    assert first["oldest"] > rest["oldest"]
