"""docs/installing-systemd.md: after an upgrade by its commands each folder runs its own program, and the link the new one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/installing-systemd.md").read_text(encoding="utf-8")
RUN = f"""#!/bin/sh
mkdir -p .venv/bin
ln -s {sys.executable} .venv/bin/python
echo "#!$PWD/.venv/bin/python
import sys; print(sys.executable)" > .venv/bin/segment-router
chmod +x .venv/bin/segment-router
"""
"""Makes an environment as pip does: the program begins with the path of the Python in its folder."""


def commands(heading: str) -> list[str]:
    """The commands below a heading that make folders and links."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^ {8}(.*?)(?: +#.*)?$", section, re.MULTILINE)
    return [line for line in lines if line.split()[0] in ("cd", "./run", "ln", "mv", "rm")]


def project(opt: Path, version: str) -> None:
    """The project, as it was unpacked."""
    folder = opt / f"segment-router-{version}"
    folder.mkdir()
    (folder / "run").write_text(RUN)
    (folder / "run").chmod(0o755)


def do(opt: Path, lines: list[str], **words: str) -> None:
    """Run commands of the page. `words`: what stands for what is in capitals."""
    script = "\n".join(lines).replace("/opt/", f"{opt}/")
    for name, value in words.items():
        script = script.replace(name, value)
    subprocess.run(["sh", "-ec", script], check=True)


def told(program: Path) -> str:
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()).parent.parent.parent.name


def test_after_an_upgrade_each_folder_runs_its_own_program(tmp_path: Path) -> None:
    install = [line for line in commands("Install") if "systemd" not in line]
    project(tmp_path, "1")
    do(tmp_path, install, VERSION="1")
    linked = tmp_path / "segment-router/.venv/bin/segment-router"
    assert told(linked) == "segment-router-1"
    project(tmp_path, "2")
    do(tmp_path, [line for line in install if not line.startswith("ln")], VERSION="2")
    assert told(linked) == "segment-router-1", "the service runs on meanwhile"
    do(tmp_path, commands("Upgrade"), NEW="2", OLD="1")
    for folder, version in (("segment-router", "2"), ("segment-router-1", "1"), ("segment-router-2", "2")):
        assert told(tmp_path / folder / ".venv/bin/segment-router") == f"segment-router-{version}", folder
    do(tmp_path, commands("Upgrade"), NEW="1", OLD="2")
    assert told(linked) == "segment-router-1", "the way back is the same"
