"""Version 1 of the contract, frozen: what plugins are written against. An addition goes into this copy, raises API_MINOR and is named in
docs/plugin-compatibility.md. Nothing that stands here is ever taken out or changed within a major version."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router import plugin as contract
from router.plugin import API_MINOR, API_VERSION, ATTRIBUTES, Context, Group, Hooks, Item, Sender, Settings, Token
from router.plugin_host import HOOKS
from router.plugin_host.validation import fact_faults, version_of

ROOT = Path(__file__).parent.parent.parent
ROUTER, PAGE = ROOT / "router", ROOT / "docs/plugin-compatibility.md"

FROZEN_HOOKS = {
    "identify": "(self, event: 'Event', context: 'Context') -> 'Item | Iterable[Item]'",
    "group": "(self, event: 'Event', context: 'Context') -> 'Item | Iterable[Item]'",
    "track": "(self, event: 'Event', context: 'Context') -> 'Item | Iterable[Item]'",
    "page": "(self, event: 'Event', context: 'Context') -> 'Item | Iterable[Item]'",
    "screen": "(self, event: 'Event', context: 'Context') -> 'Item | Iterable[Item]'",
    "alias": "(self, event: 'Event', context: 'Context') -> 'Item | Iterable[Item]'",
    "state_key": "(self, event: 'Event') -> 'str | None'",
    "wake": "(self, key: 'str', at: 'datetime', context: 'Context') -> 'Item | Iterable[Item]'",
    "forget": "(self, person: 'Person') -> 'Item | Iterable[Item]'",
    "forget_group": "(self, group_id: 'str') -> 'Item | Iterable[Item]'",
    "request": "(self, items: 'list[Item]') -> 'Request'",
    "verdict": "(self, items: 'list[Item]', answer: 'Answer') -> 'Outcome | Sequence[Outcome]'",
    "deliver": "async (self, items: 'list[Item]', sender: 'Sender') -> 'Outcome | Sequence[Outcome]'",
    "check": "async (self, sender: 'Sender') -> 'str'",
    "lifetime": "(self, secret: 'Callable[[str], None]') -> 'AbstractAsyncContextManager[None] | AsyncIterator[None]'",
}
FROZEN_FUNCTIONS = {
    "json_request": "(url: 'str', body: 'JSON', *, method: 'str' = 'POST', headers: 'Mapping[str, str] | None' = None, "
    "private: 'bool' = False) -> 'Request'",
    "by_status": "(answer: 'Answer', n: 'int') -> 'Outcome'",
    "raise_for_login": "(answer: 'Answer') -> 'None'",
    "raise_for_status": "(answer: 'Answer', n: 'int' = 1) -> 'None'",
    "oauth_token": "(answer: 'Answer') -> 'tuple[str, float | None]'",
    "as_number": "(given: 'JSON') -> 'int | float | None'",
    "as_instant": "(given: 'JSON') -> 'datetime | None'",
    "as_text": "(given: 'JSON') -> 'str | None'",
    "iso_instant": "(at: 'datetime') -> 'str'",
    "basic_auth": "(user: 'str', password: 'str' = '') -> 'str'",
    "url_fault": "(url: 'str') -> 'str'",
    "excerpt": "(body: 'bytes', limit: 'int' = 500) -> 'str'",
}
FROZEN_FIELDS: dict[str, tuple[str, ...]] = {
    "Event": (
        "type", "message_id", "source", "user_id", "anonymous_id", "group_id", "previous_id", "name", "category", "traits",
        "properties", "timestamp", "original_timestamp", "received_at", "options", "is_replay", "payload",
    ),
    "Profile": ("id", "traits"),
    "Person": ("user_id", "anonymous_ids"),
    "Answer": ("status", "headers", "body", "retry_after_s"),
    "Request": ("url", "method", "headers", "body", "private"),
    "Batch": ("max_items", "max_bytes", "concurrency", "linger_s"),
    "Delivered": ("warning",),
    "Skip": ("reason",),
    "Reject": ("reason", "detail"),
    "RetryLater": ("reason", "detail", "after_s", "for_s"),
    "Pause": ("reason", "detail", "after_s", "sure"),
    "Split": ("reason", "detail"),
}  # fmt: skip
"""In the order in which they may be given."""
FROZEN_MEMBERS: dict[type[Any], dict[str, str]] = {
    Context: {
        "user": "", "group": "", "required_user": "'Profile'", "required_group": "'Profile'", "previous_group_id": "",
        "state": "'JSON'", "wake": "(self, at: 'datetime | None') -> 'None'", "wake_at": "'datetime | None'",
        "warn": "(self, reason: 'str', **numbers: 'float') -> 'None'",
    },
    Item: {
        "body": "'JSON'", "kind": "'str'", "json": "'bytes'", "of_json": "(json: 'bytes', kind: 'str' = '') -> 'Item'",
    },
    contract.Answer: {
        "status": "", "headers": "", "body": "", "retry_after_s": "", "json": "(self) -> 'JSON'",
    },
    Group: {"needs": "", "traits": "'tuple[str, ...]'"},
    Sender: {"send": "async (self, request: 'Request') -> 'Answer'", "secret": "(self, value: 'str') -> 'None'"},
    Token: {
        "get": "async (self, sender: 'Sender') -> 'str'", "drop": "(self, token: 'str') -> 'None'",
        "send": "async (self, sender: 'Sender', request: 'Callable[[str], Request]') -> 'Answer'",
    },
}  # fmt: skip
"""Name -> how a method is called, or what a property is; "" for an attribute."""
FROZEN_CONSTRUCTORS = {
    Item: "(body: 'JSON', kind: 'str' = '') -> 'None'",
    Group: "(*needs: 'str') -> 'None'",
    Token: "(ask: 'Callable[[Sender], Awaitable[tuple[str, float | None]]]') -> 'None'",
    contract.UserId: "()",
}
FROZEN_ATTRIBUTES = {
    "settings_model", "display_names", "requires", "kinds", "item_version", "api_version", "forget_by_hand",
    "forget_group_by_hand", "shown_after",
}  # fmt: skip
"""What the router reads of a plugin."""
FROZEN_NAMES = {
    "API_MINOR", "API_VERSION", "ATTRIBUTES", "Answer", "Batch", "Context", "Delivered", "Event", "Field", "Group",
    "Hooks", "Item", "JSON", "Outcome", "Pause", "Person", "Profile", "Reject", "Request", "RetryLater", "SecretStr",
    "Sender", "Settings", "Skip", "Split", "Token", "UserId", "as_instant", "as_number", "as_text", "basic_auth",
    "by_status", "excerpt", "hookimpl", "iso_instant", "json_request", "oauth_token", "raise_for_login",
    "raise_for_status", "url_fault",
}  # fmt: skip
"""What a plugin can import."""
ADDED = {
    "1.1": {
        "is_replay", "required_user", "required_group", "wake_at", "warning", "raise_for_status", "forget", "Person",
        "forget_group", "forget_by_hand", "forget_group_by_hand", "shown_after", "ATTRIBUTES", "private",
        "as_text", "iso_instant", "basic_auth", "url_fault", "raise_for_login",
    },
}  # fmt: skip
"""What each minor version added, as the page names it."""


def signature(hook: Any) -> str:
    words = str(inspect.signature(hook))
    return f"async {words}" if inspect.iscoroutinefunction(hook) else words


def fields(name: str) -> tuple[str, ...]:
    kind = getattr(contract, name)
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    return tuple(field.name for field in msgspec.structs.fields(kind))


def members(kind: type[Any]) -> dict[str, str]:
    """What an instance has for a plugin, as FROZEN_MEMBERS shows it."""
    names = set(dir(kind)) | set(inspect.get_annotations(kind))
    return {name: member(kind, name) for name in names if not name.startswith("_")}


def member(kind: type[Any], name: str) -> str:
    found = inspect.getattr_static(kind, name, None)
    if isinstance(found, property) and found.fget is not None:
        return repr(inspect.get_annotations(found.fget)["return"])
    return signature(getattr(kind, name)) if inspect.isroutine(found) else ""


def test_the_hooks_are_those_of_the_frozen_copy() -> None:
    assert {name: signature(getattr(Hooks, name)) for name in HOOKS} == FROZEN_HOOKS


def test_the_functions_are_those_of_the_frozen_copy() -> None:
    assert {name: signature(getattr(contract, name)) for name in FROZEN_FUNCTIONS} == FROZEN_FUNCTIONS


@pytest.mark.parametrize("name", FROZEN_FIELDS)
def test_the_fields_of_what_is_passed_are_those_of_the_frozen_copy(name: str) -> None:
    assert fields(name) == FROZEN_FIELDS[name]


@pytest.mark.parametrize("kind", FROZEN_MEMBERS, ids=lambda kind: kind.__name__)
def test_the_members_of_what_is_passed_are_those_of_the_frozen_copy(kind: type[Any]) -> None:
    assert members(kind) == FROZEN_MEMBERS[kind]


@pytest.mark.parametrize("kind", FROZEN_CONSTRUCTORS, ids=lambda kind: kind.__name__)
def test_what_plugins_make_is_made_as_in_the_frozen_copy(kind: type[Any]) -> None:
    assert str(inspect.signature(kind)) == FROZEN_CONSTRUCTORS[kind]


def test_the_names_are_those_of_the_frozen_copy() -> None:
    assert set(contract.__all__) == FROZEN_NAMES
    assert {name for name in FROZEN_NAMES if not hasattr(contract, name)} == set()


def test_the_attributes_that_the_router_reads_of_a_plugin_are_those_of_the_frozen_copy() -> None:
    assert set(ATTRIBUTES) == FROZEN_ATTRIBUTES
    source = "".join(path.read_text(encoding="utf-8") for path in ROUTER.rglob("*.py"))
    read = set(re.findall(r'getattr\((?:plugin|instance|destination\.instance), "(\w+)"', source))
    assert read | {"forget_by_hand", "forget_group_by_hand"} == FROZEN_ATTRIBUTES
    assert 'getattr(destination.instance, f"{hook}_by_hand", "")' in source


def test_the_settings_of_a_plugin_are_frozen_and_refuse_what_they_do_not_know() -> None:
    told = {key: Settings.model_config.get(key) for key in ("frozen", "extra", "hide_input_in_errors")}
    assert told == {"frozen": True, "extra": "forbid", "hide_input_in_errors": True}
    assert Settings.old_names == {}


def test_every_hook_says_when_and_how_it_is_called_and_how_long_it_may_take() -> None:
    for name in HOOKS:
        words = inspect.getdoc(getattr(Hooks, name)) or ""
        assert re.search(r"^When: .+", words, re.MULTILINE), f"{name} does not say when it is called"
        assert re.search(r"^Calls: .+", words, re.MULTILINE), f"{name} does not say whether its calls overlap"
        assert re.search(r"Time: .+", words), f"{name} does not say how long it may take"


def test_the_policy_names_the_version_and_every_addition() -> None:
    words = PAGE.read_text(encoding="utf-8")
    assert f"This release has version {API_VERSION}.{API_MINOR}." in words
    rows = re.findall(r"^\| (\d+\.\d+) \|", words, re.MULTILINE)
    assert rows == [f"{API_VERSION}.{minor}" for minor in range(API_MINOR, -1, -1)]


@pytest.mark.parametrize("version", ADDED)
def test_the_policy_names_what_a_version_added(version: str) -> None:
    (row,) = re.findall(rf"^\| {re.escape(version)} \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {name for name in ADDED[version] if not re.search(rf"\b{name}\b", row)} == set()


# ---------------------------------------------------------------- what a plugin declares


@pytest.mark.parametrize("declared", [API_VERSION, (API_VERSION, 0), (API_VERSION, API_MINOR)])
def test_a_plugin_of_this_version_or_an_older_minor_one_is_taken(declared: object) -> None:
    assert list(fact_faults(type("Plugin", (), {"api_version": declared})())) == []


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (API_VERSION + 1, "was written for api_version 2, this router has"),
        ((API_VERSION, API_MINOR + 1), "upgrade the router, or install an older release of the plugin"),
        ("1", "write the version of the contract"),
        (True, "write the version of the contract"),
        ((1, 0, 0), "write the version of the contract"),
    ],
)
def test_any_other_version_is_refused_with_what_to_do(declared: object, told: str) -> None:
    (fault,) = fact_faults(type("Plugin", (), {"api_version": declared})())
    assert told in fault


def test_a_whole_number_is_its_first_minor_version() -> None:
    assert version_of(1) == (1, 0)


# ---------------------------------------------------------------- what is required


def test_what_a_gate_guarantees_has_a_type_without_none() -> None:
    group, user = contract.Profile("acme", {"name": "Acme"}), contract.Profile("u1", {})
    context = Context(user=user, group=group)
    assert (context.required_group, context.required_user) == (group, user)


@pytest.mark.parametrize("name", ["required_group", "required_user"])
def test_what_is_not_there_is_told_with_what_to_do(name: str) -> None:
    with pytest.raises(LookupError, match=f"context.{name.removeprefix('required_')}"):
        getattr(Context(), name)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, contract.Pause), (429, contract.RetryLater), (400, contract.Reject)]
)
def test_a_status_that_is_no_success_is_raised(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        contract.raise_for_status(contract.Answer(status))


def test_a_success_is_never_raised() -> None:
    contract.raise_for_status(contract.Answer(204))
    assert not issubclass(contract.Delivered, BaseException)
