"""The JSON Schema of config.toml, made from the models that read it, with the settings of every plugin that can be used.

Draft 7, which every editor's TOML extension knows. What no schema can say is listed in docs/configuration.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from router.config import DestinationConfig, SourceConfig
from router.config.as_written import default_of
from router.config.model import Section
from router.config.secrets import KINDS
from router.editing.catalogue import Offer
from router.editing.key_values import SECTIONS
from router.editing.masking import FIXED

Schema = dict[str, Any]

FILE = "config.schema.json"
"""Where the first line of the shipped config.toml looks for it: beside config.toml."""

DIALECT = "http://json-schema.org/draft-07/schema#"

_SECRET = {
    "description": "The place of a secret: an environment variable, a file, or a credential of systemd.",
    "type": "object",
    "properties": {kind: {"type": "string", "minLength": 1} for kind in KINDS},
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}
_NAMES_PLACE = {"$ref": "#/$defs/secret"}
_LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")
_NOT_DRAFT_7 = ("gt", "ge", "lt", "le", "where")
"""Bounds of what the router reads from a text, and a hint for the console's form."""
_OF_NAMES = ("properties", "patternProperties", "$defs")
"""Below these stand names, not words of JSON Schema."""
_LISTED = (("source", "write_key"), ("source", "secrets"))
"""Keys of which there may be a list."""


class _Generator(GenerateJsonSchema):
    """Leaves out what means nothing in TOML or in an editor: null, titles made of names, and defaults that are no TOML."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> Schema:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> Schema:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def config_schema(offers: Sequence[Offer]) -> Schema:
    """The schema. `offers`: the plugins that a destination may name; of one that cannot be loaded, any settings are taken."""
    tables: list[type[Section]] = [*SECTIONS.values(), SourceConfig, DestinationConfig]
    asked: list[tuple[type[BaseModel], Literal["validation"]]] = [(table, "validation") for table in tables]
    _, whole = models_json_schema(asked, schema_generator=_Generator)
    definitions: Schema = whole["$defs"]
    for model in dict.fromkeys(inner for table in tables for inner in _within(table)):
        _add_defaults(definitions[model.__name__], model)
    for kind, key in FIXED:
        model = SECTIONS.get(kind, SourceConfig)
        properties = definitions[model.__name__]["properties"]
        properties[key] = _secret(properties[key], is_listed=(kind, key) in _LISTED)
    destination = definitions["DestinationConfig"]
    destination["properties"]["plugin"]["enum"] = [offer.name for offer in offers]
    destination["properties"]["settings"] = _any_settings(destination["properties"]["settings"], offers)
    destination["allOf"] = []
    for offer in offers:
        settings, inner = _settings(offer)
        definitions |= {f"{offer.name}.settings": settings, **inner}
        destination["allOf"].append(_when(offer, settings))
    properties = {name: {"$ref": f"#/$defs/{table.__name__}"} for name, table in SECTIONS.items()}
    properties["console"] = {"anyOf": [{"type": "boolean"}, properties["console"]]}
    schema: Schema = _tidied(
        {
            "$schema": DIALECT,
            "title": "config.toml of segment-router",
            "type": "object",
            "properties": {
                "plugins_dir": {"type": "string", "description": "Folder of single-file plugins.", "default": ""},
                **properties,
                "source": {"type": "array", "items": {"$ref": "#/$defs/SourceConfig"}},
                "destination": {"type": "array", "items": {"$ref": "#/$defs/DestinationConfig"}},
            },
            "additionalProperties": False,
            "$defs": {**definitions, "secret": _SECRET},
        }
    )
    return schema


def _within(annotation: Any) -> Iterator[type[Section]]:
    """The tables that a type names, and those that they name."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
        for field in annotation.model_fields.values():
            yield from _within(field.annotation)
    for inner in get_args(annotation):
        yield from _within(inner)


