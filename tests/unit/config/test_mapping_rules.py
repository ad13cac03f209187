"""What is wrong with a mapping table is told at the start, with key path, reason and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from router.config import load
from router.errors import ConfigError
from router.plugin_host import read

Write = Callable[[str], Path]

HEAD = '[[source]]\nname = "website"\nwrite_key = "k"\n[[destination]]\nname = "crm"\n'
FILE = HEAD + 'plugin = "file"\nsettings = { path = "crm.jsonl" }\n'
CLIENTSUCCESS = HEAD + 'plugin = "clientsuccess"\nsettings = { project_id = "P", api_key = "K" }\n'


def problems(path: Path) -> list[str]:
    """The problems of the mapping, without the place of the table."""
    with pytest.raises(ConfigError) as caught:
        read(path, {})
    where = "destination[0] (crm).mapping"
    assert all(problem.startswith(where) for problem in caught.value.problems)
    return [problem.removeprefix(where) for problem in caught.value.problems]


def test_a_table_of_all_four_operations_loads(write_config: Write) -> None:
    mapping = (
        load(
            write_config(
                FILE
                + """
            [destination.mapping]
            rename = { "properties.area" = "properties.module", "group.title" = "group.name" }
            drop = ["traits.password", "properties.card.number"]
            set = { "properties.product" = "shop", "user.tags" = ["a", { b = 1.5 }], "group.test" = false }
            only = ["user.email", "user.tags"]
            """
            ),
            {},
        )
        .destinations[0]
        .mapping
    )
    assert mapping.rename["group.title"] == "group.name"
    assert mapping.drop == ("traits.password", "properties.card.number")
    assert mapping.set["user.tags"] == ["a", {"b": 1.5}]


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ('drop = ["area"]',
         '.drop[0] (area): not a path; begin it with "properties.", "traits.", "user." or "group."'),
        ('drop = ["context.ip"]',
         '.drop[0] (context.ip): not a path; begin it with "properties.", "traits.", "user." or "group."'),
        ('only = ["properties"]',
         '.only[0] (properties): names no key; write the whole path between quotes, e.g. "properties.plan"'),
        ('only = ["properties."]',
         '.only[0] (properties.): names no key; write the whole path between quotes, e.g. "properties.plan"'),
        ('only = [""]',
         '.only[0] (): not a path; begin it with "properties.", "traits.", "user." or "group."'),
        ('set = { properties = { plan = "pro" } }',
         '.set."properties": names no key; write the whole path between quotes, e.g. "properties.plan"'),
        ('rename = { properties = { area = "properties.module" } }',
         '.rename: write each whole path between quotes, e.g. { "properties.area" = "properties.module" }'),
        ('rename = { "properties.a..b" = "properties.c" }',
         '.rename."properties.a..b": a key between two dots is empty; keys with dots in them cannot be named'),
        ('drop = ["group.id"]',
         '.drop[0] (group.id): the id of a group stays as it is; write "traits.id" for a trait of that name'),
        ('drop = ["user.traits.email"]',
         '.drop[0] (user.traits.email): the keys of "user" are its traits already; write "user.email"'),
        ('rename = { "properties.a" = "module" }',
         '.rename."properties.a": the new path "module" is not a path; begin it with "properties.", "traits.", "user."'
         ' or "group."'),
        ('rename = { "properties.a" = "properties" }',
         '.rename."properties.a": its new path names no key; write the whole path between quotes, e.g. "properties.plan"'),
        ('rename = { "properties.a" = "traits.a" }',
         '.rename."properties.a": the new path "traits.a" is in another place; begin it with "properties." too'),
        ('rename = { "properties.a" = "properties.a" }',
         '.rename."properties.a": renamed to itself; leave it out'),
        ('rename = { "properties.a" = "properties.c", "properties.b" = "properties.c" }',
         '.rename."properties.b": its new path overlaps with that of "properties.a"; give each its own'),
        ('rename = { "traits.a" = "traits.c", "group.b" = "group.c" }',
         '.rename."group.b": its new path overlaps with that of "traits.a"; give each its own'),
        ('rename = { "properties.a" = "properties.c", "properties.a.b" = "properties.d" }',
         '.rename."properties.a.b": overlaps with "properties.a", which is renamed too; leave one of them out'),
        ('rename = { "properties.a" = "properties.b" }\ndrop = ["properties.a"]',
         '.drop[0] (properties.a): "properties.a" is renamed before; leave it out, or drop it by its new path'),
        ('rename = { "properties.a" = "properties.b" }\ndrop = ["properties.b"]',
         '.drop[0] (properties.b): "properties.a" is renamed to there; leave one of them out'),
        ('drop = ["properties.a"]\nset = { "properties.a" = 1 }',
         '.drop[0] (properties.a): "properties.a" is set; leave one of them out'),
        ('rename = { "properties.a" = "properties.b" }\nset = { "properties.b" = 1 }',
         '.set."properties.b": "properties.a" is renamed to there; leave one of them out'),
        ('set = { "properties.a" = 1, "properties.a.b" = 1 }',
         '.set."properties.a.b": overlaps with "properties.a", which is set too; leave one of them out'),
        ('only = ["properties.a", "properties.a.b"]',
         '.only[1] (properties.a.b): overlaps with "properties.a"; leave the longer one out'),
        ('drop = ["properties.a"]\nonly = ["properties.a.b"]',
         '.only[0] (properties.a.b): "properties.a" is dropped before; leave one of them out'),
        ('rename = { "properties.a" = "properties.b" }\nonly = ["properties.a", "properties.b"]',
         '.only[0] (properties.a): "properties.a" is renamed before; write "properties.b"'),
        ('rename = { "properties.a" = "properties.b" }\nonly = ["properties.c"]',
         '.rename."properties.a": what it makes is not in `only` and would go again; add it there'),
        ('set = { "user.a" = 1 }\nonly = ["traits.c"]',
         '.set."user.a": what it makes is not in `only` and would go again; add it there'),
        ('set = { "properties.a" = { b = 1 } }\nonly = ["properties.a.c"]',
         '.only[0] (properties.a.c): "properties.a" is set to a value that has nothing there; keep "properties.a" instead'),
        ('set = { "properties.since" = 2026-01-31 }',
         '.set."properties.since": JSON has no dates and times; write text between quotes, e.g. "2026-01-31"'),
        ('set = { "properties.a" = [{ b = 07:30:00 }] }',
         '.set."properties.a": JSON has no dates and times; write text between quotes, e.g. "2026-01-31"'),
        ('set = { "properties.a" = inf }', '.set."properties.a": JSON has no inf and nan; write a number'),
        ('set = { "properties.a" = 9223372036854775808 }',
         '.set."properties.a": too large a number; write it as text between quotes'),
        ("set = 3", ".set: write a table"),
        ('drop = "properties.a"', '.drop: write a list, e.g. ["a", "b"]'),
        ("drops = []", '.drops: unknown key "drops"; did you mean "drop"?'),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_key_the_reason_and_the_remedy(write_config: Write, table: str, problem: str) -> None:
    assert problems(write_config(f"{FILE}[destination.mapping]\n{table}\n")) == [problem]


def test_all_faults_of_a_table_are_told_at_once(write_config: Write) -> None:
    table = '[destination.mapping]\ndrop = ["a", "properties.b"]\nset = { "c" = 1 }\nonly = ["d"]'
    assert [problem.partition(":")[0] for problem in problems(write_config(FILE + table))] == [
        ".drop[0] (a)",
        '.set."c"',
        ".only[0] (d)",
    ]


def test_a_fault_of_both_users_and_groups_is_told_once(write_config: Write) -> None:
    table = '[destination.mapping]\nrename = { "traits.a" = "traits.b" }\ndrop = ["traits.b"]'
    assert len(problems(write_config(FILE + table))) == 1


@pytest.mark.parametrize(
    "table",
    [
        'rename = { "properties.a" = "properties.b", "properties.b" = "properties.a" }',
        'rename = { "properties.geo.area" = "properties.module" }\ndrop = ["properties.geo"]',
        'rename = { "properties.a" = "properties.b" }\ndrop = ["properties.b.c"]',
        'rename = { "user.title" = "user.name" }\ndrop = ["group.title", "group.name"]',
        'drop = ["properties.a"]\nset = { "properties.a.b" = 1 }',
        'rename = { "properties.a" = "properties.b" }\nonly = ["properties.b.c"]',
    ],
)
def test_what_only_looks_like_a_contradiction_is_none(write_config: Write, table: str) -> None:
    read(write_config(f"{FILE}[destination.mapping]\n{table}\n"), {})


# ---- what the plugin needs first


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ('drop = ["group.name"]', "this table leaves it out; keep it, or rename another trait to it"),
        ('drop = ["traits.name"]', "this table leaves it out; keep it, or rename another trait to it"),
        ('rename = { "group.name" = "group.title" }', "this table leaves it out; keep it, or rename another trait to it"),
        ('only = ["group.plan"]', "this table leaves it out; keep it, or rename another trait to it"),
        ('rename = { "group.company.name" = "group.name" }',
         '"group.company.name" is inside an object; only a trait of the group itself can be renamed to it'),
    ],
)  # fmt: skip
def test_a_table_that_would_keep_the_gate_shut_for_ever_is_refused(
    write_config: Write, table: str, reason: str
) -> None:
    (problem,) = problems(write_config(f"{CLIENTSUCCESS}[destination.mapping]\n{table}\n"))
    assert problem == f": group.name must be known before track, page, but {reason}"


def test_a_trait_that_the_operator_requires_must_be_left_in_too(write_config: Write) -> None:
    tables = '[destination.hold]\nrequire = ["group.plan"]\n[destination.mapping]\ndrop = ["group.plan"]\n'
    (problem,) = problems(write_config(FILE + tables))
    assert problem.startswith(": group.plan must be known before track, page, screen, but this table leaves it out")


@pytest.mark.parametrize(
    "table",
    [
        'rename = { "group.title" = "group.name" }',
        'rename = { "group.name" = "group.brand", "group.title" = "group.name" }',
        'set = { "group.name" = "Everybody" }\nonly = ["group.name"]',
        'drop = ["user.name"]',
        'only = ["traits.name", "user.email"]',
    ],
)
def test_a_table_that_leaves_in_what_is_needed_first_loads(write_config: Write, table: str) -> None:
    read(write_config(f"{CLIENTSUCCESS}[destination.mapping]\n{table}\n"), {})
