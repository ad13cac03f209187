"""Which destinations a reload gives a new runner."""

from __future__ import annotations

from pathlib import Path

from router.daemon.reload import has_changed
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
