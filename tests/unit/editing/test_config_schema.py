"""The JSON Schema of config.toml says the same as the loader: what one takes the other takes, and what one refuses, the other does.

`tests/schema_guard.py` holds every other config.toml of the suite against it.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import jsonschema_rs
import pytest

from router.config import examine
from router.editing.catalogue import Offer, offers
from router.editing.config_schema import config_schema
from router.editing.toml_values import written
from router.errors import ConfigError
from router.plugin import Field, SecretStr, Settings
from router.plugin_host import read
from tests.docs.pages import ROOT, SHIPPED, blocks, sections

WRONG: tuple[Any, ...] = (True, 7, 0.5, "no such thing!", "", [], [1], ["", " "], {}, {"zz": 1}, -1)
"""Of each, most keys take nothing."""

ONLY_THE_DAEMON = {
    ("destination", "plugin"): "whether it can be made with its settings",
    ("destination", "sources"): "names of sources that there are",
    ("destination", "filter"): "FQL",
    ("destination", "mapping"): "paths",
    ("destination", "consent_missing"): "only with consent",
    ("destination", "consent_updates"): "only with consent",
    ("source", "privacy"): "paths",
    ("source", "plan"): "files",
    ("source", "secrets"): "only for segment-webhook",
    ("source", "on_violation"): "only with a plan",
    ("source", "forward"): "only with a plan, and sources that there are",
    ("server", "trusted_proxies"): "addresses",
    ("plugins_dir",): "a folder that there is",
}
"""Keys whose values are held against something else by the loader; docs/configuration.md has the same in words."""


@cache
def schema() -> dict[str, Any]:
    return config_schema(offers(None))


@cache
def validator() -> Any:
    return jsonschema_rs.validator_for(schema())


def faults(raw: Any) -> list[str]:
    return [f"{'.'.join(map(str, error.instance_path))}: {error.message}" for error in validator().iter_errors(raw)]


def toml_text(raw: dict[str, Any]) -> str:
    return "".join(toml_line(key, json.dumps(value)) for key, value in raw.items())


@lru_cache(maxsize=100)
def toml_line(key: str, value: str) -> str:
    return f"{json.dumps(key)} = {written(json.loads(value))}\n"


def loader_faults(folder: Path, raw: dict[str, Any]) -> list[str]:
    path = folder / "config.toml"
    path.write_text(toml_text(raw))
    return examine(path, {}).problems


@cache
def shipped() -> dict[str, Any]:
    """To be copied before it is changed."""
    raw = tomllib.loads(SHIPPED.read_text(encoding="utf-8"))
    raw["destination"] = raw["destination"][:1]
    raw["destination"][0] |= {"consent": ["a"], "consent_missing": "allow", "consent_updates": False}
    return raw


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Each key that holds no table."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path


def changed(raw: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(raw)
    inner: Any = raw
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return raw


KEYS = [path for path in leaves(shipped()) if not {"settings", "plugin"} & set(path)]


# ---------------------------------------------------------------- what is valid


def test_it_is_a_schema_itself() -> None:
    jsonschema_rs.meta.validate(schema())


def test_it_takes_the_shipped_file() -> None:
    assert faults(tomllib.loads(SHIPPED.read_text(encoding="utf-8"))) == []


def test_the_shipped_file_names_it_to_editors() -> None:
    assert SHIPPED.read_text(encoding="utf-8").splitlines()[0] == "#:schema ./config.schema.json"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_it_takes_every_configuration_of_the_docs(page: Path) -> None:
    for block in blocks(page, "toml"):
        raw = tomllib.loads(block.text)
        whole = all("write_key" in source for source in raw.get("source", []))
        if whole and {"source", "destination"} & raw.keys():
            named = [one for one in raw.get("destination", []) if one.get("plugin") not in offers_by_name()]
            raw["destination"] = [one for one in raw.get("destination", []) if one not in named]
            assert faults(raw) == [], block.text


def offers_by_name() -> set[str]:
    return {offer.name for offer in offers(None)}


# ---------------------------------------------------------------- what is not


@pytest.mark.parametrize("path", KEYS, ids=lambda path: ".".join(map(str, path)))
def test_it_refuses_what_the_loader_refuses_and_takes_what_it_takes(
    path: tuple[str | int, ...], tmp_path: Path
) -> None:
    for value in WRONG:
        raw = changed(shipped(), path, value)
        problems, found = loader_faults(tmp_path, raw), faults(raw)
        names = tuple(part for part in path if isinstance(part, str))
        if names[:2] in ONLY_THE_DAEMON and problems and not found:
            continue
        assert bool(problems) == bool(found), (path, value, problems, found)


@pytest.mark.parametrize("path", [(), *sorted({path[:-1] for path in KEYS if len(path) > 1}, key=str)], ids=str)
def test_it_refuses_an_unknown_key_in_any_table(path: tuple[str | int, ...], tmp_path: Path) -> None:
    raw = changed(shipped(), (*path, "no_such_key"), "x")
    free = ("rename", "set", "type", "default", "max_length", "event_names")
    assert not path or path[-1] not in free
    assert loader_faults(tmp_path, raw)
    assert faults(raw)


@pytest.mark.parametrize(
    ("table", "key"), [("source", "name"), ("source", "write_key"), ("destination", "name"), ("destination", "plugin")]
)
def test_it_refuses_a_table_without_a_key_that_is_required(table: str, key: str, tmp_path: Path) -> None:
    raw = copy.deepcopy(shipped())
    del raw[table][0][key]
    assert loader_faults(tmp_path, raw)
    assert faults(raw)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("destination", 0, "name"), "all"),
        (("destination", 0, "name"), "Braze"),
        (("destination", 0, "mode"), "life"),
        (("destination", 0, "plugin"), "no_such_plugin"),
        (("destination", 0, "filters"), [{"title": "x", "if": "all", "actions": [{"type": "DROPP"}]}]),
        (("destination", 0, "filters"), [{"title": "x", "if": "all", "actions": []}]),
        (("destination", 0, "filters"), [{"title": "x", "actions": [{"type": "DROP"}]}]),
        (("destination", 0, "filters"), [{"title": "x", "if": "all", "actions": [{"type": "SAMPLE", "percent": 2}]}]),
        (("destination", 0, "consent"), {"all": ["a"]}),
        (("source", 0, "write_key"), {"envv": "X"}),
        (("source", 0, "write_key"), {"env": "X", "file": "x"}),
        (("source", 0, "write_key"), []),
        (("admin", "token"), {"env": ""}),
        (("store", "url"), "postgresql://x"),
        (("notify", "events"), ["no_such_code"]),
    ],
)  # fmt: skip
def test_it_refuses_other_faults_that_the_daemon_refuses(
    key: tuple[str | int, ...], value: Any, tmp_path: Path
) -> None:
    raw = changed(shipped(), key, value)
    path = tmp_path / "config.toml"
    path.write_text(toml_text(raw))
    with pytest.raises(ConfigError):
        read(path, {})
    assert faults(raw)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("source", 0, "write_key"), [{"file": "a"}, "text"]),
        (("source", 0, "plan"), "plans/acme.json"),
        (("destination", 0, "consent"), {"any": ["a", "b"]}),
        (("console",), False),
        (("admin", "token"), ""),
        (("destination", 0, "settings", "project_id"), {"env": "X"}),
        (("notify", "url"), {"credential": "url"}),
    ],
)  # fmt: skip
def test_it_takes_every_form_that_a_value_may_have(key: tuple[str | int, ...], value: Any) -> None:
    assert faults(changed(shipped(), key, value)) == []


# ---------------------------------------------------------------- settings of plugins

GOOD: dict[str, dict[str, Any]] = {
    "clientsuccess": {"project_id": "p", "api_key": "k"},
    "braze": {"api_key": "k"},
    "freshsuccess": {"event_auth_key": "a", "event_api_key": {"env": "K"}},
    "webhook": {"url": "https://example.com", "headers": {"Authorization": {"env": "K"}}, "final_statuses": [404]},
    "http": {"url": "https://example.com/v1", "track": {"body": {"name": "${event}"}}},
    "segment": {"write_key": "k", "base_url": "https://example.com"},
    "postgres": {"dsn": "postgresql://u:p@localhost/events"},
    "file": {"path": "x.jsonl"},
}


def destination(plugin: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {"destination": [{"name": "x", "plugin": plugin, "mode": "dry-run", "settings": settings}]}


def daemon_refuses(folder: Path, raw: dict[str, Any]) -> bool:
    path = folder / "config.toml"
    path.write_text(toml_text(raw))
    try:
        read(path, {})
    except ConfigError:
        return True
    return False


def test_every_bundled_plugin_is_in_it() -> None:
    assert set(GOOD) == offers_by_name()


@pytest.mark.parametrize("plugin", GOOD)
def test_it_knows_the_settings_of_each_plugin(plugin: str, tmp_path: Path) -> None:
    raw = destination(plugin, GOOD[plugin])
    assert (faults(raw), daemon_refuses(tmp_path, raw)) == ([], False)
    for key in GOOD[plugin]:
        wrong = destination(plugin, {**GOOD[plugin], key: True})
        assert (bool(faults(wrong)), daemon_refuses(tmp_path, wrong)) == (True, True), key
    unknown = destination(plugin, {**GOOD[plugin], "no_such_key": 1})
    assert (bool(faults(unknown)), daemon_refuses(tmp_path, unknown)) == (True, True)
    none: dict[str, Any] = destination(plugin, {})
    assert (bool(faults(none)), daemon_refuses(tmp_path, none)) == (True, True)
    without = {key: value for key, value in none["destination"][0].items() if key != "settings"}
    assert faults({"destination": [without]})


ONLY_THE_PLUGIN = {
    ("webhook", "url"),
    ("http", "url"),
    ("http", "max_items"),
    ("segment", "base_url"),
    ("postgres", "dsn"),
    ("postgres", "schema_name"),
    ("file", "path"),
}
"""Settings that their plugin looks at more closely."""


@pytest.mark.parametrize("plugin", GOOD)
def test_it_refuses_the_settings_that_a_plugin_refuses_and_takes_what_it_takes(plugin: str, tmp_path: Path) -> None:
    (model,) = [offer.model for offer in offers(None) if offer.name == plugin]
    assert model is not None
    for name, field in model.model_fields.items():
        for value in WRONG:
            raw = destination(plugin, {**GOOD[plugin], field.alias or name: value})
            refused, found = daemon_refuses(tmp_path, raw), faults(raw)
            if (plugin, name) in ONLY_THE_PLUGIN and refused and not found:
                continue
            if value is True and not refused:
                continue  # pydantic takes it for the number 1
            assert refused == bool(found), (name, value, found)


def test_settings_of_another_plugin_are_refused() -> None:
    assert faults(destination("braze", GOOD["clientsuccess"]))


def test_former_names_of_settings_are_taken_as_the_daemon_takes_them(tmp_path: Path) -> None:
    raw = destination("clientsuccess", {"projectId": "p", "apiKey": "k"})
    assert (faults(raw), daemon_refuses(tmp_path, raw)) == ([], False)
    without = destination("clientsuccess", {"projectId": "p"})
    assert (bool(faults(without)), daemon_refuses(tmp_path, without)) == (True, True)


def test_defaults_and_meanings_are_in_it_in_the_words_of_config_toml() -> None:
    timeout = schema()["$defs"]["DeliveryConfig"]["properties"]["timeout"]
    assert (timeout["default"], timeout["description"]) == ("10s", "Timeout of one attempt. At most 600 s.")
    assert schema()["$defs"]["braze.settings"]["properties"]["max_objects"]["default"] == 75
    assert "](" not in json.dumps(schema()), "an editor cannot follow links of the docs"


def test_nothing_stands_beside_a_reference_which_draft_7_would_not_read() -> None:
    def look(value: Any) -> None:
        if isinstance(value, dict):
            assert "$ref" not in value or len(value) == 1, value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(inner)

    look(schema())


class _Own:
    """A type that no schema can be made of."""


class _Odd(Settings):
    model_config: ClassVar[Any] = {"arbitrary_types_allowed": True}
    own: _Own | None = None


class _Nested(Settings):
    where: str = Field(default="x", title="Where")
    key: SecretStr = SecretStr("")


def test_a_plugin_whose_settings_have_no_schema_takes_any_of_them() -> None:
    schema = config_schema([Offer("odd", "", "", (), _Odd), Offer("broken", "", "", (), None, "it is broken")])
    check = jsonschema_rs.validator_for(schema)
    assert check.is_valid(destination("odd", {"own": 1}))
    assert check.is_valid(destination("broken", {"whatever": 1}))
    assert not check.is_valid(destination("other", {}))


def test_a_setting_may_have_any_name() -> None:
    check = jsonschema_rs.validator_for(config_schema([Offer("nested", "", "", (), _Nested)]))
    assert check.is_valid(destination("nested", {"where": "there", "key": {"file": "k"}}))
    assert not check.is_valid(destination("nested", {"where": 1}))


# ---------------------------------------------------------------- the page


def test_the_docs_name_what_only_the_daemon_checks() -> None:
    told = sections(ROOT / "docs/configuration.md")["In an editor"]
    assert [path for path in ONLY_THE_DAEMON if f"`{'.'.join(path)}`" not in told] == []
