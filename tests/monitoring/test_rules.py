"""The alert rules, their runbooks, the codes of troubles and the metrics agree. The drills of tests/flow/test_alerts_*.py make each rule fire."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import typer
import typer.main

from router.admin.metric_families import FAMILIES
from router.cli import app
from router.explain.trouble_codes import CODES
from tests.docs.pages import ROOT, sections
from tests.monitoring import promtool
from tests.monitoring.promql import parse
from tests.monitoring.rules import FILE, Rule, rules
from tests.monitoring.runbook import PAGE, UNIT, filled, runbooks
from tests.monitoring.tape import Labels, Page, Tape

RULES = rules()

NOT_ALERTED = {
    "stopping": "somebody asked for it",
    "store_broken": "the daemon ends within moments, mostly before a scrape: RouterGone and RouterRestarts",
}

USAGE_ERROR = cast(type[Exception], typer.BadParameter.__mro__[1])

SERVICES = ("systemctl", "journalctl")
MACHINE = ("lsof", "kill", "du", "rm", "psql")
"""Commands of the machine that a runbook may name."""

PLACE = "file:///opt/segment-router"
"""Where the project is by the guide. What an alert sends names no place of its own to start from."""

UNITS = (UNIT, "postgresql")

UP = "up"
"""Prometheus has it of each target, also of one that does not answer."""


def codes_of(rule: Rule) -> list[str]:
    """The codes that a rule asks for."""
    asked = re.findall(r'segment_router_trouble\{reason=~?"([^"]*)"\}', rule.expr)
    return [code for one in asked for code in one.split("|")]


def test_every_code_of_a_trouble_has_one_alert_or_a_reason_to_have_none() -> None:
    alerted = [code for rule in RULES.values() for code in codes_of(rule)]
    assert sorted([*alerted, *NOT_ALERTED]) == sorted(CODES)


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_a_rule_asks_for_series_and_labels_that_there_are(rule: Rule) -> None:
    for name in rule.series:
        assert name == UP or name.startswith("process_") or family_of(name) in FAMILIES, name
    for name, selector in re.findall(r"(segment_router_\w+)\{([^}]*)\}", rule.expr):
        assert set(re.findall(r'(\w+)\s*[=!]~?"', selector)) <= set(FAMILIES[family_of(name)].labels), name


def family_of(series: str) -> str:
    """The metric that a series belongs to."""
    bare = re.sub(r"_(bucket|sum|count)$", "", series)
    return bare if bare in FAMILIES else series


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.name)
def test_a_rule_says_how_grave_it_is_and_where_its_runbook_is(rule: Rule) -> None:
    assert rule.labels["severity"] in ("page", "ticket")
    assert rule.annotations["runbook"] == f"{PLACE}/{PAGE.relative_to(ROOT)}#{rule.name.lower()}"
    assert set(re.findall(r"\$labels\.(\w+)", rule.annotations["summary"])) <= {"destination", "source", "reason"}
    parse(rule.expr)


def test_every_alert_has_its_section_in_the_same_order_and_every_section_an_alert() -> None:
    assert list(sections(PAGE)) == list(RULES)
    for name, text in sections(PAGE).items():
        heads = re.findall(r"^\*\*(\w+)\*\*:", text, re.MULTILINE)
        assert heads == ["Symptom", "Meaning", "Look", "End"], name


def test_a_section_names_the_codes_of_its_alert() -> None:
    for name, text in sections(PAGE).items():
        symptom = text.partition("**Meaning**")[0]
        named = re.search(r"\(codes? (.*?)\)", symptom, re.DOTALL)
        assert (re.findall(r"`(\w+)`", named[1]) if named else []) == codes_of(RULES[name]), name


@pytest.mark.parametrize("alert", RULES)
def test_a_runbook_has_commands_that_there_are(alert: str) -> None:
    book = runbooks()[alert]
    for command in [*book.look, *book.end]:
        if command[0] in MACHINE:
            continue
        if command[0] in SERVICES:
            assert command[-1].startswith(UNITS), command
            continue
        assert command[0] == "./run", command
        words = filled(command, {word: word.lower() for word in command if word.isupper()})
        assert understood(words[1:]), shlex.join(command)


def understood(words: list[str]) -> bool:
    """Whether the command line takes these words. Nothing is run."""
    verb, *rest = words
    commands: Mapping[str, Any] = cast(Any, typer.main.get_command(app)).commands
    command = commands.get(verb)
    if command is None:
        return False
    if rest and rest[0] in getattr(command, "commands", {}):
        command, rest = command.commands[rest[0]], rest[1:]
    try:
        command.make_context(verb, rest)
    except USAGE_ERROR:
        return False
    return True


def test_a_misspelt_command_is_not_understood() -> None:
    assert understood(["release", "crm", "--user", "u1"])
    assert not understood(["release", "crm", "--usr", "u1"])
    assert not understood(["relase", "crm"])


def test_every_alert_is_drilled() -> None:
    drilled = [
        name
        for file in sorted((ROOT / "tests/flow").glob("test_alerts_*.py"))
        for name in re.findall(r'Drill\(daemon, "(\w+)"', file.read_text(encoding="utf-8"))
    ]
    assert set(drilled) == set(RULES)


def test_every_drill_sees_the_cause_in_what_its_first_commands_show() -> None:
    for file in sorted((ROOT / "tests/flow").glob("test_alerts_*.py")):
        text = file.read_text(encoding="utf-8")
        for name, drill in re.findall(r'Drill\(daemon, "(\w+)"(.*?)(?=\nasync def |\Z)', text, re.DOTALL):
            assert re.search(r"drill\.shows\(.+\)", drill), name


# ---------------------------------------------------------------- recorded series


def trouble(code: str) -> Page:
    labels: Labels = frozenset({("reason", code), ("destination", "crm")})
    return {"segment_router_info": {frozenset(): 1.0}, "segment_router_trouble": {labels: 1.0}}


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if codes_of(rule)], ids=lambda rule: rule.name)
def test_a_trouble_fires_its_own_alert_and_no_other(rule: Rule, tmp_path: Path) -> None:
    for code in codes_of(rule):
        tape = Tape().laid({"segment_router_info": {frozenset(): 1.0}}, 600).laid(trouble(code), rule.for_s + 60)
        assert [one.name for one in RULES.values() if one.firing(tape)] == [rule.name]
    if promtool.PROMTOOL is not None:
        promtool.check(rule, tape, 1, tmp_path)


@pytest.mark.parametrize("name", ["RouterGone", "RequestsRefused", "SyncSlow"])
def test_a_time_that_is_too_short_does_not_fire(name: str) -> None:
    """One failed scrape, one 503, one slow sync: nobody is woken."""
    rule, calm = RULES[name], recorded(1, 1, 0.01)
    once = {} if name == "RouterGone" else recorded(2, 2, 3.0)
    assert not rule.firing(Tape().laid(calm, 1800).laid(once, 60).laid(once or calm, 60))


def recorded(refused: float, syncs: float, sync_s: float) -> Page:
    of_web: Labels = frozenset({("source", "web"), ("code", "503")})
    return {
        "segment_router_info": {frozenset(): 1.0},
        "segment_router_ingest_requests_total": {of_web: refused},
        "segment_router_store_sync_duration_seconds_count": {frozenset(): syncs},
        "segment_router_store_sync_duration_seconds_sum": {frozenset(): sync_s},
    }


@pytest.mark.skipif(promtool.PROMTOOL is None, reason=promtool.MISSING)
def test_promtool_finds_no_fault_in_the_rules(tmp_path: Path) -> None:
    code, said = promtool.run("check", "rules", str(FILE), folder=tmp_path)
    assert code == 0, said
    assert cast(re.Match[str], re.search(r"(\d+) rules found", said))[1] == str(len(RULES))
