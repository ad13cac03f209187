"""The examples of docs/privacy.md: their tables load, and the real plugins send what the page promises."""

from __future__ import annotations

import hmac
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from router.config import load
from router.event import normalize_event
from router.ingest.parse import parse_single
from router.privacy import privacy_of_sources
from tests.contract.page_examples import KEYS, bodies, running, written
from tests.docs.pages import ROOT, Block, blocks

PAGE = ROOT / "docs/privacy.md"
PERSON: dict[str, Any] = {
    "email": " Ann@Example.com ",
    "phone": "+49 1512 345678",
    "birthday": "1990-01-01",
    "name": "Ann",
    "plan": "pro",
}


def hashed(text: str) -> str:
    return hmac.digest(KEYS["PRIVACY_KEY"].encode(), text.encode(), "sha256").hex()


@pytest.mark.parametrize("block", blocks(PAGE, "toml"), ids=lambda block: f"line {block.line}")
def test_its_tables_load(tmp_path: Path, block: Block) -> None:
    text = block.text if "write_key" in block.text else re.sub(r"(?m)^(?=\[source\.)", 'write_key = "k"\n', block.text)
    missing = "" if "[privacy]\n" in text else '[privacy]\nkey = "0123456789abcdef"\n'
    (tmp_path / "config.toml").write_text(missing + text)
    load(tmp_path / "config.toml", KEYS)


def test_its_source_keeps_no_address_and_no_password_and_a_hash_of_the_phone_number(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(blocks(PAGE, "toml")[0].text)
    privacy = privacy_of_sources(load(path, KEYS))["website"]
    body = b'{"userId":"u","traits":{"phone":"+49 1512 345678"},"context":{"ip":"203.0.113.7","direct":true}}'
    (call,), _ = parse_single("identify", body).calls("website", 0, "203.0.113.7", privacy=privacy)
    event = normalize_event(call.source, call.type, call.message_id, call.received_at, call.body)
    assert event.traits == {"phone": hashed("+491512345678")}
    assert event.payload["context"] == {"direct": True}


def test_its_lines_of_python_print_the_hash_that_the_router_makes(tmp_path: Path) -> None:
    (example,), (printed, *_) = blocks(PAGE, "python"), blocks(PAGE, "text")
    made = subprocess.run([sys.executable, "-c", example.text], capture_output=True, text=True, check=True).stdout
    assert made == printed.text
    assert made.strip() == hashed("eva@example.com")


async def test_braze_gets_the_hash_of_a_phone_number_and_no_birthday(tmp_path: Path) -> None:
    async with running(tmp_path, "braze", "base_url", PAGE) as (rig, vendor):
        await rig.call("identify", "i", userId="u1", traits=PERSON)
        await rig.quiet()
        (sent,) = bodies(vendor)
        (attributes,) = sent["attributes"]
        assert attributes["phone"] == hashed("+491512345678")
        assert [key for key in attributes if key in ("dob", "birthday")] == []


async def test_clientsuccess_gets_the_hash_of_an_address_and_no_address(tmp_path: Path) -> None:
    async with running(tmp_path, "clientsuccess", "base_url", PAGE) as (rig, vendor):
        await rig.call("identify", "i", userId="u1", traits=PERSON)
        await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
        await rig.call("track", "t", userId="u1", event="Paid")
        await rig.quiet()
        (sent,) = bodies(vendor)
        assert "email" not in sent["identity"]["user"]
        assert sent["identity"]["user"]["custom"]["email_hash"] == hashed("ann@example.com")


async def test_freshsuccess_gets_two_properties_and_no_others(tmp_path: Path) -> None:
    async with running(tmp_path, "freshsuccess", "events_base_url", PAGE) as (rig, vendor):
        await rig.call("group", "g", userId="u1", groupId="acme", traits={"name": "Acme"})
        await rig.call("track", "t", userId="u1", event="Exported", properties={"module": "Reports", "card": "4111"})
        await rig.quiet()
        assert ["4111" in request.body.decode() for request in vendor.requests if b"Exported" in request.body] == [
            False
        ]


async def test_a_webhook_gets_the_hash_of_an_address_and_no_name(tmp_path: Path) -> None:
    async with running(tmp_path, "webhook", "url", PAGE) as (rig, vendor):
        await rig.call("identify", "i", userId="u1", traits=PERSON)
        await rig.quiet()
        (sent,) = bodies(vendor)
        assert sent["traits"] == {
            **{key: value for key, value in PERSON.items() if key != "name"},
            "email": hashed("ann@example.com"),
        }


async def test_a_file_holds_plans_and_no_people(tmp_path: Path) -> None:
    async with running(tmp_path, "file", "path", PAGE) as (rig, _):
        await rig.call("identify", "i", userId="u1", traits=PERSON)
        (line,) = await written(rig, tmp_path / "events.jsonl")
        assert line["traits"] == {"plan": "pro"}
