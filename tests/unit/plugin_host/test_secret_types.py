"""A secret stands where the router finds it, or the form check says what to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from pydantic import AliasChoices, BaseModel, Field, Secret, SecretBytes, SecretStr
from typing_extensions import TypeAliasType, TypedDict

from router.plugin import Settings
from router.plugin_host.contract_check import FAILED, check_form
from router.plugin_host.secret_fields import holds_secrets
from router.plugin_host.secret_types import secret_faults


@dataclass
class Record:
    key: SecretStr


class Table(TypedDict):
    key: list[SecretStr]


class Pair(NamedTuple):
    key: Record


class Plain(NamedTuple):
    name: str


class Inner(BaseModel):
    key: SecretStr
    others: list[Inner] = []


class Deep(BaseModel):
    record: Record


Key = TypeAliasType("Key", SecretStr)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (SecretBytes, "one is SecretBytes, which the router does not mask; write `SecretStr`"),
        (Secret[int], "one is Secret, which the router does not mask; write `SecretStr`"),
        (Record, "one has secrets in Record, where the router does not find them; use a `BaseModel`"),
        (list[Table], "one has secrets in Table, where the router does not find them; use a `BaseModel`"),
        (dict[str, Pair] | None, "one has secrets in Pair, where the router does not find them; use a `BaseModel`"),
        (Deep, "one.record has secrets in Record, where the router does not find them; use a `BaseModel`"),
    ],
)
def test_a_type_that_hides_nothing_is_refused_with_what_to_write(annotation: Any, words: str) -> None:
    class Given(Settings):
        one: annotation = None

    assert list(secret_faults(Given)) == [words]


@pytest.mark.parametrize("annotation", [SecretStr, Key, Inner, Plain, list[SecretStr], dict[str, Inner | None]])
def test_a_type_whose_secrets_are_found_is_taken(annotation: Any) -> None:
    class Given(Settings):
        one: annotation = Field(default=None, alias="first")

    assert list(secret_faults(Given)) == []
    assert holds_secrets(annotation) is (annotation is not Plain)


@pytest.mark.parametrize("alias", ["apiKey", AliasChoices("apiKey", "key")])
def test_a_plugin_with_a_key_that_the_router_does_not_know_fails_the_form(alias: Any) -> None:
    class Given(Settings):
        api_key: SecretStr = Field(validation_alias=alias)

    class Plugin:
        settings_model = Given

    (found,) = [one for one in check_form(Plugin, {}) if one.name == "settings_model"]
    assert found.result == FAILED
    assert found.words[0].endswith("write `alias=`")
