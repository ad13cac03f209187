"""The wheel of this checkout, and fresh environments to install it into, as an author or a user has them. No network is needed.

What the router depends on is shared with the environment of the suite, by PYTHONPATH: pip finds it installed and fetches nothing. So pip
checks that the wheel and its extras ask for what is there. The router itself is not shared.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.conftest import ROOT
from tests.patience import HANG_S

OWN = ("segment_router", "_segment_router", "__editable__")
"""What the names of things begin with that are not shared: the checkout's own installation."""
WITHOUT_PIP = 'if [ "${1-}" = -m ] && [ "${2-}" = venv ]; then shift 2; set -- -m venv --without-pip "$@"; fi'
"""An environment is made without a pip of its own, which takes 4 s of processor time. It has the shared one."""
COMMANDS = {
    "python3": f'{WITHOUT_PIP}\nexec "{sys.executable}" "$@"',
    "pip": 'exec python -m pip "$@"',
    "ruff": f'exec "{sys.executable}" -m ruff "$@"',
    "pytest": 'exec python -m pytest "$@"',
    "mypy": 'exec python -m mypy "$@"',
}
"""What is on the path. What is run by `python` is in the environment that is active."""


def run(command: Sequence[str | Path], folder: Path, environ: Mapping[str, str] | None = None) -> str:
    """Run a command that must succeed, without anything of the checkout in its environment. Returns what it said."""
    words = [str(word) for word in command]
    whole = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **(environ or {})}
    done = subprocess.run(words, cwd=folder, env=whole, capture_output=True, text=True, check=False, timeout=HANG_S)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout


def build_wheel(folder: Path) -> Path:
    """The wheel. It is built with what is installed, and nothing is written into the checkout."""
    script = (
        "import os, sys; from hatchling.builders.wheel import WheelBuilder;"
        f"print(next(WheelBuilder({str(ROOT)!r}).build(directory={str(folder)!r}, versions=['standard'])))"
    )
    return Path(run([sys.executable, "-c", script], folder).split()[-1])


LOUD = """
from router.plugin import Item, Settings, hookimpl, json_request


class LoudSettings(Settings):
    base_url: str


class Loud:
    settings_model = LoudSettings

    def __init__(self, settings):
        self.settings = settings

    @hookimpl
    def track(self, event):
        return Item({{"id": event.message_id}})

    @hookimpl
    def request(self, items):
        return json_request(f"{{self.settings.base_url}}/{version}", [item.body for item in items])
"""
ABOUT = {
    "METADATA": "Metadata-Version: 2.1\nName: loud\nVersion: {version}\n",
    "WHEEL": "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "entry_points.txt": "[segment_router.destinations]\nloud = loud:Loud\n",
    "RECORD": "",
}


def plugin_wheel(folder: Path, version: str) -> Path:
    """The wheel of a plugin `loud`, which sends to the path of its version."""
    path = folder / f"loud-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("loud.py", LOUD.format(version=version))
        for name, text in ABOUT.items():
            file.writestr(f"loud-{version}.dist-info/{name}", text.format(version=version))
    return path


def share(folder: Path) -> dict[str, str]:
    """Make what fresh environments share, in a new folder. Returns the variables that let a process use it, and pip no network."""
    packages, commands = folder / "packages", folder / "bin"
    packages.mkdir(parents=True)
    commands.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(OWN) and entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)
    for name, script in COMMANDS.items():
        (commands / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (commands / name).chmod(0o755)
    return {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": str(packages),
        "PIP_NO_INDEX": "1",
        "PIP_NO_COMPILE": "1",  # Python compiles what is imported
        "PIP_NO_BUILD_ISOLATION": "0",  # this is how pip spells it: the package is built with what is installed
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "MYPY_CACHE_DIR": str(
            ROOT / ".mypy_cache/fresh"
        ),  # else each environment looks at the router and its libraries anew
    }


class Shell:
    """Runs blocks of a page one after the other, as if they were pasted into one terminal: folder and variables stay."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._state = folder / ".shell"
        self._state.write_text(f"cd '{folder}'\n", encoding="utf-8")
        self._folder = folder

    def run(self, lines: str) -> str:
        """What the lines print. Each must succeed."""
        keep = f"{{ export -p; echo \"cd '$PWD'\"; }} > '{self._state}'"
        return run(["/bin/sh", "-e", "-c", f". '{self._state}'\n{lines}\n{keep}"], self._folder, self._environ)

    def start(self, line: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a line that goes on, as in a terminal of its own. What it prints goes to `log`."""
        words = ["/bin/sh", "-e", "-c", f". '{self._state}'\nexec {line}"]
        environ = {"HOME": os.environ["HOME"], **self._environ}
        with log.open("wb") as out:
            return subprocess.Popen(words, cwd=self._folder, env=environ, stdout=out, stderr=out)
