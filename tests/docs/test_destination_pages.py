"""docs/destinations: every page shows configurations that load, Python that runs, and all settings of its plugin."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from plugins.webhook import Webhook, WebhookSettings
from router.event import normalize_event
from router.plugin import Item
from router.plugin_host import find, read
from tests.docs.pages import ROOT, Block, blocks, rows, sections

FOLDER = ROOT / "docs/destinations"
PAGES = [page for page in sorted(FOLDER.glob("*.md")) if page.stem != "README"]
WEBHOOK = FOLDER / "webhook.md"
SOURCE = '\n[[source]]\nname = "website"\nwrite_key = "dev_website"\n'


def shown(*languages: str) -> list[Any]:
    """The blocks of all pages."""
    found = [(page, block) for page in PAGES for block in blocks(page, *languages)]
    return [pytest.param(block, id=f"{page.name}:{block.line}") for page, block in found]


@pytest.mark.parametrize("block", shown("toml"))
def test_the_configurations_shown_load_with_their_plugins(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(block.text + ("" if "[[source]]" in block.text else SOURCE))
    path.chmod(0o600)
    environ = dict.fromkeys(re.findall(r'env = "(\w+)"', block.text), "https://secret.example.com/hook")
    environ["WAREHOUSE_DSN"] = "postgresql://loader:secret@db.example.com:5432/events"
    loaded, destinations = read(path, environ)
    assert [warning.words for warning in loaded.warnings] == []
    assert len(destinations) == block.text.count("[[destination]]")


@pytest.mark.parametrize("block", shown("python"))
def test_the_python_shown_runs(block: Block) -> None:
    exec(compile(block.text, "example", "exec"), {"__name__": "example"})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_answers_the_questions_of_an_operator(page: Path) -> None:
    parts = [
        "Get your credentials",
        "Options",
        "What arrives",
        "What does not arrive",
        "Troubleshooting: you see nothing yet",
    ]
    assert [heading for heading in sections(page) if heading in parts] == parts


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_lists_the_options_of_its_plugin_and_what_they_are_when_left_out(page: Path) -> None:
    options = rows(sections(page)["Options"])
    fields = find(page.stem).load().settings_model.model_fields
    assert set(options) == set(fields)
    for name, field in fields.items():
        told = options[name][1]
        assert (told == "required") == field.is_required(), name
        if told.startswith("`"):
            default = getattr(field.default, "get_secret_value", lambda value=field.default: value)()
            assert json.loads(told.strip("`")) == (list(default) if isinstance(default, tuple) else default), name


def test_a_call_arrives_at_a_webhook_as_the_body_shown() -> None:
    call, body = (json.loads(block.text) for block in blocks(WEBHOOK, "json"))
    received_ms = round(datetime.fromisoformat(body["receivedAt"]).timestamp() * 1000)
    event = normalize_event("website", "track", body["messageId"], received_ms, b"{}\n" + json.dumps(call).encode())
    sending = Webhook(WebhookSettings(url="https://example.com/hook"))
    assert json.loads(sending.request([Item(event.payload)]).body) == body


@pytest.mark.parametrize("batch", [1, 3])
def test_the_check_of_a_signature_that_is_shown_accepts_what_the_webhook_sends_and_nothing_else(batch: int) -> None:
    (example,) = blocks(WEBHOOK, "python")
    names: dict[str, Any] = {}
    exec(compile(example.text, "example", "exec"), names)
    settings = {"url": "https://example.com/hook", "shared_secret": "s", "batch": batch}
    sending = Webhook(WebhookSettings.model_validate(settings))
    request = sending.request([Item({"event": "Žádost [1]"}), Item({"event": "b"})][:batch])
    signature = request.headers["X-Signature"]
    assert names["is_genuine"](request.body, signature, "s")
    assert not names["is_genuine"](request.body, signature, "another")
    assert not names["is_genuine"](request.body.replace(b"[1]", b"[2]"), signature, "s")
