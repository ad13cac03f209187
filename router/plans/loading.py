"""From the files of a plan to a plan, or to every problem with them. Each problem names file, rule and JSON path."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from router.plans.forms import KINDS, UNKNOWN_FORM, RawRule, read_form
from router.plans.plan import Plan, Rule
from router.plans.schema import PlansUnavailable, Schema, SchemaError

MAX_RULES = 5_000
MAX_BYTES = 20_000_000
"""Of all files of one plan together."""


class PlanError(Exception):
    """A plan cannot be used."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Reading:
    """What was read so far of one plan."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._first: dict[tuple[str, str, int], str] = {}  #: where each rule was met first

    def add(self, file: str, raw: RawRule) -> None:
        """One rule of a file."""
        where = f"{file}: {_label(raw)} at {raw.where}"
        fault = _fault(raw)
        if fault:
            self.problems.append(f"{where}{fault}")
            return
        key = raw.key or ""
        first = self._first.setdefault((raw.kind, key, raw.version), f"{file} at {raw.where}")
        if first != f"{file} at {raw.where}":
            self.problems.append(f"{where}: the same type, key and version as {first}; keep one of the two")
            return
        try:
            schema = Schema(raw.schema)
        except SchemaError as error:
            inner = f".{raw.schema_key}" if raw.schema_key else ""
            self.problems.append(f"{file}: {_label(raw)} at {raw.where}{inner}{error.path}: {error}")
            return
        self._warn(where, raw)
        self.rules.append(Rule(raw.kind, key, raw.version, schema))

    def _warn(self, where: str, raw: RawRule) -> None:
        if raw.kind == "TRACK" and not raw.key:
            self.warnings.append(f"{where}: it has no key, so it applies to no event; name the event")
        elif raw.key and raw.key != raw.key.strip():
            self.warnings.append(
                f"{where}: the key begins or ends with white space, so no event is called so; correct it"
            )


def load_plan(paths: Sequence[Path]) -> Plan:
    """Read a plan from its files.

    Raises:
        PlanError: with every problem of these files.
    """
    files: list[tuple[str, bytes]] = []
    left = MAX_BYTES
    for path in paths:
        try:
            data = _content(path, left + 1)
        except OSError as error:
            raise PlanError(
                [f"{path}: cannot be read ({error.strerror}); check the path and its permissions"]
            ) from None
        left -= len(data)
        if left < 0:
            raise PlanError(
                [f"{path}: the plan has more than {MAX_BYTES // 1_000_000} MB; take out what is not needed"]
            )
        files.append((str(path), data))
    return read_plan(files)


def _content(path: Path, most: int) -> bytes:
    """At most so many bytes. Raises OSError, and PlanError for what is no file: reading a pipe would wait for whoever writes to it."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise PlanError([f"{path}: not a regular file; name a JSON file"])
        return file.read(most).removeprefix(codecs.BOM_UTF8)


def read_plan(files: Sequence[tuple[str, bytes]]) -> Plan:
    """The same for contents that were read before, each with the name of its file. Raises PlanError."""
    reading, id, name = _Reading(), "", ""
    for file, data in files:
        document = _decoded(file, data, reading)
        found = None if document is None else read_form(document)
        if found is None:
            if document is not None:
                reading.problems.append(f"{file}: {UNKNOWN_FORM}")
            continue
        id, name = id or found.id, name or found.name
        if len(reading.rules) + len(found.rules) > MAX_RULES:
            raise PlanError([f"{file}: the plan has more than {MAX_RULES} rules; take out what is not needed"])
        try:
            for raw in found.rules:
                reading.add(file, raw)
        except PlansUnavailable as error:
            raise PlanError([f"{file}: {error}"]) from None
    if reading.problems:
        raise PlanError(reading.problems)
    if not reading.rules:
        names = ", ".join(file for file, _ in files)
        reading.warnings.append(
            f"{names}: it has no rules, so every track call is an unplanned event; export the rules"
        )
    digest = hashlib.sha256(b"\n".join(data for _, data in files)).hexdigest()
    return Plan(id, name, digest, reading.rules, reading.warnings)


def _decoded(file: str, data: bytes, reading: _Reading) -> Any:
    try:
        document = msgspec.json.decode(data)
    except UnicodeDecodeError:
        reading.problems.append(f"{file}: not UTF-8 text; save it as UTF-8")
        return None
    except msgspec.DecodeError as error:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            reading.problems.append(f"{file}: UTF-16 text; save it as UTF-8")
            return None
        reading.problems.append(f"{file}: not JSON ({error}); a tracking plan is a JSON file")
        return None
    except RecursionError:
        reading.problems.append(f"{file}: nested too deep; a tracking plan is flatter than that")
        return None
    if document is None:
        reading.problems.append(f"{file}: {UNKNOWN_FORM}")
    return document


def _fault(raw: RawRule) -> str:
    """What is wrong with a rule beside its schema, with the path below the rule."""
    if raw.kind not in KINDS:
        return f".type: not a kind of rule; write one of {', '.join(KINDS)}"
    if raw.key is not None and not isinstance(raw.key, str):
        return ".key: not a text; write the name of the event"
    if isinstance(raw.version, bool) or not isinstance(raw.version, int):
        return ".version: not an integer; write e.g. 1"
    if not isinstance(raw.schema, dict):
        inner = f".{raw.schema_key}" if raw.schema_key else ""
        return f"{inner}: not a JSON Schema; write an object"
    return ""


def _label(raw: RawRule) -> str:
    name = f" {raw.key!r}" if isinstance(raw.key, str) and raw.key else ""
    return f"rule {raw.kind if isinstance(raw.kind, str) else '(no type)'}{name}"
