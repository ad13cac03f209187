"""Terraform's own language, as Segment's Git sync and people write it. Read by python-hcl2; only what needs no Terraform is evaluated.

That is: texts, numbers, lists and objects, `jsonencode(...)`, and the id of another resource. Git sync writes nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from router.segment_import.resources import add
from router.segment_import.workspace import Workspace, from_json

_CALL = re.compile(r"\$\{jsonencode\((.*)\)\}", re.DOTALL)
_REFERENCE = re.compile(r"\$\{(segment_\w+\.[\w-]+)(?:\.id)?\}")
_TEMPLATE = re.compile(r"(?<!\$)\$\{|(?<!%)%\{")


UNREAD = "only Terraform can evaluate its expression; import what `terraform show -json` prints"


class HclUnavailable(Exception):
    """python-hcl2 is not installed."""


class _NotEvaluated(Exception):
    """An expression that only Terraform can evaluate. It is never quoted: it may have a secret in it."""


def read_hcl(files: list[tuple[str, str]], workspace: Workspace) -> None:
    """Add the resources of all files of a folder: they may refer to each other. Raises HclUnavailable."""
    library = _library()
    documents = [(name, _parsed(library, name, text, workspace)) for name, text in files]
    blocks = [(name, block) for name, document in documents for block in document.get("import", [])]
    ids = {}
    for _, block in blocks:
        to, id = str(block.get("to", "")), str(block.get("id", ""))
        ids[to.removeprefix("${").removesuffix("}")] = id.strip('"')
    for name, document in documents:
        for kind, label, body in _resources(document):
            values, unread = _Evaluation(library, ids).body(body)
            id = ids.get(f"{kind}.{label}", f"{kind}.{label}")
            add(workspace, kind, {**values, "id": id})
            if unread:
                workspace.partly_read |= {id, str(values.get("destination_id"))}
                workspace.unread += [f"{name}: {kind}.{label}: {key}: {UNREAD}" for key in unread]


def _library() -> Any:
    try:
        return import_module("hcl2")
    except ImportError:
        raise HclUnavailable from None


def _parsed(library: Any, name: str, text: str, workspace: Workspace) -> dict[str, Any]:
    try:
        options = library.SerializationOptions(with_comments=False, explicit_blocks=False, preserve_heredocs=False)
        found: dict[str, Any] = library.loads(text, serialization_options=options)
    except Exception as error:  # its parser raises errors of lark and its own
        place = f", line {line}" if isinstance(line := getattr(error, "line", None), int) and line > 0 else ""
        workspace.unread.append(f"{name}: cannot be read as HCL ({type(error).__name__}{place})")
        return {}
    return found


def _resources(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for block in document.get("resource", []):
        for kind, labels in block.items():
            for label, body in labels.items():
                if kind.strip('"').startswith("segment_"):
                    yield kind.strip('"'), label.strip('"'), body


class _Evaluation:
    def __init__(self, library: Any, ids: Mapping[str, str]) -> None:
        self._library, self._ids = library, ids

    def body(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], Sequence[str]]:
        """The attributes of a resource, and the keys of those that cannot be evaluated."""
        values, unread = {}, []
        for key, value in body.items():
            try:
                values[_unquoted(key)] = self.value(value)
            except _NotEvaluated:
                unread.append(_unquoted(key))
        return values, unread

    def value(self, value: Any) -> Any:
        """A value of python-hcl2: quoted texts, `${...}` for expressions."""
        if isinstance(value, Mapping):
            return {_unquoted(str(key)): self.value(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.value(inner) for inner in value]
        if not isinstance(value, str):
            return value
        if value.startswith('"'):
            return _text(value)
        if value in ("null", "true", "false"):
            return json.loads(value)
        if call := _CALL.fullmatch(value):
            return self.value(self._argument(call[1]))
        if reference := _REFERENCE.fullmatch(value):
            return self._ids.get(reference[1], reference[1])
        raise _NotEvaluated

    def _argument(self, words: str) -> Any:
        """What stands between the parentheses of a call."""
        try:
            return self._library.loads(f"value = {words}\n")["value"]
        except Exception:  # of two calls with an operator between them, this is no expression
            raise _NotEvaluated from None


def _unquoted(key: str) -> str:
    return _text(key) if key.startswith('"') else key


def _text(quoted: str) -> str:
    """A quoted text. Its escapes are those of JSON, and `$${` stands for `${`."""
    if _TEMPLATE.search(quoted):
        raise _NotEvaluated
    try:
        found: str = from_json(quoted.replace("\n", "\\n"))
    except ValueError:
        raise _NotEvaluated from None
    return found.replace("$${", "${").replace("%%{", "%{")
