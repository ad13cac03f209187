"""The generated tables of docs/configuration.md, docs/cli.md and docs/plugins.md are those that `tests.docs.reference` makes now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.config import load
from router.deliver.send.backoff import CAP_S, FIRST_S
from router.deliver.send.circuit_breaker import PAUSE_PROBE_MS, PROBE_CAP_MS, PROBE_FIRST_MS
from router.deliver.settle.destination_verdict import SUSPECTS
from tests.docs import plugin_reference, reference
from tests.docs.pages import ROOT, sections

FAILURES = ROOT / "docs/failure-handling.md"


@pytest.mark.parametrize("page", reference.PAGES, ids=lambda page: page.name)
def test_a_generated_page_is_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert reference.generated(text) == text, "run `.venv/bin/python -m tests.docs.reference`"


def test_every_table_every_bundled_plugin_every_command_every_check_and_the_contract_is_generated() -> None:
    found = [reference.names(page.read_text(encoding="utf-8")) for page in reference.PAGES]
    configuration, commands, checks, contract = found
    tables = ("attributes", "hooks", "outcomes", "names", *plugin_reference.CLASSES)
    assert sorted(contract) == sorted(f"contract {name}" for name in tables)
    assert configuration == ["top", *reference.TABLES, *(f"plugin {name}" for name in reference.PLUGINS)]
    assert commands == ["commands"]
    assert checks == ["tiers", "misbehaviour", "checks"]


@pytest.mark.parametrize("name", ["attributes", "hooks", "outcomes", "names", *plugin_reference.CLASSES])
def test_every_hook_field_and_name_of_the_contract_says_what_it_means(name: str) -> None:
    rows = list(plugin_reference.part(f"contract {name}"))[2:]
    assert rows
    assert [row for row in rows if row.endswith("| |")] == []


@pytest.mark.parametrize("table", reference.TABLES)
def test_every_key_says_what_it_means(table: str) -> None:
    fields = reference.TABLES[table].model_fields.items()
    assert [name for name, field in fields if name not in reference.SUBTABLES and not field.description] == []


@pytest.mark.parametrize("table", reference.TABLES)
def test_the_examples_of_keys_load(table: str, tmp_path: Path) -> None:
    """Each example in a file of its own, beside what every configuration needs."""
    (tmp_path / "secrets").mkdir()
    for name in ("admin", "webhook", "privacy_key", "notify", "tracing"):
        (tmp_path / "secrets" / name).write_text("0123456789abcdef")
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/acme.json").write_text('{"rules": []}')
    for name, field in reference.TABLES[table].model_fields.items():
        if field.examples:
            path = tmp_path / "config.toml"
            path.write_text(with_key(table, field.alias or name, reference.toml(field.examples[0])))
            load(path, {"BRAZE_API_KEY": "k"})


def with_key(table: str, key: str, value: str) -> str:
    """A config.toml with this key in this table."""
    secret = 'token = "0123456789abcdef"\n'
    lines = {
        "[admin]": secret if key == "listen" else "",
        "[[source]]": 'name = "website"\nwrite_key = "k"\n'
        + ('kind = "segment-webhook"\n' if key == "secrets" else ""),
        "[[destination]]": 'name = "braze"\nplugin = "braze"\n'
        + ('consent = ["marketing"]\n' if key.startswith("consent_") else ""),
        "[store]": 'retention = "30d"\n' if key == "dedupe_window" else "",
        "[destination.delivery]": "concurrency = 64\n" if key == "shards" else "",
    }
    before = "\n".join(line for line in lines.get(table, "").splitlines() if not line.startswith(f"{key} ="))
    outer = "[[destination]]\n" + lines["[[destination]]"] if table.startswith("[destination.") else ""
    source = "" if table == "[[source]]" else "[[source]]\n" + lines["[[source]]"]
    if table.startswith("[source."):
        others = [f'[[source]]\nname = "{name}"\nwrite_key = "{name}"\n' for name in ("quality", "quarantine")]
        source = "".join(others) + source + 'plan = "plans/acme.json"\n'
    privacy = '[privacy]\nkey = "0123456789abcdef"\n' if key == "hash" else ""
    store = '[store]\nurl = "postgresql://router@db/router"\n' if key == "shards" else ""
    return f"{store}{privacy}{source}{outer}{table}\n{before}\n{key} = {value}\n"


# ---------------------------------------------------------------- failure handling


def test_the_retry_schedule_is_the_one_in_force() -> None:
    schedule = re.findall(r"^\| (\d+)(?: and later)? \| (\d+) s \|$", FAILURES.read_text(), re.MULTILINE)
    assert len(schedule) == 10
    for attempt, longest in schedule:
        assert float(longest) == min(CAP_S, FIRST_S * 2 ** (int(attempt) - 1))


def test_the_conditions_name_the_numbers_in_force() -> None:
    table = sections(FAILURES)["Conditions"]
    assert f"at least {SUSPECTS} users" in table
    assert f"probes every {PAUSE_PROBE_MS // 60_000} minutes" in table
    assert f"after {PROBE_FIRST_MS // 1000} s, doubling to {PROBE_CAP_MS // 1000} s" in table