def _add_defaults(schema: Schema, model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        own = schema["properties"][field.alias or name]
        if "$ref" not in own and (default := default_of(field)) is not None:
            own["default"] = default


def _secret(schema: Schema, *, is_listed: bool) -> Schema:
    """The schema of a key that is text, or the place of a secret."""
    if schema.get("type") == "object":  # each of its values
        return _or_secret(schema)
    about: Schema = {key: schema.pop(key) for key in ("description", "examples", "default") if key in schema}
    one = {"anyOf": [schema["items"] if is_listed else _free(schema), _NAMES_PLACE]}
    if not is_listed:
        return {**about, **one}
    least = {"minItems": 1} if {"minItems", "minLength"} & schema.keys() else {}
    return {**about, "anyOf": [*one["anyOf"], {"type": "array", "items": one, **least}]}


def _free(schema: Schema) -> Schema:
    """An empty text says that there is none."""
    return {key: value for key, value in schema.items() if key != "minLength"}


def _any_settings(schema: Schema, offers: Sequence[Offer]) -> Schema:
    """Takes everything, and names the settings of each plugin to editors that complete keys and do not follow `if`."""
    return {**schema, "anyOf": [{}, *({"$ref": f"#/$defs/{offer.name}.settings"} for offer in offers)]}


def _when(offer: Offer, settings: Schema) -> Schema:
    """What holds for a destination with this plugin. A branch of `oneOf` for each plugin says the same, but then an editor that
    meets a fault underlines the whole destination."""
    then: Schema = {"properties": {"settings": {"$ref": f"#/$defs/{offer.name}.settings"}}}
    if {"required", "allOf"} & settings.keys():
        then["required"] = ["settings"]
    return {"if": {"properties": {"plugin": {"const": offer.name}}, "required": ["plugin"]}, "then": then}


def _settings(offer: Offer) -> tuple[Schema, Schema]:
    """The settings of a plugin, and the definitions that they use."""
    if offer.model is None:
        return {"type": "object"}, {}
    template = f"#/$defs/{offer.name}.{{model}}"
    try:
        schema = offer.model.model_json_schema(schema_generator=_Generator, ref_template=template)
    except (PydanticInvalidForJsonSchema, PydanticUserError):  # a type of the plugin's own
        return {"type": "object"}, {}
    inner = {f"{offer.name}.{name}": _with_secrets(found) for name, found in schema.pop("$defs", {}).items()}
    if "properties" not in schema:
        return schema, inner
    _add_defaults(schema, offer.model)
    schema = _with_secrets(schema)
    _add_old_names(schema, offer.model.model_fields, offer.model.old_names)
    return schema, inner


def _with_secrets(schema: Schema) -> Schema:
    """The schema of a table of settings; of anything else, itself."""
    if "properties" not in schema:
        return schema
    return {**schema, "properties": {key: _or_secret(found) for key, found in schema["properties"].items()}}


def _or_secret(schema: Schema) -> Schema:
    """Any text or number in settings may name the place of a secret instead."""
    if schema.get("type") == "array" and "items" in schema:
        return {**schema, "items": _or_secret(schema["items"])}
    if schema.get("type") == "object":
        more = schema.get("additionalProperties")
        return {**schema, "additionalProperties": _or_secret(more)} if isinstance(more, dict) else schema
    about: Schema = {key: schema[key] for key in ("title", "description", "examples", "default") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in about}
    return {**about, "anyOf": [rest, _NAMES_PLACE]} if rest else schema


def _add_old_names(schema: Schema, fields: Mapping[str, Any], old_names: Mapping[str, str]) -> None:
    """Former names are read too, and so is an attribute's own; a required key may be given by any of its names."""
    names = {field.alias or name: [name] if field.alias else [] for name, field in fields.items()}
    for old, present in old_names.items():
        for key, others in names.items():
            if present in (key, *others):
                others.append(old)
                break
    for key, others in names.items():
        if others:  # by a pattern, so that no editor proposes them
            pattern = f"^(?:{'|'.join(map(re.escape, others))})$"
            words = f"An old name of {key}."
            same = {**schema["properties"][key], "description": words, "deprecated": True}
            schema.setdefault("patternProperties", {})[pattern] = same
        if others and key in schema.get("required", []):
            schema["required"] = [one for one in schema["required"] if one != key]
            has_old_name = {"anyOf": [{"required": [name]} for name in others]}
            schema["allOf"] = [*schema.get("allOf", []), {"if": has_old_name, "else": {"required": [key]}}]
    if not schema.get("required"):
        schema.pop("required", None)


def _tidied(value: Any) -> Any:
    """Without pydantic's own words, and with nothing beside a `$ref`, which draft 7 does not read."""
    if isinstance(value, list):
        return [_tidied(one) for one in value]
    if not isinstance(value, dict):
        return value
    tidied = {key: _named(inner) if key in _OF_NAMES else _tidied(inner) for key, inner in value.items()}
    tidied = {key: inner for key, inner in tidied.items() if key not in _NOT_DRAFT_7}
    if isinstance(words := tidied.get("description"), str):
        tidied["description"] = " ".join(_LINK.sub(r"\1", words).split())
    if "$ref" in tidied and len(tidied) > 1:
        tidied["allOf"] = [{"$ref": tidied.pop("$ref")}]
    return tidied


def _named(schemas: Schema) -> Schema:
    return {name: _tidied(one) for name, one in schemas.items()}
