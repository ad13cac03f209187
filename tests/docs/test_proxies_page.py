"""docs/proxies.md fits the router: its addresses, its waits, its sizes. That the configurations work is tested in tests/flow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.config import load
from router.console.stream import PING_S
from router.ingest.limits import IDLE_TIMEOUT_S, MAX_REGULATION_BYTES, MAX_WEBHOOK_BYTES
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs/proxies.md"
SOURCE = '\n[[source]]\nname = "website"\nwrite_key = "dev_website"\n'
SECONDS = {
    "nginx": r"keepalive_timeout (\d+)s;",
    "Caddy": r"keepalive (\d+)s",
    "HAProxy": r"pool-purge-delay (\d+)s",
}
"""Where each configuration says for how long a connection to the router may be idle."""
STREAMS = {"nginx": r"proxy_read_timeout (\d+)s", "HAProxy": r"timeout server (\d+)s"}
"""Where it says for how long an answer may be silent; Caddy has no such limit."""


def shown(kind: str) -> str:
    (block,) = [block for block in blocks(PAGE) if block.heading == kind]
    return block.text


def test_the_configuration_shown_loads_and_has_the_addresses_of_the_proxies(tmp_path: Path) -> None:
    (block,) = blocks(PAGE, "toml")
    (tmp_path / "admin_token").write_text("a-token-of-twenty-four-bytes")
    path = tmp_path / "config.toml"
    path.write_text(block.text + SOURCE)
    config = load(path, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert not config.warnings
    for kind in ("nginx", "Caddy", "HAProxy"):
        for listen in (config.server.listen, config.admin.listen):
            assert str(listen) in shown(kind)


@pytest.mark.parametrize("kind", SECONDS)
def test_an_idle_connection_is_closed_by_the_proxy_first(kind: str) -> None:
    found = [int(seconds) for seconds in re.findall(SECONDS[kind], shown(kind))]
    assert found
    assert max(found) < IDLE_TIMEOUT_S


@pytest.mark.parametrize("kind", STREAMS)
def test_a_stream_outlives_the_wait_for_its_next_sign_of_life(kind: str) -> None:
    assert min(map(int, re.findall(STREAMS[kind], shown(kind)))) > 2 * PING_S


@pytest.mark.parametrize(
    ("kind", "pattern"), [("nginx", r"client_max_body_size (\d+)m"), ("Caddy", r"max_size (\d+)MB")]
)
def test_what_the_router_takes_passes_the_proxy(kind: str, pattern: str) -> None:
    ingest, console = (int(size) * 1_000_000 for size in re.findall(pattern, shown(kind)))
    assert ingest > MAX_WEBHOOK_BYTES
    assert console > MAX_REGULATION_BYTES
