"""A plugin held against the contract, check by check: what can be told without an event, a vendor or a daemon.

It looks at the form of a plugin only. What its hooks do with events and answers is the matter of its tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import SecretStr, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo

from router.config import problems_of
from router.plugin import Settings
from router.plugin_host.deprecated_settings import TIMEOUT
from router.plugin_host.fault_place import fault_words
from router.plugin_host.hook_binding import bind
from router.plugin_host.interrupts import Interrupts
from router.plugin_host.secret_types import secret_faults
from router.plugin_host.validation import (
    cannot_be_looked_at,
    fact_faults,
    hooks_faults,
    model_faults,
    version_faults,
)

OK, FAILED, NOT_CHECKED = "ok", "failed", "not_checked"


class FormResult(NamedTuple):
    """What came of one check. `router.testing.checks.form` says what each proves."""

    name: str
    result: str  #: OK, FAILED or NOT_CHECKED
    words: tuple[str, ...] = ()  #: the faults, or why it was not made


CHECKS = ("version", "settings_model", "hooks", "instance", "facts")
"""Their names, in order."""


def check_form(plugin: type[Any], settings: Mapping[str, Any]) -> list[FormResult]:
    """The checks of a class that was imported.

    Args:
        settings: for the instance. A secret that is required and not given is filled in.
    """
    told = [_check("version", _faults(version_faults, plugin))]
    if told[-1].result == FAILED:
        return [*told, *(_not_made(check, "it is for another version of the contract") for check in CHECKS[1:])]
    told.append(_check("settings_model", _faults(_all_model_faults, plugin)))
    hooks = _check("hooks", _faults(hooks_faults, plugin))
    if told[-1].result == FAILED:
        rest = [_not_made(check, "it needs a settings_model") for check in ("instance", "facts")]
        return [*told, hooks, *rest]
    return [*told, hooks, *_of_instance(plugin, settings, binds=hooks.result == OK)]


def missing(model: type[Settings], settings: Mapping[str, Any]) -> dict[str, FieldInfo]:
    """The settings that are required and are not among these, under any of their names."""
    given = {model.old_names.get(key, key) for key in settings}
    fields = model.model_fields.items()
    return {f.alias or name: f for name, f in fields if f.is_required() and given.isdisjoint({name, f.alias})}


def with_stand_ins(model: type[Settings], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with a stand-in for each required secret that is not among them, as a dry run has it."""
    secret = [key for key, field in missing(model, settings).items() if field.annotation is SecretStr]
    return {**{key: f"missing-{key}" for key in secret}, **settings}


def _of_instance(plugin: type[Any], given: Mapping[str, Any], *, binds: bool) -> Iterator[FormResult]:
    model: type[Settings] = plugin.settings_model
    given = with_stand_ins(model, given)
    if absent := missing(model, given):
        words = f"give what is required: {' '.join(f'--settings {key}=VALUE' for key in absent)}"
        yield from (_not_made(check, words) for check in ("instance", "facts"))
        return
    try:
        settings = model.model_validate(given)
    except ValidationError as error:
        yield _check("instance", problems_of(error, model, "settings"))
        yield _not_made("facts", "there is no instance")
        return
    interrupts = Interrupts()
    try:
        with interrupts:
            instance = plugin(settings)
            if binds:
                bind(instance, "check")
    except BaseException as error:  # a third party's code may raise anything, SystemExit too
        if interrupts.came:
            raise
        yield _check("instance", [f"cannot be made with these settings: {fault_words(error, plugin.__module__)}"])
        yield _not_made("facts", "there is no instance")
        return
    yield _check("instance")
    yield _check("facts", _faults(fact_faults, instance))


def _all_model_faults(plugin: type[Any]) -> Iterator[str]:
    faults = list(model_faults(plugin))
    yield from faults
    if faults:
        return
    model: type[Settings] = plugin.settings_model
    try:
        model.model_json_schema()
    except PydanticUserError as error:
        yield f"settings_model has no JSON Schema: {str(error).splitlines()[0]}"
    yield from secret_faults(model)
    names = {name for name, field in model.model_fields.items()} | {f.alias for f in model.model_fields.values()}
    for old, present in model.old_names.items():
        if present != TIMEOUT and present not in names:
            yield f'old_names: "{old}" leads to "{present}", which is no setting'


def _faults(check: Callable[[Any], Iterable[str]], subject: Any) -> list[str]:
    """What the check finds. A plugin whose own code fails while it is looked at has a fault."""
    interrupts = Interrupts()
    try:
        with interrupts:
            return list(check(subject))
    except BaseException as error:
        if interrupts.came:
            raise
        return [cannot_be_looked_at(error)]


def _check(name: str, faults: Iterable[str] = ()) -> FormResult:
    words = tuple(faults)
    return FormResult(name, FAILED if words else OK, words)


def _not_made(name: str, why: str) -> FormResult:
    return FormResult(name, NOT_CHECKED, (why,))
