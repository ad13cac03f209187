"""What is in force, key by key, where it comes from, and what another config.toml changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from router.config.as_written import as_written
from router.editing.key_values import KeyChange, KeyValue, key_changes, key_values, shown
from router.plugin_host import read

Write = Callable[[str], Path]

CONFIG = """\
[log]
level = "warning"
[privacy]
key = "0123456789abcdef"
[[source]]
name = "website"
write_key = ["wk_secret", { env = "WEBSITE_KEY" }]
[[destination]]
name = "hook"
plugin = "webhook"
sources = ["website"]
delivery = { timeout = "30s" }
[destination.settings]
url = { file = "url" }
shared_secret = "very-secret"
batch = 5
"""
ENVIRON = {"WEBSITE_KEY": "wk_from_env"}


def values_of(folder: Path, text: str = CONFIG, url: str = "https://example.com/abc") -> dict[str, KeyValue]:
    (folder / "url").write_text(url)
    path = folder / "config.toml"
    path.write_text(text)
    return {one.key: one for one in key_values(*read(path, ENVIRON))}


def changes(folder: Path, text: str, url: str = "https://example.com/abc") -> list[KeyChange]:
    old = values_of(folder).values()
    return key_changes(old, values_of(folder, text, url).values())


def told(value: KeyValue) -> tuple[Any, str, int | None]:
    return value.value, value.origin, value.line


def test_a_value_comes_from_its_line_or_from_the_default(tmp_path: Path) -> None:
    found = values_of(tmp_path)
    assert told(found["log.level"]) == ("warning", "config.toml", 2)
    assert told(found["log.format"]) == ("auto", "default", None)
    assert told(found["destination.hook.delivery.timeout"]) == ("30s", "config.toml", 12)
    assert told(found["destination.hook.settings.batch"]) == (5, "config.toml", 16)


def test_defaults_are_shown_as_config_toml_would_have_them(tmp_path: Path) -> None:
    found = values_of(tmp_path)
    keys = (
        "server.listen",
        "store.retention",
        "store.min_free",
        "source.website.rate",
        "destination.hook.dead.max_age",
    )
    assert [found[key].value for key in keys] == ["127.0.0.1:8080", "7d", "512MB", "", "90d"]


def test_the_store_is_shown_where_it_is(tmp_path: Path) -> None:
    assert values_of(tmp_path)["store.url"].value == f"sqlite:{tmp_path / 'var/router.db'}"


def test_a_secret_is_masked_and_its_place_is_told(tmp_path: Path) -> None:
    found = values_of(tmp_path)
    assert told(found["source.website.write_key"]) == ("***", "env WEBSITE_KEY", 7)
    assert told(found["privacy.key"]) == ("***", "config.toml", 4)
    assert told(found["destination.hook.settings.url"]) == ("***", "file url", 14)
    assert told(found["destination.hook.settings.shared_secret"]) == ("***", "config.toml", 15)
    assert told(found["admin.token"]) == (None, "default", None)


def test_no_secret_is_in_what_is_shown(tmp_path: Path) -> None:
    words = json.dumps(shown(values_of(tmp_path).values()))
    for secret in ("wk_secret", "wk_from_env", "0123456789abcdef", "very-secret", "example.com/abc"):
        assert secret not in words


def test_the_same_value_in_other_words_is_no_change(tmp_path: Path) -> None:
    same = CONFIG.replace('timeout = "30s"', 'timeout = "30000ms"').replace("[log]\n", '[log]\nformat = "auto"\n')
    assert changes(tmp_path, same) == []


def test_a_change_has_the_old_value_and_the_new_one(tmp_path: Path) -> None:
    assert changes(tmp_path, CONFIG.replace('timeout = "30s"', 'timeout = "10s", rate = "5/s"')) == [
        KeyChange("destination.hook.delivery.timeout", "changed", "30s", "10s"),
        KeyChange("destination.hook.delivery.rate", "changed", "", "5/s"),
    ]


def test_of_a_secret_only_the_change_is_told_also_where_its_file_changed(tmp_path: Path) -> None:
    changed = KeyChange("destination.hook.settings.url", "changed", "***", "***")
    assert changes(tmp_path, CONFIG, url="https://example.com/other") == [changed]
    assert changes(tmp_path, CONFIG.replace("very-secret", "other")) == [
        changed._replace(key="destination.hook.settings.shared_secret")
    ]


def test_a_table_that_comes_or_goes_is_told_by_the_keys_it_sets(tmp_path: Path) -> None:
    more = CONFIG + '[[source]]\nname = "app"\nwrite_key = "k"\n'
    assert changes(tmp_path, more) == [
        KeyChange("source.app.name", "added", None, "app"),
        KeyChange("source.app.write_key", "added", None, "***"),
    ]
    less = CONFIG[: CONFIG.index("[[destination]]")]
    assert {(one.key, one.change, one.new) for one in changes(tmp_path, less)} >= {
        ("destination.hook.name", "removed", None),
        ("destination.hook.settings.url", "removed", None),
    }


def test_a_tracking_plan_with_another_content_is_a_change(tmp_path: Path) -> None:
    text = CONFIG.replace('name = "website"', 'name = "website"\nplan = "plan.json"')
    (tmp_path / "plan.json").write_text('{"rules": []}')
    old = values_of(tmp_path, text)
    rule = {"type": "TRACK", "key": "A", "version": 1, "jsonSchema": {}}
    (tmp_path / "plan.json").write_text(json.dumps({"rules": [rule]}))
    (change,) = key_changes(old.values(), values_of(tmp_path, text).values())
    assert change == KeyChange("source.website.plan", "changed", "plan.json", "plan.json")


def test_console_in_one_word_is_its_table(tmp_path: Path) -> None:
    found = values_of(tmp_path, "console = false\n" + CONFIG)
    assert told(found["console.enabled"]) == (False, "config.toml", 1)


def test_amounts_are_written_with_the_largest_unit_that_is_whole() -> None:
    assert [as_written(value, "duration") for value in (0.25, 10.0, 259_200.0, 604_800.0, 0.0)] == [
        "250ms", "10s", "72h", "7d", "0s",
    ]  # fmt: skip
    assert [as_written(value, "size") for value in (512_000_000, 1, 2**26)] == ["512MB", "1B", "67108864B"]


def test_what_is_compared_is_in_no_line_that_prints_a_value() -> None:
    one = KeyValue("destination.d.settings.api_key", "***", "config.toml", 7, "s3cret")
    assert repr(one) == "KeyValue('destination.d.settings.api_key', '***', 'config.toml', 7)"
