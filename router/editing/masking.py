"""The text of config.toml as it may be shown: literal secrets masked, places of secrets (`{ env = ... }`) as they are."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping, MutableMapping
from typing import Any

import tomlkit

from router.config import is_secret_table
from router.editing.comments import MASK, masked_comments
from router.editing.sections import Section, cut

FIXED = {
    ("admin", "token"), ("privacy", "key"), ("source", "write_key"), ("source", "secrets"), ("notify", "url"), ("notify", "secret"),
    ("tracing", "headers"), ("store", "url"),
}  # fmt: skip
"""Keys of config.toml that hold secrets, without the numbers of tables."""

SETTINGS = ("destination", "settings")

MIN_LENGTH = 6
"""A literal secret of so many characters is masked in comments, too."""

COMMENT = re.compile(r"#.*")

SecretKeys = Mapping[str, frozenset[str]]
"""By the name of a plugin: the keys of its settings that hold secrets. Of a plugin that is not in it, every setting is taken for one."""


def without_secrets(text: str, secret_keys: SecretKeys) -> str:
    """A valid TOML text with MASK in place of each literal secret."""
    plugins = [table.get("plugin") for table in _tables(tomllib.loads(text).get("destination"))]
    found: set[str] = set()
    names = {key for _, key in FIXED}.union(*secret_keys.values())
    lines, keys, at = "", None, 0
    for section in cut(text):
        if section.path == ("destination",) and section.is_element:
            keys, at = secret_keys.get(str(plugins[at])), at + 1
        masked = section.header + _masked_body(section, keys, found)
        lines += masked_comments(masked, names, is_public=section.path[:2] != SETTINGS)
    long = sorted((re.escape(one) for one in found if len(one) >= MIN_LENGTH), key=len, reverse=True)
    return COMMENT.sub(lambda one: re.sub("|".join(long), MASK, one[0]), lines) if long else lines


def difference(old: str, new: str, name: str, secret_keys: SecretKeys) -> list[str]:
    """The lines of a unified diff of two such texts, masked."""
    before, after = without_secrets(old, secret_keys).splitlines(), without_secrets(new, secret_keys).splitlines()
    return list(difflib.unified_diff(before, after, name, f"{name} (new)", lineterm=""))


def _tables(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _masked_body(section: Section, keys: frozenset[str] | None, found: set[str]) -> str:
    """The body of a section. `keys`: of the plugin of its destination. Adds the secrets in it to `found`."""
    secrets: set[str] = set()
    _mask(tomllib.loads(section.body), section.path, keys, secrets)
    if not secrets:  # as in nearly all of them; tomlkit takes ten times as long to read one
        return section.body
    document = tomlkit.parse(section.body)
    _mask(document, section.path, keys, found)
    return tomlkit.dumps(document)


def _mask(value: Any, path: tuple[str, ...], keys: frozenset[str] | None, found: set[str]) -> None:
    """Mask what is below this path, in place."""
    if isinstance(value, MutableMapping):
        if _is_secret(path, keys) and is_secret_table(dict(value)):
            return
        places: list[Any] = list(value)
    elif isinstance(value, list):
        places = list(range(len(value)))
    else:
        return
    for place in places:
        inner = value[place]
        below = path if isinstance(value, list) else (*path, str(place))
        if isinstance(inner, MutableMapping | list):
            _mask(inner, below, keys, found)
        elif _is_secret(below, keys) and inner != "" and not is_path(inner):
            found.add(str(inner))
            value[place] = MASK


def is_path(value: Any) -> bool:
    """Whether it is what `store.url` says of a file: that is for everybody's eyes."""
    return isinstance(value, str) and value.startswith("sqlite:")


def _is_secret(path: tuple[str, ...], keys: frozenset[str] | None) -> bool:
    if path[:2] in FIXED:
        return True
    return path[:2] == SETTINGS and len(path) > 2 and (keys is None or path[2] in keys)
