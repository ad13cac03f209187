"""The form of a plugin: what a daemon refuses before it starts. The rules are those of `plugin_host`."""

from __future__ import annotations

from router.plugin_host import NOT_CHECKED
from router.testing.checking.check import CannotBeMade, Findings, Tier, check
from router.testing.checking.subject import Subject


def _form(subject: Subject, name: str) -> Findings:
    told = subject.form[name]
    if told.result == NOT_CHECKED:
        raise CannotBeMade("; ".join(told.words))
    yield from told.words


@check(
    Tier.BRONZE,
    proves="This router has the version of the contract that the plugin needs.",
    why="A router of another version refuses the plugin, and the daemon does not start.",
    fix="Write the version that you need in api_version, and install a matching router.",
)
def version(subject: Subject) -> Findings:
    return _form(subject, "version")


@check(
    Tier.BRONZE,
    proves="The settings are a model that the router can check, show and put into a schema.",
    why="Without it no table of config.toml can be read.",
    fix="Name a subclass of router.plugin.Settings in settings_model, with types that JSON Schema knows.",
    needs=("version",),
)
def settings_model(subject: Subject) -> Findings:
    return _form(subject, "settings_model")


@check(
    Tier.BRONZE,
    proves="The hooks have the names, the mark, the parameters and the form of the contract, and the plugin maps and sends something.",
    why="A hook of another form is never called, or called wrongly: the router refuses the plugin.",
    fix="Copy the signature of the hook from docs/plugins.md, and mark it with @hookimpl.",
    needs=("version",),
)
def hooks(subject: Subject) -> Findings:
    return _form(subject, "hooks")


@check(
    Tier.BRONZE,
    proves="An instance can be made of the settings.",
    why="What __init__ raises stops the daemon at its start, and a reload is refused.",
    fix="Let __init__ only store the settings. Refuse bad values in the model of the settings.",
    needs=("settings_model",),
)
def instance(subject: Subject) -> Findings:
    return _form(subject, "instance")


@check(
    Tier.BRONZE,
    proves="Names, requirements and limits that the plugin declares are well-formed.",
    why="They decide which events are held, how items share requests, and how many are in flight.",
    fix="See the table of attributes in docs/plugins.md.",
    needs=("instance",),
)
def facts(subject: Subject) -> Findings:
    return _form(subject, "facts")
