"""Tracking plans in config.toml: what is refused at load, what the settings come to, and what is warned of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.config import Config, OnViolation, load
from router.errors import ConfigError
from router.plans import Policy

RULE = {"type": "TRACK", "key": "E", "version": 1, "jsonSchema": {}}
QUALITY = '[[source]]\nname = "quality"\nwrite_key = "q"\n'


def written(folder: Path, source: str, *, rules: object = (RULE,), more: str = "") -> Path:
    (folder / "plans").mkdir(exist_ok=True)
    (folder / "plans/acme.json").write_text(json.dumps({"rules": list(rules)}))  # type: ignore[call-overload]
    path = folder / "config.toml"
    path.write_text(f'{more}[[source]]\nname = "website"\nwrite_key = "k"\n{source}')
    return path


def loaded(folder: Path, source: str, **more: str) -> Config:
    return load(written(folder, source, **more), {})


def problems(folder: Path, source: str, **more: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        loaded(folder, source, **more)
    return refused.value.problems


def test_a_plan_is_read_relative_to_config_toml_and_shared_by_sources(tmp_path: Path) -> None:
    other = '[[source]]\nname = "app"\nwrite_key = "a"\nplan = ["plans/acme.json"]\n'
    config = loaded(tmp_path, 'plan = "plans/acme.json"\n', more=other)
    assert config.plans["website"] is config.plans["app"]
    assert [rule.key for rule in config.plans["app"].rules] == ["E"]


def test_what_is_left_out_is_allowed_and_pages_follow_track(tmp_path: Path) -> None:
    text = '[source.on_violation]\ntrack = { violations = "block", unplanned_events = "block" }\npage = { violations = "omit" }\n'
    config = loaded(tmp_path, f'plan = "plans/acme.json"\n{text}')
    policies = config.sources[0].on_violation.policies()
    assert policies == {
        "track": Policy(unplanned_events="block", violations="block"),
        "identify": Policy(),
        "group": Policy(),
        "page": Policy(unplanned_events="block", violations="omit"),
        "screen": Policy(unplanned_events="block", violations="block"),
    }
    assert set(OnViolation().policies().values()) == {Policy()}


@pytest.mark.parametrize(
    ("tables", "key"),
    [
        ('[source.on_violation]\ntrack = { violations = "block" }\n', "on_violation"),
        ('[source.forward]\nblocked = "quality"\n', "forward"),
    ],
)
def test_reactions_without_a_plan_are_refused(tables: str, key: str, tmp_path: Path) -> None:
    [problem] = problems(tmp_path, tables, more=QUALITY)
    assert problem.startswith(f"source[1] (website).{key}: only for a source with a tracking plan; add ")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("website", "this is the source itself"),
        ("qualit", 'did you mean "quality"?'),
        ("off", "is disabled"),
        ("private", "has [source.privacy]"),
    ],
)
def test_violations_are_forwarded_to_another_source_that_takes_them(target: str, words: str, tmp_path: Path) -> None:
    off = '[[source]]\nname = "off"\nwrite_key = "o"\nenabled = false\n'
    off += '[[source]]\nname = "private"\nwrite_key = "p"\nprivacy = { drop = ["context.ip"] }\n'
    text = f'plan = "plans/acme.json"\n[source.forward]\nviolations = "{target}"\n'
    [problem] = problems(tmp_path, text, more=QUALITY + off)
    assert problem.startswith("source[3] (website).forward.violations: ")
    assert words in problem


def test_a_fault_of_the_plan_is_a_fault_of_config_toml_with_file_rule_and_path(tmp_path: Path) -> None:
    bad = {**RULE, "jsonSchema": {"$ref": "http://example.com/schema"}}
    path = written(tmp_path, 'plan = "plans/acme.json"\n', rules=[bad])
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    [problem] = refused.value.problems
    place = f"source[0] (website).plan: {tmp_path / 'plans/acme.json'}: rule TRACK 'E' at $.rules[0].jsonSchema.$ref: "
    assert problem.startswith(place)


def test_a_rule_that_no_event_can_meet_is_warned_of(tmp_path: Path) -> None:
    config = load(written(tmp_path, 'plan = "plans/acme.json"\n', rules=[{**RULE, "key": "E\n"}]), {})
    [warning] = [warning for warning in config.warnings if warning.key == "plan"]
    assert (warning.where, "white space" in warning.words) == ("website", True)


def destination(name: str, keys: str) -> str:
    return f'[[destination]]\nname = "{name}"\nplugin = "file"\n{keys}\nsettings = {{ path = "{name}.jsonl" }}\n'


def test_a_destination_that_gets_what_is_forwarded_beside_the_source_itself_is_warned_of(tmp_path: Path) -> None:
    source = 'plan = "plans/acme.json"\n[source.forward]\nblocked = "quality"\n'
    both = destination("every", "") + destination("both", 'sources = ["website", "quality"]')
    one = destination("one", 'sources = ["website"]') + destination("other", 'sources = ["quality"]')
    off = destination("off", "enabled = false")
    [warning] = loaded(tmp_path, source, more=QUALITY + both + one + off).warnings
    assert (warning.where, warning.key) == ("website", "forward.blocked")
    assert warning.words.startswith("also at every, both, which gets the events that the plan blocks after all")
    assert not loaded(tmp_path, source, more=QUALITY + one + off).warnings


def test_a_misspelt_reaction_is_told_with_its_key(tmp_path: Path) -> None:
    text = (
        'plan = "plans/acme.json"\n[source.on_violation]\ntrack = { violation = "block", common_violations = "drop" }\n'
    )
    found = problems(tmp_path, text)
    assert any("on_violation.track.violation: unknown key" in problem for problem in found)
    assert any('on_violation.track.common_violations: must be one of "allow"' in problem for problem in found)
