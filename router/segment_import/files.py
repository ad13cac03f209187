"""The files of an export: named one by one, or all of a folder. Which form each has is told from what is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from router.extras import pip_install
from router.segment_import.hcl import HclUnavailable, read_hcl
from router.segment_import.public_api import read_answers
from router.segment_import.terraform import is_terraform, read_terraform
from router.segment_import.workspace import HalfCharacter, Workspace, from_json

ENDINGS = (".json", ".tf", ".tfstate")
MAX_FILES = 20_000
MAX_BYTES = 200_000_000
"""Of all files together."""


class BadExport(Exception):
    """Nothing can be read there. Says what is wrong, and what to do."""


def read_workspace(paths: Sequence[Path]) -> Workspace:
    """Read an export. What cannot be read of it is noted in the workspace.

    Raises:
        BadExport: a file cannot be opened, or there is nothing of a workspace in any.
    """
    workspace = Workspace()
    answers: list[tuple[str, Any]] = []
    texts: list[tuple[str, str]] = []
    for file, content in _contents(_files(paths)):
        if file.suffix == ".tf":
            texts.append((file.name, content))
            continue
        try:
            document = from_json(content)
        except HalfCharacter as error:
            raise BadExport(f"{file}: {error}; mend that text at Segment or in the file") from None
        except (ValueError, RecursionError) as error:
            raise BadExport(f"{file}: no JSON ({error}); give an answer of the Public API, or .tf for HCL") from None
        if is_terraform(document):
            read_terraform(document, workspace)
        else:
            answers.append((file.name, document))
    read_answers(answers, workspace)
    try:
        if texts:
            read_hcl(texts, workspace)
    except HclUnavailable:
        remedy = f"install it ({pip_install('terraform')}), or import what `terraform show -json` prints"
        raise BadExport(f"{texts[0][0]}: HCL is read by python-hcl2, which is not installed; {remedy}") from None
    if workspace.is_empty:
        why = f": {'; '.join(workspace.unread)}" if workspace.unread else ""
        raise BadExport(f"there is no source, destination or tracking plan of Segment in {paths[0]}{why}")
    return workspace


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        found += sorted(_below(path)) if path.is_dir() else [path]
        if len(found) > MAX_FILES:
            raise BadExport(f"{path}: more than {MAX_FILES} files; name a folder with the export only")
    return found


def _below(folder: Path) -> Iterator[Path]:
    """Files of an export; nothing in hidden folders such as .git and .terraform."""
    for file in folder.rglob("*"):
        is_hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix in ENDINGS and not is_hidden and file.is_file():
            yield file


def _contents(files: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    rest = MAX_BYTES
    for file in files:
        try:
            with file.open("rb") as opened:
                data = opened.read(rest + 1)
            content = data.decode("utf-8-sig")
        except OSError as error:
            raise BadExport(f"{file}: cannot be read ({error.strerror})") from None
        except UnicodeDecodeError:
            raise BadExport(f"{file}: not UTF-8 text") from None
        rest -= len(data)
        if rest < 0:
            raise BadExport(f"more than {MAX_BYTES // 1_000_000} MB in all; leave out what is no export of Segment")
        yield file, content
