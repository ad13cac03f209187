"""docs/clients.md shows configurations that load and paths that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from router.config import load
from router.ingest.routes import OPENAPI
from tests.docs.pages import ROOT, Block, blocks

CLIENTS = ROOT / "docs/clients.md"
SOURCE = '\n[[source]]\nname = "website"\nwrite_key = "dev_website"\n'


@pytest.mark.parametrize("block", blocks(CLIENTS, "toml"), ids=lambda block: f"clients.md:{block.line}")
def test_the_configurations_shown_load(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(block.text + SOURCE)
    config = load(path, {})
    assert not config.warnings
    assert config.server.public_url in ("", "https://events.example.com")


def test_the_paths_shown_exist() -> None:
    words = CLIENTS.read_text()
    shown = set(re.findall(r"https://events\.example\.com(/[\w./-]+)", words)) | set(
        re.findall(r"`GET (/\S+?)`", words)
    )
    known = [re.sub(r"\\{\w+\\}", r"[\\w]+", re.escape(path)) for path in json.loads(OPENAPI.read_text())["paths"]]
    assert "/v1/webhook/hook_key" in shown
    # libraries that are given the base build the rest themselves
    assert [p for p in shown - {"/v1"} if not any(re.fullmatch(pattern, p) for pattern in known)] == []
