"""docs/tracking-plans.md: its configurations and its plan load, and it names every type of violation and every limit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.config import load
from router.judge.forwarding import PER_MINUTE
from router.judge.source_plans import MAX_VALUES
from router.plans import ALLOW_ALL, check, read_plan
from router.plans.check import MAX_ERRORS, MAX_NOTED
from router.plans.loading import MAX_BYTES, MAX_RULES
from router.plans.schema import ASSERTED
from router.plans.violations import NAMES
from router.store.violation_kinds import KEPT, KINDS_AT_ONCE
from tests.docs.pages import ROOT, blocks, sections

PAGE = ROOT / "docs/tracking-plans.md"
TEXT = PAGE.read_text(encoding="utf-8")
PLAN, PROTOCOLS = (block.text for block in blocks(PAGE, "json"))


@pytest.mark.parametrize("number", range(2))
def test_its_configurations_load_with_its_plan_and_without_a_warning(tmp_path: Path, number: int) -> None:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/acme.json").write_text(PLAN)
    path = tmp_path / "config.toml"
    path.write_text(list(blocks(PAGE, "toml"))[number].text)
    config = load(path, {})
    assert list(config.plans) == ["website"]
    assert config.warnings == ()


def test_its_plan_finds_what_the_page_says() -> None:
    plan = read_plan([("plan.json", PLAN.encode())])
    call = {"event": "Order Completed", "properties": {"total": "9", "currency": "CHF", "ssn": 1}, "context": {}}
    found = {(one.type, one.field) for one in check(plan, ALLOW_ALL, "track", call).violations}
    assert found == {
        ("Required", "properties.order_id"),
        ("Invalid Type", "properties.total"),
        ("Invalid Value", "properties.currency"),
        ("Rule", "properties.ssn"),
    }


def test_it_shows_context_protocols_with_every_key() -> None:
    assert list(json.loads(PROTOCOLS)) == ["sourceId", "violations", "omitted", "omitted_on_violation"]


def test_it_names_every_type_of_violation_and_every_format() -> None:
    table = sections(PAGE)["What happens"].rpartition("| Type | For |")[2]
    assert [name for name in NAMES if f"| `{name}` |" not in table] == []
    assert [name for name in ASSERTED if f"`{name}`" not in sections(PAGE)["The file"]] == []


def test_its_limits_are_those_of_the_code() -> None:
    shown = " ".join(line for line in (ROOT / "docs/limits.md").read_text().splitlines() if "|" in line)
    for words in (
        f"Rules of a plan | {MAX_RULES:,}",
        f"Files of a plan together | {MAX_BYTES // 1_000_000} MB",
        f"Violations noted of one event | {MAX_NOTED}",
        f"Violations looked for in the calls of one request | {MAX_ERRORS:,}",
        f"Values of a call that is checked in full | {MAX_VALUES:,}",
        f"Violations forwarded of one source and type | {PER_MINUTE} a minute",
        f"Kinds of violations that are kept | {KEPT:,}",
        f"Different violations in one transaction | {KINDS_AT_ONCE:,}",
    ):
        assert words in shown
