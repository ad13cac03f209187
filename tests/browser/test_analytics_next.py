"""analytics.js in a real browser, on a page of another origin: it asks the router for its settings and delivers there.

It runs where Chromium and the npm package @segment/analytics-next are on the machine; nothing is downloaded.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.flow.harness import ROOT, WRITE_KEY, Daemon, destination, eventually
from tests.patience import HANG_S

pytestmark = pytest.mark.browser

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
STRATEGIES = {
    "standard": {},
    "batching": {"deliveryStrategy": {"strategy": "batching", "config": {"size": 4, "timeout": 300}}},
}
#: the library loads parts of itself from here: its own vendor otherwise
PAGE = """<!doctype html><title>shop</title>
<script>window._globalAnalyticsCDN = location.origin</script>
<script src="/analytics-next/bundles/index.js"></script>
<script>
(async () => {
  const own = OPTIONS
  const [analytics] = await AnalyticsNext.AnalyticsBrowser.load(
    { writeKey: 'KEY', cdnURL: 'ROUTER' }, { integrations: { 'Segment.io': own } })
  const sent = [analytics.identify('u1', { plan: 'pro' }), analytics.group('acme', { name: 'Acme Inc' })]
  for (let n = 0; n < 9; n++) sent.push(analytics.track('Clicked', { n }))
  sent.push(analytics.page('Pricing'))
  const ids = (await Promise.all(sent)).map((context) => context.event.messageId)
  await fetch('/done', { method: 'POST', body: JSON.stringify({ ids }) })
})().catch((error) => fetch('/done', { method: 'POST', body: JSON.stringify({ error: String(error) }) }))
</script>
"""


@pytest.fixture
def chromium() -> str:
    """The browser: $CHROMIUM, or the one on the PATH."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.skip("there is no chromium on this machine; CHROMIUM may name it")
    return found


@pytest.fixture
def bundle() -> Path:
    """The folder with the browser's build of the library."""
    folders = [str(ROOT / "node_modules"), *os.environ.get("NODE_PATH", "").split(os.pathsep)]
    for folder in folders:
        if folder and (Path(folder) / "@segment/analytics-next/dist/umd/index.js").is_file():
            return Path(folder) / "@segment/analytics-next/dist/umd"
    pytest.skip("@segment/analytics-next is neither in node_modules here nor on NODE_PATH")


class Shop:
    """A site of its own, whose page sends calls and then says which."""

    def __init__(self, page: str, bundle: Path) -> None:
        self.said: asyncio.Future[dict[str, object]] = asyncio.get_running_loop().create_future()
        self._page = page
        self.app = web.Application()
        self.app.router.add_get("/", self._show)
        self.app.router.add_post("/done", self._done)
        self.app.router.add_static("/analytics-next/bundles", bundle)

    async def _show(self, request: web.Request) -> web.Response:
        return web.Response(text=self._page, content_type="text/html")

    async def _done(self, request: web.Request) -> web.Response:
        if not self.said.done():
            self.said.set_result(json.loads(await request.text()))
        return web.Response()


@asynccontextmanager
async def browsing(chromium: str, url: str, profile: Path) -> AsyncIterator[None]:
    """A headless browser on this page."""
    process = await asyncio.create_subprocess_exec(
        chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}",
        "--remote-debugging-port=0", url, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_page_of_another_origin_delivers_what_it_is_told_to(
    tmp_path: Path, chromium: str, bundle: Path, strategy: str
) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon:
        page = (
            PAGE.replace("OPTIONS", json.dumps(STRATEGIES[strategy]))
            .replace("KEY", WRITE_KEY)
            .replace("ROUTER", daemon.url)
        )
        shop = Shop(page, bundle)
        async with (
            asyncio.timeout(HANG_S),
            TestServer(shop.app, host="localhost") as site,
            browsing(chromium, str(site.make_url("/")), tmp_path / "profile"),
        ):
            said = await shop.said
            assert "error" not in said, said
            ids = said["ids"]
            assert isinstance(ids, list)

            async def stored() -> bool:
                return bool((await daemon.ledger())["accepted"] == len(ids))

            await eventually(stored, what=f"{len(ids)} events are stored")
        ledger = await daemon.settled()
        assert (len(ids), ledger["discarded"]) == (12, 0)
        assert sorted(row[0] for row in daemon.rows("SELECT message_id FROM log")) == sorted(ids)
