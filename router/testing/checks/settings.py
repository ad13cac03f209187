"""The settings: what operators write into config.toml, and how it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr, ValidationError

from router.config import problems_of
from router.testing.checking.check import Findings, Tier, check, found
from router.testing.checking.mapping_call import short
from router.testing.checking.subject import Subject

UNKNOWN = "no_such_setting"
ODD: tuple[Any, ...] = (
    None,
    "",
    "x",
    " ü ",
    [],
    ["x"],
    {},
    {"a": 1},
    True,
    -1,
    10**30,
    1.5,
    datetime(2026, 3, 2, tzinfo=UTC),
)
"""What an operator may write where something else is wanted."""
SECRET_NAME = re.compile(
    r"(?:^|_)(?:api_?key|auth_?key|access_?key|private_?key|write_?key|secret|password|passwd|token|dsn)$",
    re.IGNORECASE,
)


@check(
    Tier.BRONZE,
    proves="A setting that does not exist is refused, by its name.",
    why="A misspelt setting would be ignored without a word, and its default used.",
    fix="Derive the model from router.plugin.Settings and leave its `extra` alone.",
)
def unknown_setting_refused(subject: Subject) -> Findings:
    try:
        subject.model.model_validate({**subject.settings, UNKNOWN: 1})
    except ValidationError as error:
        told = problems_of(error, subject.model, "settings")
        if not any(UNKNOWN in words for words in told):
            yield found(
                f"settings with {UNKNOWN} = 1", f"the refusal says {short(told)}", "the name of the setting in it"
            )
    else:
        yield found(f"settings with {UNKNOWN} = 1", "taken", "a refusal")


@check(
    Tier.BRONZE,
    proves="A setting that is left out or has another type is refused as such, or taken.",
    why="Any other exception from the model shows the operator a traceback and no setting, and hides the other problems of the file.",
    fix="In validators raise ValueError only, and look at the type of a value before you use it.",
)
def bad_settings_refused(subject: Subject) -> Findings:
    for where, given in _bad(subject):
        try:
            subject.model.model_validate(given)
        except ValidationError:
            continue
        except BaseException as error:  # a validator may raise anything
            yield found(
                f"settings {where}", f"{type(error).__name__}: {short(error)}", "a refusal that names the setting"
            )


def _bad(subject: Subject) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in subject.model.model_fields:
        yield f"without {name}", {key: value for key, value in subject.settings.items() if key != name}
        for value in ODD:
            yield f"with {name} = {value!r}", {**subject.settings, name: value}


@check(
    Tier.SILVER,
    proves="The settings of an instance cannot be changed.",
    why="They are shared by all that shows and uses them. A plugin that changes them works differently after a restart.",
    fix="Leave `frozen` of the model alone, and keep what changes on the instance.",
)
def settings_frozen(subject: Subject) -> Findings:
    if not subject.model.model_config.get("frozen"):
        yield found("settings_model", "its fields can be assigned", "a frozen model")


@check(
    Tier.GOLD,
    proves="The defaults are values that an operator could write.",
    why="An operator who writes a default into config.toml, to see it there, would have it refused.",
    fix="Give each default the type of its field, and keep it within the bounds.",
)
def defaults_are_settings(subject: Subject) -> Findings:
    settings = subject.model.model_validate(subject.settings)
    try:
        again = subject.model.model_validate(settings.model_dump())
    except ValidationError as error:
        yield found(
            "settings with each default written out", short(problems_of(error, subject.model, "settings")), "no refusal"
        )
        return
    if again != settings:
        yield found("settings with each default written out", "other settings", "the same")


@check(
    Tier.GOLD,
    proves="Each setting has a description.",
    why="The console makes its form from it, `config schema` shows it in editors, and the documentation is made from it.",
    fix='Write Field(description="...") with what the setting is for, and where its value comes from.',
)
def settings_described(subject: Subject) -> Findings:
    schema = subject.model.model_json_schema()
    tables = {"settings": schema, **{f"settings, {name}": part for name, part in schema.get("$defs", {}).items()}}
    for where, table in tables.items():
        for name, field in table.get("properties", {}).items():
            whole = {**tables.get(f"settings, {field.get('$ref', '').rpartition('/')[2]}", {}), **field}
            if not str(whole.get("description", "")).strip():
                yield found(f"{where}, {name}", "it has no description", "a sentence")


@check(
    Tier.GOLD,
    proves="A setting whose name says that it is a secret has the type SecretStr.",
    why="Only SecretStr is masked wherever requests, answers and errors are shown or stored.",
    fix="Type it SecretStr and read it with get_secret_value().",
)
def secrets_typed(subject: Subject) -> Findings:
    for name, field in subject.model.model_fields.items():
        if SECRET_NAME.search(name) and _is_text(field.annotation):
            yield found(f"setting {name}", f"its type is {field.annotation}", "SecretStr")


def _is_text(annotation: Any) -> bool:
    parts: tuple[Any, ...] = getattr(annotation, "__args__", ())
    return annotation is str or (str in parts and SecretStr not in parts and not _is_table(annotation))


def _is_table(annotation: Any) -> bool:
    origin = getattr(annotation, "__origin__", None)
    return isinstance(origin, type) and issubclass(origin, Mapping)
