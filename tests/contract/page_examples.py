"""Examples of pages at work: a destination as a page shows it, on a store of its own, with a vendor that takes everything."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from router.deliver.runner import Runner
from router.plugin_host import Destination, read
from router.testing.vendor import FakeVendor
from tests.contract.rig import Rig, open_rig
from tests.docs.pages import ROOT, blocks

CONFIGURATION = ROOT / "docs/configuration.md"
KEYS = dict.fromkeys(
    ("CLIENTSUCCESS_API_KEY", "FRESHSUCCESS_EVENT_AUTH_KEY", "FRESHSUCCESS_EVENT_API_KEY", "BRAZE_API_KEY"), "k"
) | {"PRIVACY_KEY": "0123456789abcdef"}


def shown(folder: Path, page: Path, plugin: str, url_setting: str, url: str) -> Destination:
    """The destination that the page shows for this plugin, under the name `d`, sending to `url`."""
    (block,) = [block for block in blocks(page, "toml") if f'plugin = "{plugin}"' in block.text]
    table = re.sub(r'\nname = ".*"', '\nname = "d"', block.text, count=1)
    table = re.sub(rf'\n{url_setting} = ".*"', "", table)
    table = table.replace("[destination.settings]", f'[destination.settings]\n{url_setting} = "{url}"')
    path = folder / "config.toml"
    path.write_text(f'[[source]]\nname = "website"\nwrite_key = "k"\n{table}')
    _, (destination,) = read(path, KEYS)
    return destination


@asynccontextmanager
async def running(
    folder: Path, plugin: str, url_setting: str, page: Path = CONFIGURATION
) -> AsyncIterator[tuple[Rig, FakeVendor]]:
    """The example at work on a store of its own, with a vendor that takes everything."""
    async with FakeVendor() as vendor, open_rig(folder) as rig:
        place = str(folder / "events.jsonl") if url_setting == "path" else vendor.url
        destination = shown(folder, page, plugin, url_setting, place)
        rig.runner = Runner(destination, rig.store, rig.clock, rig.log, rig.random)
        rig._task = asyncio.create_task(rig.runner.run())
        await rig.runner.worker()  # from here on what is accepted is its own
        yield rig, vendor
        await rig.stop()


async def written(rig: Rig, file: Path) -> list[Any]:
    """The lines of a file, once all is quiet."""
    await rig.quiet()
    return [json.loads(line) for line in await asyncio.to_thread(lambda: file.read_text().splitlines())]


def bodies(vendor: FakeVendor) -> list[Any]:
    """What arrived, line by line."""
    return [json.loads(line) for request in vendor.requests for line in request.body.splitlines()]
