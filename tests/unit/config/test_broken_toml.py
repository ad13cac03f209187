"""A config.toml that is no TOML: the line of the slip, and what can be read of the rest."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from router.config import examine, readable

WHOLE = """plugins_dir = "plugins"
[server]
listen = "127.0.0.1:1"
[store]
url = "sqlite:a.db"
[[source]]
name = "web"
[source.privacy]
drop = ["a"]
[[source]]
name = "app"
"""


def test_of_a_whole_file_all_is_read() -> None:
    found = readable(WHOLE.encode())
    assert (found.tables, found.rest) == (tomllib.loads(WHOLE), "")


@pytest.mark.parametrize(
    "slip",
    [
        "garbage = [\n",
        "[log\nlevel = 1\n",
        '[log]\nlevel = "info\n',
        '[log]\nlevel = "\xff"\n',
        "[log]\n[log]\n",
        "[log]\nlevel = # store\n",
    ],
)
def test_a_slip_takes_nothing_away_but_itself(slip: str) -> None:
    found = readable(WHOLE.encode() + slip.encode("latin-1"))
    assert {key: value for key, value in found.tables.items() if key != "log"} == tomllib.loads(WHOLE)
    assert found.tables.get("log", {}) == {}
    assert not any(found.hides(table, key) for table, key in (("store", "url"), ("server", "listen")))


@pytest.mark.parametrize(
    "broken",
    [
        '[store]\nurl = "sqlite:a.db\n',
        '[store\nurl = "sqlite:a.db"\n',
        '[store]\nretention = \nurl = "sqlite:a.db"\n',
        '[store]\nurl = "sqlite:\xff.db"\n',
        'store.url = "a\n[log]\n',
        "[store]\nretention = [\n" + "1,\n" * 500 + 'url = "sqlite:a.db"\n',
    ],
)
def test_a_key_that_may_be_in_what_cannot_be_read_is_not_taken_for_one_that_is_not_there(broken: str) -> None:
    assert readable(broken.encode("latin-1")).hides("store", "url")


def test_a_table_that_only_a_comment_or_a_value_names_is_not_there() -> None:
    assert not readable(b'[log]\nlevel = "the store\n# store and so on\n').hides("store", "url")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("garbage = [\n\n# the end\n", "line 1: what begins there does not end"),
        ('[log]\nlevel = "info"\n[store]\nurl = """\nx\n', "line 4: what begins there does not end"),
        ("[log]\nlevel = = 1\n", "line 2, column 9: Invalid value"),
    ],
)
def test_the_line_of_the_slip_is_named_with_the_file(
    text: str, words: str, write_config: Callable[[str], Path]
) -> None:
    path = write_config("")
    path.write_text(text)
    assert examine(path, {}).problems == [f"{path}: {words}; correct the TOML there"]


def test_of_a_long_value_that_does_not_end_the_last_line_is_named(write_config: Callable[[str], Path]) -> None:
    path = write_config("")
    path.write_text("[log]\nlevel = [\n" + "1,\n" * 500)
    assert examine(path, {}).problems == [f"{path}: line 502, the last one: Invalid value; correct the TOML there"]
