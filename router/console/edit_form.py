"""The form of a destination: its fields from config.toml and the plugin, what was sent back, and the check of the whole file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from aiohttp import web

from router.config import Proposal
from router.console.console import Console
from router.console.edits import Edit
from router.editing.catalogue import offer
from router.editing.config_file import FileText, read_text
from router.editing.fields import FormField, destination_fields, setting_fields
from router.editing.submitted import Submitted, read_form
from router.editing.tables import CannotEdit, added, body_of, changed, table_of
from router.errors import CommandRefused
from router.in_thread import in_thread
from router.plugin import Settings

NOT_NAMES = ("all", "new")
"""What a destination cannot be called: every destination in an event, and the page of a new one."""

UNNAMED = "New"
"""Stands for the name of a destination that has none yet. None can be called so."""


class DestinationForm(NamedTuple):
    """A form, and what it was made from."""

    name: str
    plugin: str
    file: FileText
    text: str  #: that the changes are made in: of a new destination, with its first lines at the end
    table: dict[str, Any]
    fields: list[FormField]
    problem: str = ""  #: why the settings of the plugin are not there


class Checked(NamedTuple):
    """A form that was sent back. `id`: of the change that can be reviewed; empty if something is wrong, or nothing was changed."""

    id: str
    errors: dict[str, str]  #: by the name of the field
    problems: list[str]  #: of the rest of the file
    proposal: Proposal | None


def needs_editing(console: Console) -> None:
    """Raises HTTPForbidden unless the pages may write config.toml."""
    if not console.settings.edit:
        raise web.HTTPForbidden(
            text="changing destinations here is off; write edit = true in [console] of config.toml, then reload"
        )


async def read_config(console: Console) -> FileText:
    """config.toml as it is now. Raises CommandRefused where it is no TOML."""
    path = console.daemon.config.path
    try:
        file = await in_thread(read_text, path)
        tomllib.loads(file.text)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CommandRefused("invalid_config", f"{path.name} cannot be read as it is: {error}") from None
    return file


async def form_of(console: Console, name: str) -> DestinationForm:
    """The form of a destination that config.toml has. Raises CommandRefused `not_found`, `invalid_config`."""
    file = await read_config(console)
    try:
        table = table_of(file.text, name)
    except KeyError:
        raise CommandRefused("not_found", f"config.toml has no destination {name}") from None
    return await _form(console, name, str(table.get("plugin", "")), file, file.text, table)


async def form_of_new(console: Console, name: str, plugin: str) -> DestinationForm:
    """The form of one more destination, which begins in dry-run. Raises CommandRefused."""
    file = await read_config(console)
    table = {"name": name or UNNAMED, "plugin": plugin, "mode": "dry-run"}
    try:
        text = added(file.text, table)
    except (CannotEdit, ValueError) as error:
        raise CommandRefused("cannot_edit", str(error)) from None
    form = await _form(console, name, plugin, file, text, table)
    left_out = ("enabled", "mode")
    return form._replace(fields=[field for field in form.fields if field.name not in left_out])


async def _form(
    console: Console, name: str, plugin: str, file: FileText, text: str, table: dict[str, Any]
) -> DestinationForm:
    sources = [source.name for source in console.daemon.config.sources]
    mapping = body_of(text, table["name"], "mapping")
    fields, problem = destination_fields(table, sources, mapping), ""
    settings = table.get("settings", {})
    model, problem = await model_of(console, plugin)
    if model is not None and isinstance(settings, Mapping):
        fields += setting_fields(model, settings)
    return DestinationForm(name, plugin, file, text, table, fields, problem)


async def model_of(console: Console, plugin: str) -> tuple[type[Settings] | None, str]:
    """The settings of a plugin; None, and why, where it cannot be used."""
    for runner in console.daemon.runners.values():
        if runner.destination.plugin_name == plugin:
            return type(runner.destination.settings), ""
    try:
        found = await console.daemon.plugin_threads.run(
            "form", lambda: offer(plugin, console.daemon.config.plugins_dir)
        )
    except KeyError:
        return None, f"there is no plugin {plugin}"
    except CommandRefused as error:
        return None, str(error)
    except TimeoutError:
        return None, f"plugin {plugin} took too long to be loaded"
    return found.model, found.problem


def read_back(console: Console, form: DestinationForm, given: Mapping[str, str]) -> tuple[Submitted, Proposal | None]:
    """What a form that was sent back asks for, and config.toml with it; None where a field is wrong."""
    path = console.daemon.config.path
    submitted = read_form(given, form.fields, form.table, form.text, path)
    if submitted.errors:
        return submitted, None
    try:
        text = changed(form.text, form.table["name"], submitted.changes)
    except (CannotEdit, ValueError, RecursionError) as error:
        raise CommandRefused("cannot_edit", str(error)) from None
    return submitted, Proposal(text, submitted.secrets)


async def checked(
    console: Console, session: str, form: DestinationForm, given: Mapping[str, str], action: str, draft: str
) -> Checked:
    """Check the whole of config.toml with what a form asks for, and keep it for a review where it is good. To be called with a form
    of the file that the browser has seen. `draft`: the id of the secrets that were typed into it."""
    submitted, proposal = read_back(console, form, given)
    if proposal is None:
        return Checked("", submitted.errors, [], None)
    if submitted.is_nothing and action == "changed":
        return Checked("", {}, ["nothing was changed: every field is as it was"], proposal)
    plan = await console.daemon.preview(proposal)
    if plan.code:
        errors, rest = by_field(plan.problems, place_of_form(form), form.fields)
        return Checked("", errors, rest, proposal)
    keys = tuple(".".join(change.path) for change in submitted.changes)
    edit = Edit("", 0, form.table["name"], action, form.file.hash, proposal, keys, submitted.shared)
    return Checked(console.edits.propose(session, edit, draft), {}, [], proposal)


def by_field(problems: Sequence[str], place: str, fields: Sequence[FormField]) -> tuple[dict[str, str], list[str]]:
    """The problems of a check by the field they are about, and the rest."""
    errors: dict[str, str] = {}
    rest = []
    for problem in problems:
        own = problem.removeprefix(f"{place}.") if problem.startswith(f"{place}.") else None
        field = _field_of(own, fields) if own is not None else None
        if field is None or own is None:
            rest.append(problem)
        else:
            start = next(key for key in _starts_of(field) if own.startswith(key))
            words = own[len(start) :].lstrip(".: ")
            errors[field.name] = "; ".join(filter(None, (errors.get(field.name), words)))
    return errors, rest


def _field_of(problem: str, fields: Sequence[FormField]) -> FormField | None:
    found = [
        (len(key), field)
        for field in fields
        for key in _starts_of(field)
        if problem.startswith((f"{key}:", f"{key}.", f"{key}["))
    ]
    return max(found, key=lambda one: one[0])[1] if found else None


def _starts_of(field: FormField) -> list[str]:
    """How a problem of this field may begin: with its key, or as the words of a plugin about its settings."""
    keys = [".".join(field.path), *([f"settings.{field.model_key}"] if field.model_key else [])]
    return [*keys, *(key.replace("settings.", "settings: ", 1) for key in keys if key.startswith("settings."))]


def place_of_form(form: DestinationForm) -> str:
    """How the check names the table."""
    tables = tomllib.loads(form.text)["destination"]
    names = [table.get("name") for table in tables]
    return f"destination[{names.index(form.table['name'])}] ({form.table['name']})"


def secrets_typed(form: DestinationForm, given: Mapping[str, str]) -> dict[str, str]:
    """The secrets in a form that was sent back, by the names of their inputs."""
    names = {field.name for field in form.fields if field.kind == "secret"}
    names |= {f"{field.name}value" for field in form.fields if field.kind == "new_secret"}
    return {name: given[name] for name in names if given.get(name, "").strip()}


def shown_again(fields: Sequence[FormField], given: Mapping[str, str], errors: Mapping[str, str]) -> list[FormField]:
    """The fields with what was typed, but for secrets."""
    found = []
    for field in fields:
        value = field.value
        if field.kind == "many":
            value = "\n".join(one for one in field.choices if given.get(f"{field.name}.{one}") == "on")
        elif field.kind == "new_secret":
            value = given.get(f"{field.name}name", "")
        elif field.name in given and field.kind != "secret":
            value = given[field.name].replace("\r\n", "\n")
        found.append(field._replace(value=value, error=errors.get(field.name, "")))
    return found
