"""Plugins are found by name, held against the contract, and built into one Destination per table."""

from __future__ import annotations

import asyncio
import importlib.metadata
from contextlib import AbstractAsyncContextManager
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from textwrap import dedent, indent

import pytest

from router.config import load
from router.errors import ConfigError
from router.plugin import Batch, Context, Event, Group, UserId
from router.plugin_host import HOOKS, Destination, available, build, read

HEAD = """
from contextlib import asynccontextmanager
from pathlib import Path
from pydantic import BaseModel, field_validator
from router.plugin import *
from router.plugin import Group, hookimpl

class GreeterSettings(Settings):
    token: SecretStr
    base_url: str = "https://greeter.example.com"
"""
TRACK = """
@hookimpl
def track(self, event, context):
    return Item({"did": event.name})
"""
REQUEST = """
@hookimpl
def request(self, items):
    return json_request(self.settings.base_url, items[0].body)
"""


class Bench:
    """A folder with plugin files and a config.toml that names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "plug").mkdir()

    def plugin(self, *parts: str, name: str = "greeter", head: str = HEAD) -> None:
        """Write a plugin: what stands in the class, after its constructor."""
        top = "\nclass Greeter:\n    settings_model = GreeterSettings\n    def __init__(self, settings):\n"
        body = "".join(indent(dedent(part), "    ") for part in parts)
        (self.folder / f"plug/{name}.py").write_text(f"{head}{top}        self.settings = settings\n{body}")

    def file(self, text: str, name: str = "greeter") -> None:
        (self.folder / f"plug/{name}.py").write_text(text)

    def config(self, destination: str = "", settings: str = 'token = "t0ken"', plugin: str = "greeter") -> Path:
        path = self.folder / "config.toml"
        path.write_text(
            'plugins_dir = "plug"\n[[source]]\nname = "web"\nwrite_key = "k"\n[[destination]]\nname = "hello"\n'
            f'plugin = "{plugin}"\n{destination}\n[destination.settings]\n{settings}\n'
        )
        return path

    def destination(self, destination: str = "", settings: str = 'token = "t0ken"') -> Destination:
        (built,) = read(self.config(destination, settings), {})[1]
        return built

    def problems(self, destination: str = "", settings: str = 'token = "t0ken"', plugin: str = "greeter") -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read(self.config(destination, settings, plugin), {})
        return caught.value.problems


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def event(name: str = "Hello") -> Event:
    from datetime import UTC, datetime

    at = datetime(2026, 1, 2, tzinfo=UTC)
    return Event(
        type="track",
        message_id="m1",
        source="web",
        name=name,
        timestamp=at,
        original_timestamp=at,
        received_at=at,
    )


# ---- what is built


def test_a_single_file_plugin_is_built(bench: Bench) -> None:
    bench.plugin('display_names = ("Greeter", "GREET")', TRACK, REQUEST)
    built = bench.destination()
    assert (built.name, built.plugin_name, len(built.plugin_version)) == ("hello", "greeter", 8)
    assert (built.api_version, built.item_version) == (1, 1)
    assert built.names == {"hello", "greeter", "greet"}
    assert built.kinds == {"": Batch()}
    assert built.requires == {}
    assert set(built.hooks) == {"track", "request"}
    assert built.hooks["track"](event(), Context()).body == {"did": "Hello"}


def test_an_operator_adds_names_that_count_in_integrations(bench: Bench) -> None:
    bench.plugin('display_names = ("Greeter",)', TRACK, REQUEST)
    built = bench.destination('integrations = ["Hello Cloud (Actions)", " HI "]')
    assert built.names == {"hello", "greeter", "hello cloud (actions)", "hi"}


@pytest.mark.parametrize("name", ["", " ", "All", "ALL "])
def test_a_name_in_integrations_that_means_nothing_or_everybody_is_refused(bench: Bench, name: str) -> None:
    bench.plugin(TRACK, REQUEST)
    (problem,) = bench.problems(f'integrations = ["{name}"]')
    assert "integrations[0]: not a name of this destination" in problem


def test_load_and_build_are_read_in_two_steps(bench: Bench) -> None:
    bench.plugin(TRACK, REQUEST)
    (built,) = build(load(bench.config(), {}))
    assert built.name == "hello"


def test_facts_may_follow_the_settings(bench: Bench) -> None:
    bench.plugin(
        """
        item_version = 3
        @property
        def display_names(self):
            return (self.settings.base_url,)
        """,
        TRACK,
        REQUEST,
    )
    built = bench.destination(settings='token = "t"\nbase_url = "Mine"')
    assert built.names == {"hello", "mine"}
    assert built.item_version == 3


def test_a_hook_may_leave_parameters_out_and_reorder_them(bench: Bench) -> None:
    bench.plugin(
        """
        @hookimpl
        def track(self, context, event):
            return Item(event.name)
        @hookimpl
        def page(self, event):
            return Item("page " + event.name)
        """,
        REQUEST,
    )
    hooks = bench.destination().hooks
    assert hooks["track"](event(), Context()).body == "Hello"
    assert hooks["page"](event(), Context()).body == "page Hello"


@pytest.mark.parametrize(
    "form", ["@hookimpl\nasync def lifetime(self):\n", "@hookimpl\n@asynccontextmanager\nasync def lifetime(self):\n"]
)
def test_lifetime_gives_a_context_manager_in_either_form(bench: Bench, form: str) -> None:
    bench.plugin(form + "    self.open = True\n    yield\n    self.open = False\n", TRACK, REQUEST)
    built = bench.destination()

    async def live() -> list[bool]:
        manager = built.hooks["lifetime"]()
        assert isinstance(manager, AbstractAsyncContextManager)
        async with manager:
            inside = built.instance.open  # type: ignore[attr-defined]
        return [inside, built.instance.open]  # type: ignore[attr-defined]

    assert asyncio.run(live()) == [True, False]


def test_each_build_runs_a_single_file_anew(bench: Bench) -> None:
    bench.plugin("item_version = 1", TRACK, REQUEST)
    first = bench.destination()
    bench.plugin("item_version = 2", TRACK, REQUEST)
    second = bench.destination()
    assert (first.item_version, second.item_version) == (1, 2)
    assert first.plugin_version != second.plugin_version


def test_a_single_file_keeps_its_version_for_as_long_as_its_content(bench: Bench) -> None:
    bench.plugin(TRACK, REQUEST)
    assert bench.destination().plugin_version == bench.destination().plugin_version


def test_the_operators_requirements_are_added_to_the_plugins(bench: Bench) -> None:
    requires = 'requires = {"track": (Group("id", "name"), UserId()), "identify": (UserId(),)}'
    bench.plugin(requires, TRACK, REQUEST)
    plain = bench.destination()
    more = bench.destination('hold = { require = ["group.plan", "group.name"] }')
    only_id = bench.destination('hold = { require = ["group.id"] }')
    assert plain.requires == {"track": (UserId(), Group("id", "name")), "identify": (UserId(),)}
    assert more.requires == {
        "track": (UserId(), Group("id", "name", "plan")),
        "identify": (UserId(),),
        "page": (Group("id", "plan", "name"),),
        "screen": (Group("id", "plan", "name"),),
    }
    assert only_id.requires["page"] == (Group("id"),)


def test_the_operators_linger_goes_before_the_plugins(bench: Bench) -> None:
    bench.plugin('kinds = {"": Batch(linger_s=1.0), "big": Batch(max_items=9)}', TRACK, REQUEST)
    assert bench.destination().kinds[""].linger_s == 1.0
    kinds = bench.destination('delivery = { linger = "2s" }').kinds
    assert (kinds[""].linger_s, kinds["big"]) == (2.0, Batch(max_items=9, linger_s=2.0))


def test_a_relative_path_of_the_settings_starts_where_state_is_kept(bench: Bench, tmp_path: Path) -> None:
    head = HEAD + "    path: Path = Path('out.jsonl')\n"
    bench.plugin(TRACK, REQUEST, head=head)
    assert bench.destination().settings.path == tmp_path / "out.jsonl"  # type: ignore[attr-defined]
    (built,) = read(bench.config(), {"STATE_DIRECTORY": "/state"})[1]
    assert built.settings.path == Path("/state/out.jsonl")  # type: ignore[attr-defined]


# ---- secrets


def test_secrets_are_found_however_deep_and_listed_longest_first(bench: Bench) -> None:
    head = HEAD + "    more: dict[str, list[SecretStr]] = {}\n    empty: SecretStr = SecretStr('')\n"
    bench.plugin(TRACK, REQUEST, head=head)
    built = bench.destination(settings='token = "abc"\nmore = { a = ["abcdef", "abc"] }')
    assert built.secrets == ("abcdef", "abc")
    assert built.redact("abcdef abc") == "*** ***"
    assert "abc" not in repr(built)


def test_a_secret_table_reaches_the_plugin_as_its_value(bench: Bench) -> None:
    bench.plugin(TRACK, REQUEST)
    (built,) = read(bench.config(settings='token = { env = "T" }\nbase_url = { env = "U" }'), {"T": "t", "U": "u"})[1]
    assert built.settings.token.get_secret_value() == "t"  # type: ignore[attr-defined]
    assert built.settings.base_url == "u"  # type: ignore[attr-defined]


def test_a_missing_secret_in_a_dry_run_is_a_warning_and_a_placeholder(bench: Bench) -> None:
    bench.plugin(TRACK, REQUEST)
    config, (built,) = read(bench.config('mode = "dry-run"', 'token = { env = "T" }'), {})
    assert [(warning.where, warning.key) for warning in config.warnings] == [("hello", "settings.token")]
    assert built.settings.token.get_secret_value() == "missing-token"  # type: ignore[attr-defined]


def test_a_plugin_whose_secrets_are_not_found_is_taken_and_its_author_is_asked_to_change_it(bench: Bench) -> None:
    head = HEAD.replace("token: SecretStr", "token: SecretBytes").replace(
        "import BaseModel", "import BaseModel, SecretBytes"
    )
    bench.plugin(TRACK, REQUEST, head=head)
    config, (built,) = read(bench.config(settings='token = { env = "TOKEN" }'), {"TOKEN": "t0ken"})
    words = (
        "its author has to change its settings: token is SecretBytes, which the router does not mask; write `SecretStr`"
    )
    assert [str(warning) for warning in config.warnings] == [f"hello: plugin: {words}"]
    assert built.redact("t0ken") == "***", "what config.toml names as a secret is masked whatever its type"


def test_what_was_looked_up_is_masked_whatever_type_the_plugin_gave_it(bench: Bench) -> None:
    bench.plugin(TRACK, REQUEST)
    (built,) = read(bench.config(settings='token = "t0ken"\nbase_url = { env = "U" }'), {"U": "http://hooks/abcd"})[1]
    assert built.redact("POST http://hooks/abcd with t0ken") == "POST *** with ***"


# ---- problems of settings


def test_problems_of_the_file_and_of_the_settings_are_told_together(bench: Bench) -> None:
    bench.plugin(TRACK, REQUEST)
    problems = bench.problems('delivery = { timout = "1s" }', 'tokn = "x"')
    assert problems == [
        'destination[0] (hello).delivery.timout: unknown key "timout"; did you mean "timeout"?',
        "destination[0] (hello).settings.token: missing; add it",
        'destination[0] (hello).settings.tokn: unknown key "tokn"; did you mean "token"?',
    ]


def test_settings_are_checked_also_when_another_table_is_beyond_reading(bench: Bench) -> None:
    bench.plugin(TRACK, REQUEST)
    path = bench.config(settings="tokn = 1")
    path.write_text(path.read_text() + "[[destination]]\nplugin = 5\n")
    with pytest.raises(ConfigError) as caught:
        read(path, {})
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "destination[1].name",
        "destination[1].plugin",
        "destination[0] (hello).settings.token",
        "destination[0] (hello).settings.tokn",
    ]


def test_a_settings_error_that_quotes_a_secret_is_masked(bench: Bench) -> None:
    head = HEAD + indent(
        '@field_validator("base_url")\n@classmethod\ndef refuse(cls, value):\n    raise ValueError("bad: " + value)\n',
        "    ",
    )
    bench.plugin(TRACK, REQUEST, head=head)
    path = bench.config(settings='token = "t"\nbase_url = { env = "U" }')
    with pytest.raises(ConfigError) as caught:
        read(path, {"U": "hidden"})
    assert caught.value.problems == ["destination[0] (hello).settings.base_url: bad: ***"]


def test_a_validators_words_about_an_inline_secret_are_masked(bench: Bench) -> None:
    head = HEAD + indent(
        '@field_validator("token")\n@classmethod\ndef refuse(cls, value):\n'
        '    raise ValueError("no key of ours: " + value.get_secret_value())\n'
        "keys: dict[str, SecretStr] = {}\n"
        '@field_validator("keys")\n@classmethod\ndef refuse_keys(cls, values):\n'
        '    raise ValueError(f"none: {[value.get_secret_value() for value in values.values()]}")\n',
        "    ",
    )
    bench.plugin(TRACK, REQUEST, head=head)
    assert bench.problems("", 'token = "Bearer s3cret-key"\nkeys = { a = "s3cret-a" }') == [
        "destination[0] (hello).settings.token: no key of ours: ***",
        "destination[0] (hello).settings.keys: none: ['***']",
    ]


def test_a_validators_words_about_a_secret_that_is_a_number_are_masked(bench: Bench) -> None:
    head = HEAD + indent(
        "pin: SecretStr\n"
        '@field_validator("pin", mode="before")\n@classmethod\ndef refuse(cls, value):\n'
        '    raise ValueError(f"no pin of ours: {value}")\n',
        "    ",
    )
    bench.plugin(TRACK, REQUEST, head=head)
    assert bench.problems("", 'token = "t"\npin = 12345678') == [
        "destination[0] (hello).settings.pin: no pin of ours: ***"
    ]


def test_a_constructor_that_fails_is_told_without_secrets(bench: Bench) -> None:
    bench.file(
        HEAD + "\nclass Greeter:\n    settings_model = GreeterSettings\n"
        "    def __init__(self, settings):\n        raise OSError(settings.token.get_secret_value())\n"
        + indent(TRACK + REQUEST, "    ")
    )
    assert bench.problems() == [
        'destination[0] (hello).plugin: plugin "greeter": cannot be made with these settings: OSError: *** (at greeter.py:15)'
    ]


# ---- plugins that are refused


def test_an_unknown_plugin_is_told_with_the_nearest_and_all_others(bench: Bench) -> None:
    bench.plugin(TRACK, REQUEST)
    (problem,) = bench.problems(plugin="greter")
    assert problem.startswith('destination[0] (hello).plugin: unknown plugin "greter"; did you mean "greeter"?')
    assert "braze" in problem


def test_a_plugin_that_cannot_be_imported_matters_only_where_it_is_named(bench: Bench) -> None:
    bench.plugin(TRACK, REQUEST)
    bench.file("import nothing_of_this_name", name="broken")
    assert bench.destination().name == "hello"
    (problem,) = bench.problems(plugin="broken")
    assert 'plugin "broken"' in problem
    assert "cannot be imported: ModuleNotFoundError: No module named 'nothing_of_this_name'" in problem


@pytest.mark.parametrize("code", ["def broken(:", "raise SystemExit(3)", "1 / 0"])
def test_a_file_that_does_not_run_is_refused(bench: Bench, code: str) -> None:
    bench.file(code)
    assert "cannot be imported" in bench.problems()[0]


def test_a_file_needs_exactly_one_plugin_class(bench: Bench) -> None:
    bench.file(HEAD)
    assert "exactly one public class with settings_model; it has none" in bench.problems()[0]
    bench.file(HEAD + "\nclass A:\n    settings_model = 1\nclass B(A): pass\nclass _C(A): pass\n")
    assert "it has A, B" in bench.problems()[0]


FAULTS = {
    "no settings_model": ("settings_model = None", "has no settings_model"),
    "foreign settings_model": ("settings_model = BaseModel", "not a subclass of router.plugin.Settings"),
    "unknown hook": ("@hookimpl\ndef trakc(self, event): ...", 'unknown hook "trakc"; did you mean "track"?'),
    "no mark": ("def page(self, event, context): ...", "page has the name of a hook but no @hookimpl"),
    "async mapping": ("@hookimpl\nasync def page(self, event): ...", "page must not be async"),
    "async generator": ("@hookimpl\nasync def page(self, event):\n    yield 1", "page must not be async"),
    "async request": ("@hookimpl\nasync def verdict(self, items): ...", "verdict must not be async"),
    "async state_key": ("@hookimpl\nasync def state_key(self, event): ...", "state_key must not be async"),
    "async wake": ("@hookimpl\nasync def wake(self, key): ...", "wake must not be async"),
    "sync deliver": ("@hookimpl\ndef deliver(self, items, sender): ...", "deliver must be async"),
    "sync check": ("@hookimpl\ndef check(self, sender): ...", "check must be async"),
    "generator request": ("@hookimpl\ndef verdict(self, items):\n    yield 1", "verdict must return, not yield"),
    "default": ("@hookimpl\ndef page(self, event, context=None): ...", "page gives its parameter context a default"),
    "star": ("@hookimpl\ndef page(self, *events): ...", "page has the parameter *events"),
    "keyword": ("@hookimpl\ndef page(self, *, event): ...", "page has the parameter event"),
    "parameter": ("@hookimpl\ndef page(self, evnt): ...", 'page: unknown parameter "evnt"; did you mean "event"?'),
    "wrapper": ("@hookimpl(wrapper=True)\ndef page(self, event):\n    yield", "page is a hook wrapper"),
    "hookwrapper": ("@hookimpl(hookwrapper=True)\ndef page(self, event):\n    yield", "page is a hook wrapper"),
    "api_version": ("api_version = 2", "was written for api_version 2, this router has 1.1"),
    "display_names": ('display_names = "Greeter"', "display_names is not a tuple"),
    "item_version": ("item_version = 0", "item_version is not a whole number"),
    "requires": ("requires = 5", "requires is not a table"),
    "requires key": ('requires = {"trak": ()}', 'unknown call type "trak"; did you mean "track"?'),
    "requires value": ('requires = {"track": ("group.id",)}', 'requires["track"] is not a tuple of UserId() and Group'),
    "requires of group": (
        'requires = {"group": (UserId(), Group("id"))}',
        "a group call opens the gate, so it would wait for itself",
    ),
    "kinds": ("kinds = {}", "kinds is not a table with at least one kind"),
    "kinds value": ('kinds = {"": 5}', 'kinds[""] is not a Batch'),
    "kinds limit": ('kinds = {"": Batch(max_items=0)}', 'kinds[""]: max_items'),
    "kinds linger": ('kinds = {"": Batch(linger_s=9)}', 'kinds[""]: linger_s is at most 5'),
}


@pytest.mark.parametrize(("body", "words"), FAULTS.values(), ids=FAULTS.keys())
def test_a_plugin_outside_the_contract_is_refused_by_name(bench: Bench, body: str, words: str) -> None:
    bench.plugin(body, TRACK, REQUEST)
    (problem,) = bench.problems()
    assert problem.startswith('destination[0] (hello).plugin: plugin "greeter": ')
    assert words in problem


def test_a_plugin_that_cannot_send_is_refused(bench: Bench) -> None:
    bench.plugin(TRACK)
    assert "has neither request nor deliver" in bench.problems()[0]


def test_a_plugin_that_maps_nothing_is_refused(bench: Bench) -> None:
    bench.plugin(REQUEST)
    assert "has no mapping hook" in bench.problems()[0]


def test_every_fault_of_a_plugin_is_told_at_once(bench: Bench) -> None:
    bench.plugin("def page(self, event): ...", "@hookimpl\nasync def track(self, event): ...")
    assert len(bench.problems()) == 3


def test_a_hooks_parameters_are_those_of_the_contract() -> None:
    assert HOOKS["track"] == ("event", "context")
    assert HOOKS["verdict"] == ("items", "answer")
    assert HOOKS["lifetime"] == ("secret",)
    assert len(HOOKS) == 15


# ---- installed plugins


def test_the_first_party_plugins_are_installed_like_any_other() -> None:
    assert {"braze", "clientsuccess", "file", "freshsuccess"} <= set(available())


def installed(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    monkeypatch.setattr("router.plugin_host.discovery.entry_points", lambda group: EntryPoints(entries))


def test_two_plugins_of_one_name_are_refused_where_it_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.plugin(TRACK, REQUEST)
    installed(monkeypatch, EntryPoint("greeter", "elsewhere:Greeter", "segment_router.destinations"))
    (problem,) = bench.problems()
    assert 'plugin "greeter" is there twice' in problem
    assert "elsewhere:Greeter" in problem


def test_an_entry_point_that_names_no_class_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, EntryPoint("greeter", "os:getcwd", "segment_router.destinations"))
    (problem,) = bench.problems()
    assert "is not a class" in problem


def test_listing_plugins_imports_none_of_them(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, EntryPoint("broken", "no.such.module:Thing", "segment_router.destinations"))
    bench.file("1 / 0", name="also_broken")
    bench.file("1 / 0", name="_helper")
    assert set(available(bench.folder / "plug")) == {"broken", "also_broken"}


def test_a_plugins_version_is_that_of_its_distribution() -> None:
    assert available()["file"] == f"segment-router {importlib.metadata.version('segment-router')}"
