"""What client libraries send again creates no duplicate: after 429, 500, a dropped connection and a lost answer."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.flow.harness import ROOT, WRITE_KEY, Daemon
from tests.flow.relay import FAULTS, Relay
from tests.flow.test_clients import HOOK, drive

Drive = Callable[[str], Awaitable[tuple[set[str], list[str]]]]

NODE_PACKAGE = "@segment/analytics-node"
NODE_SCRIPT = """
const { Analytics } = require('@segment/analytics-node')
const [writeKey, host] = process.argv.slice(1)
const analytics = new Analytics({ writeKey, host, flushAt: 7, flushInterval: 200 })
const ids = [], errors = []
analytics.on('error', (error) => errors.push(String(error.code || error)))
for (let n = 0; n < 50; n++) {
  const messageId = `node-${process.pid}-${n}`, userId = `u${n}`, timestamp = new Date()
  ids.push(messageId)
  switch (n % 6) {
    case 0: analytics.identify({ messageId, userId, timestamp, traits: { email: `u${n}@example.org` } }); break
    case 1: analytics.track({ messageId, userId, event: 'Order Completed', properties: { n, name: 'Käse 🧀' } }); break
    case 2: analytics.page({ messageId, anonymousId: `a${n}`, category: 'Docs', name: 'Start' }); break
    case 3: analytics.screen({ messageId, userId, name: 'Home' }); break
    case 4: analytics.group({ messageId, userId, groupId: `g${n}`, traits: { name: `Group ${n}` } }); break
    case 5: analytics.alias({ messageId, userId, previousId: `a${n}` }); break
  }
}
analytics.closeAndFlush({ timeout: 60000 }).then(() => console.log(JSON.stringify({ ids, errors })))
"""


async def drive_python(url: str) -> tuple[set[str], list[str]]:
    """segment-analytics-python, in a thread."""
    ids, errors = await asyncio.to_thread(drive, url, False)
    return ids, [str(error) for error in errors]


async def run_node(*arguments: str) -> tuple[int, bytes, bytes]:
    """Run node in the repository's folder: it finds packages in a `node_modules` there, or on $NODE_PATH."""
    process = await asyncio.create_subprocess_exec(
        shutil.which("node") or "node", *arguments, cwd=ROOT, env=os.environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, errors = await process.communicate()
    return process.returncode or 0, said, errors


async def drive_node(url: str) -> tuple[set[str], list[str]]:
    """@segment/analytics-node, as a process."""
    code, said, complaint = await run_node("-e", NODE_SCRIPT, WRITE_KEY, url)
    assert code == 0, complaint.decode()
    result = json.loads(said)
    return set(result["ids"]), result["errors"]


@pytest.fixture(params=["python", "node"])
async def client(request: pytest.FixtureRequest) -> Drive:
    """Drives a library."""
    if request.param == "python":
        return drive_python
    if shutil.which("node") is None:
        pytest.skip("there is no node on this machine")
    if (await run_node("-e", f"require.resolve('{NODE_PACKAGE}')"))[0]:
        pytest.skip(f"node does not find {NODE_PACKAGE}: neither in node_modules here nor on NODE_PATH")
    return drive_node


async def test_fifty_mixed_calls_are_each_stored_once(tmp_path: Path, client: Drive) -> None:
    """The library alone with the daemon."""
    async with Daemon(tmp_path, [HOOK]) as daemon:
        ids, errors = await client(daemon.url)
        assert errors == []
        ledger = await daemon.settled()
        assert (len(ids), ledger["accepted"], ledger["duplicates"], ledger["discarded"]) == (50, 50, 0, 0)
        assert sorted(row[0] for row in daemon.rows("SELECT message_id FROM log")) == sorted(ids)


@pytest.mark.parametrize("fault", FAULTS)
async def test_calls_sent_again_after_a_fault_are_stored_once(tmp_path: Path, client: Drive, fault: str) -> None:
    """The first request meets the fault; what the daemon had by then comes twice, and counts once."""
    async with Daemon(tmp_path, [HOOK]) as daemon, Relay(daemon.url, [fault]) as relay:
        ids, errors = await client(relay.url)
        assert errors == []
        assert relay.met == [fault]
        ledger = await daemon.settled()
        assert sorted(row[0] for row in daemon.rows("SELECT message_id FROM log")) == sorted(ids)
        assert (ledger["accepted"], ledger["discarded"]) == (50, 0)
        assert (ledger["duplicates"] > 0) == (fault in ("500", "lost answer"))
