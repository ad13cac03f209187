"""The fields of a form, from a settings model as any plugin may write it."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from router.editing.fields import FormField, setting_fields
from router.editing.submitted import Submitted, read_form
from router.editing.tables import KeyChange
from router.plugin import Field, SecretStr, Settings


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(Settings):
    key: SecretStr
    n: int = 1


class Every(Settings):
    old_names: ClassVar[dict[str, str]] = {"apiKey": "key"}

    key: SecretStr = Field(title="API Key", description="The key.", json_schema_extra={"where": "Settings, API."})
    name: str = "x"
    count: int = Field(default=5, ge=1, le=9)
    ratio: float | None = Field(default=None, gt=0)
    is_on: bool = True
    mode: Literal["a", "b"] = "a"
    colour: Colour = Colour.RED
    path: Path = Path("out")
    tags: tuple[str, ...] = ()
    codes: list[int] = Field(default=[])
    table: dict[str, int] = Field(default={})
    headers: dict[str, SecretStr] = Field(default={})
    inner: Inner | None = None
    hook: str = Field(default="", repr=False)
    hooks: tuple[str, ...] = Field(default=(), repr=False)


def fields(**given: Any) -> dict[str, FormField]:
    return {
        field.path[-1] + ("+" if field.kind == "new_secret" else ""): field for field in setting_fields(Every, given)
    }


def test_each_type_has_its_input() -> None:
    kinds = {name: field.kind for name, field in fields().items()}
    assert kinds == {
        "key": "secret", "name": "text", "count": "whole", "ratio": "number", "is_on": "bool", "mode": "choice",
        "colour": "choice", "path": "text", "tags": "lines", "codes": "whole_lines", "table": "toml",
        "headers+": "new_secret", "inner": "file_only", "hook": "secret", "hooks": "file_only",
    }  # fmt: skip


def test_title_place_bounds_default_and_choices_come_from_the_model() -> None:
    found = fields()
    key, count = found["key"], found["count"]
    assert (key.title, key.description, key.where, key.is_required) == ("API Key", "The key.", "Settings, API.", True)
    assert (count.title, count.default, count.least, count.most) == ("count", "5", "1", "9")
    assert (found["colour"].choices, found["colour"].value) == (("red", "blue"), "red")


def test_a_secret_is_told_by_its_place_and_never_by_its_value() -> None:
    given = {"apiKey": "literal", "headers": {"A": {"env": "B"}}, "name": {"file": "n"}, "hook": "https://x/literal"}
    found = setting_fields(Every, given)
    secrets = {field.name: field.note for field in found if field.kind == "secret"}
    assert secrets == {
        "setting.apiKey": "written in config.toml",
        "setting.name": "kept in the file n",
        "setting.headers.A": "from the environment variable B",
        "setting.hook": "written in config.toml",
    }
    assert "literal" not in str([field._replace(table=None) for field in found])


def sent(given: dict[str, str], **present: Any) -> Submitted:
    table = {"name": "d", "settings": present}
    return read_form(given, setting_fields(Every, present), table, "", Path("/etc/router/config.toml"))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("name", "a b", "a b"),
        ("count", "7", 7),
        ("ratio", "0.5", 0.5),
        ("is_on", "off", False),
        ("mode", "b", "b"),
        ("tags", "a\r\n\r\n b ", ["a", "b"]),
        ("codes", "404\n410", [404, 410]),
        ("table", "{ a = 1 }", {"a": 1}),
    ],
)
def test_what_was_entered_becomes_a_value_of_its_type(key: str, text: str, value: object) -> None:
    asked = sent({f"setting.{key}": text})
    assert (asked.changes, asked.errors) == ([KeyChange(("settings", key), value)], {})


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("count", "many", "write a whole number"),
        ("ratio", "nan", "write a number"),
        ("mode", "c", "choose one of a, b"),
        ("codes", "404\nx", "write a whole number"),
        ("table", "{ a = 1 }\nb = 2", "nothing after it"),
        ("table", "{ a = ", "not a value of TOML"),
        ("table", '{ file = "/etc/passwd" }', "where a secret is kept is chosen in config.toml"),
        ("table", "[" * 20_000, "nested too deeply"),
        ("name", "\ud800", "cannot be written"),
    ],
)
def test_what_is_none_is_told_at_its_field(key: str, text: str, words: str) -> None:
    asked = sent({f"setting.{key}": text})
    assert asked.changes == []
    assert words in asked.errors[f"setting.{key}"]


def test_an_emptied_field_goes_back_to_its_default() -> None:
    assert sent({"setting.name": ""}, name="y").changes == [KeyChange(("settings", "name"), None)]
    assert sent({"setting.count": ""}, count=7).changes == [KeyChange(("settings", "count"), None)]


def test_a_secret_goes_to_the_file_that_is_named_or_to_one_of_its_own() -> None:
    named = sent({"setting.key": " new "}, key={"file": "keys/crm"})
    assert (named.changes, named.secrets) == ([], {Path("/etc/router/keys/crm"): "new"})
    for present in ({}, {"key": "literal"}, {"key": {"env": "KEY"}}):
        asked = sent({"setting.key": "new"}, **present)
        assert asked.changes == [KeyChange(("settings", "key"), {"file": "secrets/d_key"})]
        assert asked.secrets == {Path("/etc/router/secrets/d_key"): "new"}


def test_two_secrets_of_one_form_never_share_a_file() -> None:
    given = {"setting.headers+name": "x", "setting.headers+value": "1", "setting.headers.y": "2"}
    asked = sent(given, headers={"y": "old"})
    assert sorted(file.name for file in asked.secrets) == ["d_headers_x", "d_headers_y"]
