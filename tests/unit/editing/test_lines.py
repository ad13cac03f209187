"""Where each key of config.toml stands."""

from __future__ import annotations

from pathlib import Path

from router.editing.lines import lines_of

TEXT = '''# a comment
plugins_dir = ""
console = false

[server] # where
listen = "127.0.0.1:8080"
trusted_proxies = [
  "10.0.0.0/8", # [not] a header
]
[[source]]
name = "a"
[[source]]
name = "b"
[source.privacy]
drop = ["traits.x"]
[[destination]]
name = "hook"
delivery = { timeout = "10s", rate = "" }
filter = """
[still a text]
"""
dead.max_age = "3d"
[destination.settings]
url = "x"
[[destination.filters]]
title = "one"
[[destination.filters]]
title = "two"
'''


def test_each_key_has_the_line_at_which_it_begins() -> None:
    found = lines_of(TEXT)
    assert (found[("plugins_dir",)], found[("console",)]) == (2, 3)
    assert (found[("server",)], found[("server", "listen")], found[("server", "trusted_proxies")]) == (5, 6, 7)
    assert found[("destination", 0, "filter")] == 19


def test_elements_of_a_list_of_tables_have_numbers() -> None:
    found = lines_of(TEXT)
    assert (found[("source", 0, "name")], found[("source", 1, "name")]) == (11, 13)
    assert (found[("source", 1, "privacy")], found[("source", 1, "privacy", "drop")]) == (14, 15)
    assert (found[("destination", 0, "filters", 0, "title")], found[("destination", 0, "filters", 1, "title")]) == (
        26,
        28,
    )


def test_keys_of_tables_in_one_line_and_dotted_keys_have_the_line_of_their_statement() -> None:
    found = lines_of(TEXT)
    assert found[("destination", 0, "delivery", "timeout")] == found[("destination", 0, "delivery")] == 18
    assert found[("destination", 0, "dead", "max_age")] == 22


def test_every_key_of_the_shipped_file_stands_where_it_says(shipped: Path) -> None:
    text = shipped.read_text(encoding="utf-8")
    lines = text.splitlines()
    found = {path: line for path, line in lines_of(text).items() if isinstance(path[-1], str)}
    assert len(found) > 100
    for path, line in found.items():
        assert str(path[-1]) in lines[line - 1], (path, line)
