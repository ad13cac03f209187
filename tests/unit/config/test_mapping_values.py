"""`type`, `default`, `max_length`, `hash` and `event_names`: what is refused at load, each with its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from router.config import MappingConfig, load
from router.config.mapping_rules import mapping_problems
from router.config.value_types import CONVERTERS
from router.errors import ConfigError

GOOD: dict[str, Any] = {
    "event_names": {"Signed Up": "Signup", "Heartbeat": False},
    "rename": {"properties.sum": "properties.amount"},
    "set": {"properties.shop": "de"},
    "type": {"properties.amount": "number", "user.birthday": "date", "properties.shop": "text"},
    "default": {"properties.plan": "free", "group.seats": 1},
    "max_length": {"properties.note": 255},
    "hash": ["user.email", "properties.phones"],
}


def problems(**table: Any) -> list[str]:
    return mapping_problems(MappingConfig.model_validate(table))


@pytest.mark.parametrize("name", ["true", "5", "[]"])
def test_a_new_name_that_is_no_text_is_refused_with_the_old_one(name: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[[destination]]\nname = "f"\nplugin = "file"\n[destination.mapping]\n'
        f'event_names = {{ A = "B", "C D" = {name} }}\n'
    )
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    [problem] = [one for one in refused.value.problems if "event_names" in one]
    words = '"C D": write the new name between quotes, or false to drop events of this name'
    assert problem == f"destination[0] (f).mapping.event_names: {words}"


def test_a_table_with_all_of_them_is_good() -> None:
    assert problems(**GOOD) == []


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"type": {"amount": "number"}}, 'type."amount": not a path'),
        ({"hash": ["user.id"]}, "the id of a user stays as it is"),
        ({"default": {"properties.at": float("inf")}}, "no inf"),
        ({"default": {"properties.a": ""}}, "fills nothing"),
        ({"default": {"properties.a": "x"}, "set": {"properties.a": "y"}}, "is set, so it always has a value"),
        (
            {"default": {"properties.a": "x"}, "type": {"properties.a": "number"}},
            "cannot be brought to the type number",
        ),
        ({"set": {"properties.a": "x"}, "type": {"properties.a": "date"}}, "cannot be brought to the type date"),
        ({"default": {"properties.a": 1}, "only": ["properties.b"]}, "is not in `only`"),
        ({"default": {"properties.a": 1, "properties.a.b": 1}}, "has a default too"),
        ({"type": {"properties.a": "text", "properties.a.b": "text"}}, "has a type too"),
        ({"type": {"properties.a": "text"}, "drop": ["properties.a"]}, "is dropped before"),
        ({"hash": ["user.mail"], "rename": {"user.mail": "user.email"}}, 'write "user.email"'),
        ({"max_length": {"properties.a": 5}, "type": {"properties.a": "number"}}, "cuts text"),
        ({"max_length": {"properties.a": 5}, "hash": ["properties.a"]}, "64 characters"),
        ({"hash": ["properties.a", "properties.a.b"]}, "an object"),
        ({"hash": ["properties.a"], "set": {"properties.a": {"b": 1}}}, "is given an object"),
        ({"event_names": {" ": "x"}}, "without a name"),
        ({"event_names": {"A": "A"}}, "renamed to itself"),
        ({"event_names": {"A": " "}}, "new name is blank"),
    ],
)
def test_an_entry_that_could_do_nothing_or_harm_is_refused(table: dict[str, Any], words: str) -> None:
    found = problems(**table)
    assert any(words in problem for problem in found), found


@pytest.mark.parametrize(
    "table", ['type = { "properties.a" = "int" }', 'max_length = { "properties.a" = 0 }', "event_names = { A = true }"]
)
def test_a_value_of_another_type_is_refused_by_the_file(tmp_path: Path, table: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        f'[[source]]\nname = "w"\nwrite_key = "k"\n[[destination]]\nname = "d"\nplugin = "file"\n[destination.mapping]\n{table}\n'
    )
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    assert all(
        problem.startswith(f"destination[0] (d).mapping.{table.split(' ')[0]}") for problem in refused.value.problems
    )


@pytest.mark.parametrize(
    ("privacy", "words"),
    [
        ("", "give it one"),
        ('[privacy]\nkey = ""\n', "give it one"),
        ('[privacy]\nkey = { env = "PRIVACY_KEY" }\n', "PRIVACY_KEY"),
        ('[privacy]\nkey = "short"\n', "privacy.key"),
    ],
)
def test_a_hash_without_a_key_is_refused(tmp_path: Path, privacy: str, words: str) -> None:
    path = tmp_path / "config.toml"
    table = '[[destination]]\nname = "d"\nplugin = "file"\nmapping = { hash = ["user.email"] }\n'
    path.write_text(f'{privacy}[[source]]\nname = "w"\nwrite_key = "k"\n{table}')
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    assert any(words in problem for problem in refused.value.problems)
    assert load_with_key(path, privacy).privacy.key == "0123456789abcdef"


def load_with_key(path: Path, privacy: str) -> Any:
    text = path.read_text().removeprefix(privacy)
    path.write_text(f'[privacy]\nkey = {{ env = "K" }}\n{text}')
    return load(path, {"K": "0123456789abcdef"})


def test_a_key_that_is_missing_matters_only_where_something_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[privacy]\nkey = { env = "PRIVACY_KEY" }\n[[source]]\nname = "w"\nwrite_key = "k"\n')
    assert load(path, {}).privacy.key is None


@pytest.mark.parametrize(
    ("kind", "given", "made"),
    [
        ("text", 150.0, "150"),
        ("text", True, "true"),
        ("text", [1, "ü"], '[1,"ü"]'),
        ("number", " 12.5 ", 12.5),
        ("number", 3, 3),
        ("date", "2026-01-31", "2026-01-31T00:00:00.000Z"),
        ("date", 1_767_323_045, "2026-01-02T03:04:05.000Z"),
        ("date", "2026-01-02T04:04:05.678+01:00", "2026-01-02T03:04:05.678Z"),
        ("bool", "TRUE", True),
        ("bool", 0, False),
    ],
)
def test_a_value_is_brought_to_its_type(kind: str, given: Any, made: Any) -> None:
    found = CONVERTERS[kind](given)
    assert (type(found), found) == (type(made), made)
