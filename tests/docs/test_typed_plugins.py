"""The plugins that the pages and the contract show have no error for `mypy --strict`. A package that `plugin new` writes is checked by its own CI file,
in `tests/flow/test_wheel.py`.

An author who copies one begins without a type error, so the contract has no trap for a type checker in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from router import plugin
from tests.docs.pages import ROOT, blocks
from tests.patience import HANG_S

pytestmark = pytest.mark.long

CACHE = ROOT / ".mypy_cache/shown"
"""Without it each run looks at the router and its libraries anew."""
PAGES = {name: ROOT / f"docs/{name}.md" for name in ("plugin-tutorial", "plugins", "plugin-recipes")}


def mypy(folder: Path, *files: Path) -> str:
    """What mypy says of these files with --strict; empty where nothing is wrong."""
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "MYPYPATH": str(ROOT)}
    options = ["--strict", "--no-error-summary", "--explicit-package-bases", f"--cache-dir={CACHE}"]
    options += ["--follow-imports=silent", "--config-file="]
    words = [sys.executable, "-m", "mypy", *options, *map(str, files)]
    done = subprocess.run(words, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=HANG_S)
    return done.stdout + done.stderr


def contract_example() -> str:
    """The plugin in the docstring of the contract."""
    assert plugin.__doc__ is not None
    lines = plugin.__doc__.partition("A complete plugin, which the test suite runs:\n")[2].splitlines()
    end = next(number for number, line in enumerate(lines) if line and not line.startswith("    "))
    return "\n".join(line[4:] for line in lines[:end]) + "\n"


def shown() -> dict[str, str]:
    """Every plugin that is shown whole, by the name of a file."""
    found = {"contract": contract_example()}
    for name, page in PAGES.items():
        shown = [block for block in blocks(page, "python") if "@hookimpl" in block.text]
        found |= {f"{name.replace('-', '_')}_{block.line}": block.text for block in shown}
    return found


def test_the_plugins_that_are_shown_are_clean(tmp_path: Path) -> None:
    texts = shown()
    assert len(texts) == 15
    files = [tmp_path / f"{name}.py" for name in texts]
    for file, text in zip(files, texts.values(), strict=True):
        file.write_text(text, encoding="utf-8")
    assert mypy(tmp_path, *files) == ""


def test_a_group_that_may_be_none_is_found(tmp_path: Path) -> None:
    """The test above can fail."""
    file = tmp_path / "careless.py"
    file.write_text(contract_example().replace("context.required_group", "context.group"), encoding="utf-8")
    assert 'Item "None" of "Profile | None" has no attribute "traits"' in mypy(tmp_path, file)
