"""`check` and consent: what is configured is shown, and its ids are held against those that stored events name."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from router.clock import SystemClock
from router.event import Call
from router.store.sqlite.store import open_store
from tests.docs.pages import ROOT, blocks

CONFIG = """
[store]
url = "sqlite:router.db"
min_free = "1MB"
[[source]]
name = "website"
write_key = "k"
[[destination]]
name = "braze"
plugin = "file"
consent = {consent}
consent_missing = "block"
settings = {{ path = "out.jsonl" }}
"""


def write(folder: Path, consent: str) -> Path:
    path = folder / "config.toml"
    path.write_text(CONFIG.format(consent=consent))
    return path


def stored(folder: Path, *contexts: dict[str, Any]) -> None:
    """Put events with these contexts into the store of this folder."""
    calls = [
        Call("website", "track", f"m{n}", "u:u", 1, b"{}\n" + json.dumps({"event": "E", "context": context}).encode())
        for n, context in enumerate(contexts)
    ]

    async def put() -> None:
        opening = open_store(folder / "router.db", SystemClock, dedupe_window_s=60, retention_s=3600, min_free_bytes=0)
        async with opening as (store, _):
            await store.log.append(calls, [None] * len(calls), [])

    asyncio.run(put())
    (folder / "router.db").chmod(0o600)


def said(preferences: dict[str, Any]) -> dict[str, Any]:
    return {"consent": {"categoryPreferences": preferences}}


def test_what_is_configured_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, '{ any = ["ads", "marketing"] }')
    assert main(["check", "--config", str(path)]) == 0
    assert "braze        any: ads, marketing  filtered" in capsys.readouterr().out
    assert main(["check", "--json", "--config", str(path)]) == 0
    (found,) = json.loads(capsys.readouterr().out)["destinations"]
    shown = {key: found[key] for key in ("consent", "consent_missing", "consent_updates")}
    assert shown == {"consent": {"any": ["ads", "marketing"]}, "consent_missing": "block", "consent_updates": False}


def test_an_id_that_no_event_names_is_told_with_the_one_that_was_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, '["Marketing"]')
    stored(tmp_path, said({"marketing": False}), {})
    assert main(["check", "--config", str(path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    (shown,) = [block.text.strip() for block in blocks(ROOT / "docs/consent.md", "text")]
    assert lines == [shown, 'warning: consent: events name categories that no destination has: "marketing"']


def test_ids_of_both_vocabularies_count_and_others_that_events_name_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, '["ads", "marketing"]')
    management = {"consentManagement": {"allowedConsentIds": ["analytics"], "deniedConsentIds": ["marketing", ""]}}
    stored(tmp_path, said({"ads": True}), management)
    assert main(["check", "--config", str(path)]) == 0
    assert capsys.readouterr().err.splitlines() == [
        'warning: consent: events name categories that no destination has: "analytics"'
    ]


@pytest.mark.parametrize("contexts", [[], [said({"ads": True})]], ids=["nothing stored", "all is well"])
def test_nothing_is_said_where_there_is_nothing_to_say(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], contexts: list[dict[str, Any]]
) -> None:
    path = write(tmp_path, '["ads"]')
    stored(tmp_path, *contexts)
    assert main(["check", "--config", str(path)]) == 0
    assert capsys.readouterr().err == ""


def test_a_store_that_cannot_be_read_is_no_reason_to_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, '["ads"]')
    (tmp_path / "router.db").write_bytes(b"no database" * 100)
    assert main(["check", "--config", str(path)]) == 0
    assert "not compared with stored events" in capsys.readouterr().err


@pytest.mark.parametrize("n", [100, 101])
def test_more_categories_than_are_stored_of_a_user_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], n: int
) -> None:
    path = write(tmp_path, json.dumps([f"c{number}" for number in range(n)]))
    path.write_text(path.read_text() + "[consent]\nfollow = true\n")
    assert main(["check", "--config", str(path)]) == 0
    words = "consent.follow: destinations need 101 categories, and 100 are stored of a user: not each can be withdrawn"
    assert (words in capsys.readouterr().err) == (n == 101)
