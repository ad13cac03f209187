"""Which destinations a reload gives a new runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.config import Config, load
from router.daemon.config_changes import ask_about_the_key, compare, compare_keys, has_changed
from router.daemon.reload import Refusal, code_of
from router.errors import ConfirmationRequired
from router.explain.trouble_codes import REFUSED
from router.plugin_host import Destination, read

KEYS = {"OLD": "0123456789abcdef", "NEW": "fedcba9876543210"}
SOURCE = '[[source]]\nname = "website"\nwrite_key = "k"\n'
TABLE = '[[destination]]\nname = "out"\nplugin = "file"\nsettings = { path = "out.jsonl" }\n'


def built(folder: Path, privacy: str, table: str) -> Destination:
    path = folder / "config.toml"
    path.write_text(f"{privacy}{SOURCE}{TABLE}{table}")
    return read(path, KEYS)[1][0]


def key(name: str) -> str:
    return f'[privacy]\nkey = {{ env = "{name}" }}\n'


def test_another_key_changes_a_destination_that_hashes_and_no_other(tmp_path: Path) -> None:
    hashing = 'mapping = { hash = ["user.email"] }\n'
    old, new = (built(tmp_path, key(name), hashing) for name in ("OLD", "NEW"))
    assert has_changed(old, new)
    assert not has_changed(old, built(tmp_path, key("OLD"), hashing))
    assert not has_changed(*(built(tmp_path, key(name), "") for name in ("OLD", "NEW")))


def test_another_filter_changes_a_destination(tmp_path: Path) -> None:
    old, new = (built(tmp_path, "", f'filter = "{text}"\n') for text in ("all", "type = 'page'"))
    assert has_changed(old, new)


def loaded(folder: Path, privacy: str, table: str = "") -> Config:
    path = folder / "config.toml"
    path.write_text(f"{privacy}{SOURCE}{table}")
    return load(path, KEYS)


def test_another_key_changes_a_source_that_hashes_and_no_other(tmp_path: Path) -> None:
    hashing = 'privacy = { hash = ["userId"] }\n'
    old, new, dropping = (
        loaded(tmp_path, key(name), table) for name, table in (("OLD", hashing), ("NEW", hashing), ("NEW", ""))
    )
    assert compare(old, new, {}, {}).sources == ["website"]
    assert compare(old, old, {}, {}).sources == []
    assert compare(loaded(tmp_path, key("OLD")), dropping, {}, {}).sources == []


HASHING = (
    'privacy = { hash = ["userId"] }\n',
    f'{TABLE}mapping = {{ hash = ["user.email"] }}\n',
)
"""A source that hashes, and a destination that does."""


@pytest.mark.parametrize("table", HASHING)
def test_a_key_in_place_of_another_has_to_be_confirmed_and_a_first_one_has_not(tmp_path: Path, table: str) -> None:
    none, old, new = loaded(tmp_path, ""), loaded(tmp_path, key("OLD"), table), loaded(tmp_path, key("NEW"), table)
    for to in (new, none):
        with pytest.raises(ConfirmationRequired) as asked:
            ask_about_the_key(old, to)
        assert asked.value.problems[0].startswith("privacy.key: changed")
        assert KEYS["NEW"] not in str(asked.value)
    ask_about_the_key(none, new)
    ask_about_the_key(old, old)


def test_another_key_is_nothing_to_ask_about_while_nothing_is_hashed_with_it(tmp_path: Path) -> None:
    unused, new = loaded(tmp_path, key("OLD"), TABLE), loaded(tmp_path, key("NEW"), HASHING[0])
    ask_about_the_key(unused, new)
    [change] = [one for one in compare_keys(unused, new, {}, {}) if one.key == "privacy.key"]
    assert change.needs == ""
    [change] = [one for one in compare_keys(new, unused, {}, {}) if one.key == "privacy.key"]
    assert change.needs == "confirmation"


def test_each_refusal_has_a_next_step() -> None:
    assert {code_of(kind([])) for kind in Refusal} == REFUSED.keys()
