"""At rest the page, the ledger of the admin API, the metrics and the command line tell the same numbers, in every state."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from router.cli import main
from tests.browser.world import PAUSED, world
from tests.console.pages import Visitor
from tests.flow.harness import SEVEN, Daemon, eventually
from tests.flow.test_metrics import sample, scrape

IN_ORDER = ("delivered", "held", "retrying", "queued", "filtered", "skipped", "dead")
"""The columns of the first page."""

Counts = Mapping[str, tuple[int, ...]]


async def _of_the_ledger(daemon: Daemon) -> dict[str, tuple[int, ...]]:
    ledger = await daemon.ledger()
    return {
        name: (ledger["accepted"], *(counts[word] for word in IN_ORDER))
        for name, counts in ledger["destinations"].items()
    }


async def _of_the_page(visitor: Visitor, names: Counts) -> dict[str, tuple[int, ...]]:
    rows = (await visitor.open("/")).html.partition("</thead>")[2].partition("</tbody>")[0].split("<tr>")[1:]
    found = {}
    for row in rows:
        [name] = [name for name in names if f'href="/destinations/{name}"' in row]
        cells = [re.sub("<[^>]*>", "", cell) for cell in re.findall('<td class="num[^>]*>(.*?)</td>', row, re.DOTALL)]
        found[name] = tuple(int(cell.strip().replace(",", "")) for cell in cells)
    return found


async def _of_the_metrics(daemon: Daemon, names: Counts) -> dict[str, tuple[int, ...]]:
    page = await scrape(daemon)
    accepted = int(page[sample("events_accepted_total")])
    states = {
        name: tuple(int(page[sample("destination_events", destination=name, state=word)]) for word in IN_ORDER)
        for name in names
    }
    return {name: (accepted, *counts) for name, counts in states.items()}


async def test_the_numbers_are_equal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with world(tmp_path) as daemon, Visitor(daemon.admin_url) as visitor:

        async def all_told() -> bool:
            """Whether nothing moved while all four were asked; then they must be equal."""
            before = await _of_the_ledger(daemon)
            page, metrics = await _of_the_page(visitor, before), await _of_the_metrics(daemon, before)
            words = ["ledger", "--json", "--config", str(daemon.config)]
            assert await asyncio.to_thread(main, words) == 0
            told = json.loads(capsys.readouterr().out)
            if before != await _of_the_ledger(daemon):
                return False
            lines = {
                name: (told["accepted"], *(counts[word] for word in IN_ORDER))
                for name, counts in told["destinations"].items()
            }
            assert page == before
            assert metrics == before
            assert lines == before
            return True

        await eventually(all_told)
        ledger = await daemon.ledger()
        assert {word for counts in ledger["destinations"].values() for word in SEVEN if counts[word]} == set(SEVEN)
        assert PAUSED.items() <= {name: counts["state"] for name, counts in ledger["destinations"].items()}.items()
        page = await visitor.open("/")
        told = (ledger["accepted"], ledger["discarded"])
        assert (
            f"{told[0]} events accepted, none unaccounted for; 0 duplicates ignored, {told[1]} discarded" in page.text
        )
