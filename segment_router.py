"""Where the command `segment-router` starts: makes sure that `router` and `plugins` are ours, then runs the command line.

Both names are common ones, so another package may have them too. Without this check that would end in an import error that names
neither, or in a plugin that is not found.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).resolve().parent
BAD_CONFIG = 78


def main() -> int:
    """Run the command line. Returns its exit code; 78 where another package is in the way."""
    clashes = list(find_clashes())
    if clashes:
        print(*clashes, sep="\n", file=sys.stderr)
        return BAD_CONFIG
    from router.cli.process import run

    return run()


def find_clashes() -> Iterator[str]:
    """What another package is in the way of, one sentence each."""
    router = find_spec("router")
    if HERE / "router" not in _folders(router) or not _is_ours(HERE / "router/__init__.py"):
        yield _sentence("router", router)
    plugins = find_spec("plugins")
    if HERE / "plugins" not in _folders(plugins) or (plugins and plugins.origin):
        # ours has no __init__.py, so that others may add to it; a package that has one hides it
        yield _sentence("plugins", plugins)


def _folders(spec: ModuleSpec | None) -> list[Path]:
    return [Path(folder).resolve() for folder in (spec and spec.submodule_search_locations) or []]


def _is_ours(file: Path) -> bool:
    """Whether the file is still ours: a package that is installed into the same folder writes over it."""
    try:
        return file.read_bytes().startswith(b'"""segment-router: ')
    except OSError:
        return False


def _sentence(name: str, spec: ModuleSpec | None) -> str:
    others = sorted({other for other in packages_distributions().get(name, []) if other != "segment-router"})
    owner = f"; it belongs to {', '.join(others)}" if others else ""
    where = (spec and (spec.origin or ", ".join(map(str, _folders(spec))))) or "nowhere"
    return (
        f'segment-router cannot start: its package "{name}" is in {HERE}, and Python finds another one of that name'
        f" at {where}{owner}. Install segment-router into an environment of its own (pipx, uv tool or a venv),"
        " or take that path out of PYTHONPATH."
    )


if __name__ == "__main__":
    sys.exit(main())
