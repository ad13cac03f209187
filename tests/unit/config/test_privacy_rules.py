"""What is wrong with `[source.privacy]` is told at the start, with key path, reason and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from router.config import load
from router.config.partial import OUT_OF_SIGHT, Operator
from router.errors import ConfigError
from router.plugin_host import read

Write = Callable[[str], Path]

KEYED = '[privacy]\nkey = "0123456789abcdef"\n'
SOURCE = '[[source]]\nname = "website"\nwrite_key = "k"\n[source.privacy]\n'


def problems(path: Path) -> list[str]:
    """The problems of the table, without its place."""
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    where = "source[0] (website).privacy."
    assert all(problem.startswith(where) for problem in caught.value.problems)
    return [problem.removeprefix(where) for problem in caught.value.problems]


@pytest.mark.parametrize(
    "table",
    [
        'drop = ["context.ip", "traits.address", "properties.a.b.c"]',
        'hash = ["userId", "anonymousId", "groupId", "messageId", "traits.phone", "context.ip"]',
        'drop = ["context.traits"]\nhash = ["traits.phone"]',
        "",
    ],
)
def test_a_good_table_loads(write_config: Write, table: str) -> None:
    load(write_config(KEYED + SOURCE + table), {})


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('drop = ["email"]', 'drop[0] (email): not a path; begin it with "context.", "properties." or "traits.", or name'),
        ('drop = ["user.email"]', 'drop[0] (user.email): at a source, traits of users and groups begin with "traits."'),
        ('hash = ["traits"]', 'hash[0] (traits): names no key; write the whole path, e.g. "traits.email"'),
        ('drop = ["traits..a"]', "drop[0] (traits..a): a key between two dots is empty"),
        ('drop = ["userId"]', "drop[0] (userId): order, duplicates and groups depend on ids, so none is dropped"),
        ('drop = ["previousId"]', "drop[0] (previousId): it is hashed together with userId and anonymousId"),
        ('hash = ["userId.x"]', 'hash[0] (userId.x): an id has nothing inside; write "userId"'),
        ('drop = ["context.groupId"]', "drop[0] (context.groupId): it is an id, and hashed together with groupId"),
        ('drop = ["context.consent"]', "drop[0] (context.consent): it says what the user agreed to"),
        ('hash = ["traits.address"]', "hash[0] (traits.address): it is an object, and only single values are hashed"),
        ('drop = ["traits.a"]\nhash = ["traits.a.b"]', 'hash[0] (traits.a.b): "traits.a" is dropped, so there is nothing'),
        ('drop = ["traits.a.b"]\nhash = ["traits.a"]', 'hash[0] (traits.a): "traits.a.b" is inside it, and an object'),
        ('hash = ["traits.a", "traits.a.b"]', 'hash[1] (traits.a.b): overlaps with "traits.a", which is hashed too'),
        ('drop = [7]', "drop[0]: write text between quotes"),
        ('take = []', 'take: unknown key "take"'),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_remedy(write_config: Write, table: str, problem: str) -> None:
    (found, *_) = problems(write_config(KEYED + SOURCE + table))
    assert found.startswith(problem)


@pytest.mark.parametrize(("key", "words"), [("", "give it one"), ('key = { env = "PRIVACY_KEY" }', "PRIVACY_KEY")])
def test_a_source_that_hashes_needs_a_key(write_config: Write, key: str, words: str) -> None:
    (problem,) = problems(write_config(f'[privacy]\n{key}\n{SOURCE}hash = ["traits.phone"]'))
    assert problem.startswith("hash: privacy.key is required, since a hash without a key can be guessed")
    assert words in problem


def test_a_key_that_only_the_service_has_is_a_warning_to_an_operator(write_config: Write) -> None:
    path = write_config(f'[privacy]\nkey = {{ credential = "key" }}\n{SOURCE}hash = ["traits.phone"]')
    config, _ = read(path, {}, Operator())
    assert config.privacy.key == OUT_OF_SIGHT
    assert [(warning.key, warning.event) for warning in config.warnings] == [("privacy.key", "secret_missing")]


CRM = """
[[destination]]
name = "crm"
plugin = "clientsuccess"
settings = { project_id = "P", api_key = "K" }
"""


@pytest.mark.parametrize(
    ("privacy", "mapping", "warned"),
    [
        ('drop = ["traits.name"]', "", True),
        ('drop = ["traits.title"]', 'rename = { "group.title" = "group.name" }', False),
        ('drop = ["traits.title", "traits.name"]', 'rename = { "group.title" = "group.name" }', True),
        ('drop = ["traits.name"]', 'default = { "group.name" = "Unnamed" }', False),
        ('drop = ["traits.email"]', "", False),
        ('hash = ["traits.name"]', "", False),
    ],
)
def test_a_source_that_drops_what_a_gate_waits_for_is_warned_about(
    write_config: Write, privacy: str, mapping: str, warned: bool
) -> None:
    table = f"[destination.mapping]\n{mapping}" if mapping else ""
    config, _ = read(write_config(f"{KEYED}{SOURCE}{privacy}{CRM}{table}"), {})
    found = [str(warning) for warning in config.warnings if warning.key == "privacy.drop"]
    assert [words.startswith("website: privacy.drop: traits.") for words in found] == [True] * warned
