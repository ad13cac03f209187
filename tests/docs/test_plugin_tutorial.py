"""docs/plugin-tutorial.md: its package is made by the commands and files of the page, in their order, and delivers from a daemon.

The blocks of its numbered steps are taken as a reader takes them: a block that names a file is written, a `sh` block is pasted into one
terminal, a `text` block after it is what it prints (`...` stands for anything). `segment-router serve` has a terminal of its own.
"""

from __future__ import annotations

import doctest
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.testing.ports import HeldPort
from router.testing.vendor import FakeVendor, Received, Reply
from tests.docs.modules import load_module
from tests.docs.pages import ROOT, Block, blocks
from tests.flow.harness import eventually, unmeasured
from tests.flow.installation import Shell, build_wheel, share
from tests.patience import HANG_S

TUTORIAL = ROOT / "docs/plugin-tutorial.md"
TEXT = TUTORIAL.read_text(encoding="utf-8")
SERVE = "segment-router serve"
OWN = """
[server]
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[store]
min_free = "1MB"
[log]
format = "json"
"""
"""What a test adds to config.toml, so that it disturbs nobody."""


def steps() -> list[Block]:
    """The blocks of the numbered steps, in order."""
    return [block for block in blocks(TUTORIAL) if re.match(r"\d+\. ", block.heading)]


def assert_prints(block: Block, following: Block | None, said: str) -> None:
    """A `text` block after the commands shows what they print."""
    if following is not None and (following.language, following.heading) == ("text", block.heading):
        same = doctest.OutputChecker().check_output(following.text, said, doctest.ELLIPSIS)
        assert same, f"line {block.line}: {block.text}\nit prints:\n{said}\nthe page says:\n{following.text}"


class Pulse:
    """The tool of the page. One token at a time is good."""

    def __init__(self) -> None:
        self.tokens = 0
        self.activities: list[dict[str, Any]] = []

    def __call__(self, seen: Received) -> Reply:
        if seen.url == "/token":
            assert seen.json() == {"client_id": "router", "client_secret": "the client secret"}
            self.tokens += 1
            return Reply(json={"access_token": f"token-number-{self.tokens}", "expires_in": 3600})
        assert (seen.url, seen.method) == ("/activities", "POST")
        if seen.headers["authorization"] != f"Bearer token-number-{self.tokens}":
            return Reply(401)
        self.activities += seen.json()["activities"]
        return Reply(207, json={"results": [{"ok": True} for _ in seen.json()["activities"]]})


class Walk:
    """A reader on the way through the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.package, self.router = folder / "segment-router-pulse", folder / "router"
        environ = {**share(folder / "shared"), "SEGMENT_ROUTER": str(build_wheel(folder))}
        self.shell = Shell(folder, environ)
        self._ports = HeldPort(), HeldPort()
        self.daemon: subprocess.Popen[bytes] | None = None

    async def take(self, block: Block, following: Block | None) -> None:
        """Do what a block says, and compare what it prints with the block after it."""
        match block.language:
            case "sh":
                said = "".join([await self.paste(line) for line in block.text.splitlines()])
                assert_prints(block, following, said)
            case "python":
                self.write(self.package / block.text.split()[1], block.text)
            case "json":
                self.write(self.package / "tests/fixtures/activity.json", block.text)
            case "toml":
                port, admin = self._ports
                self.write(self.router / "config.toml", block.text + OWN.format(port=port.number, admin=admin.number))

    def write(self, path: Path, text: str) -> None:
        assert path.parent.is_dir(), f"{path}: there is no such folder by then"
        path.write_text(text, encoding="utf-8")

    async def paste(self, line: str) -> str:
        if line != SERVE:
            return self.shell.run(line)
        log = self.folder / "daemon.log"
        self.daemon = self.shell.start(line, log)

        async def serves() -> bool:
            assert self.daemon is not None
            assert self.daemon.poll() is None, log.read_text()
            return '"daemon_ready"' in log.read_text()

        await eventually(serves, what="the daemon serves")
        return ""

    def stop(self) -> None:
        """End the daemon, which must end well."""
        if self.daemon is not None:
            self.daemon.terminate()
            assert self.daemon.wait(HANG_S) == 0
            self.daemon = None

    def go_live(self, base_url: str) -> None:
        """Change the mode as the page says, and point the plugin at a server of this machine."""
        config = self.router / "config.toml"
        text = config.read_text().replace('mode = "dry-run"', 'mode = "live"')
        config.write_text(text.replace("[destination.settings]", f'[destination.settings]\nbase_url = "{base_url}"'))


@pytest.mark.long
async def test_the_package_of_the_page_is_made_passes_its_tests_and_delivers(tmp_path: Path) -> None:
    walk, pulse = Walk(tmp_path), Pulse()
    try:
        for block, following in itertools.pairwise([*steps(), None]):
            assert block is not None
            await walk.take(block, following)
        assert list((walk.package / "dist").glob("segment_router_pulse-0.1.0-*.whl"))
        # the last sentence of step 6: with `mode = "live"` it is sent
        walk.stop()
        async with FakeVendor() as vendor:
            vendor.answer = pulse
            walk.go_live(vendor.url)
            walk.shell.run("cd ../router")
            await walk.paste(SERVE)
            walk.shell.run("segment-router send track --user u1 --event 'Report Opened'")

            async def arrived() -> bool:
                return bool(pulse.activities)

            await eventually(arrived, what="Pulse gets the activity")
            walk.stop()
        (activity,) = pulse.activities
        assert (activity["did"], activity["company"], pulse.tokens) == ("Report Opened", "Acme Inc", 1)
    finally:
        if walk.daemon is not None:
            walk.daemon.kill()


@pytest.mark.long
def test_the_plugin_in_one_file_is_good_and_does_what_the_page_shows(tmp_path: Path) -> None:
    part = [block for block in blocks(TUTORIAL) if block.heading == "A plugin in one file"]
    shell = Shell(tmp_path, {**unmeasured(), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    for block, following in itertools.pairwise([*part, None]):
        assert block is not None
        if block.language == "sh":
            assert_prints(block, following, shell.run(block.text))
        elif block.language != "text":
            (tmp_path / "announcer" / block.text.split()[1]).write_text(block.text, encoding="utf-8")


# ---------------------------------------------------------------- what the page says


def test_the_steps_are_numbered_and_have_commands() -> None:
    headings = list(dict.fromkeys(block.heading for block in steps()))
    assert [int(heading.partition(".")[0]) for heading in headings] == list(range(1, len(headings) + 1))
    lines = [line for block in steps() if block.language == "sh" for line in block.text.splitlines()]
    assert len(lines) > 20
    assert SERVE in lines


def test_the_table_of_settings_that_goes_into_the_readme_has_each_setting(tmp_path: Path) -> None:
    (table,) = [block.text for block in steps() if block.text.startswith("| Setting |")]
    shown = dict(re.findall(r"^\| `(\w+)` \| .*? \| (.+) \|$", table, re.MULTILINE))
    (plugin,) = [block.text for block in steps() if "class PulseSettings" in block.text]
    (tmp_path / "pulse.py").write_text(plugin, encoding="utf-8")
    fields = load_module(tmp_path / "pulse.py").PulseSettings.model_fields
    assert shown == {name: field.description for name, field in fields.items()}


def test_what_goes_into_the_readme_replaces_lines_of_it_and_is_what_earlier_steps_have_run() -> None:
    readme = (ROOT / "router/scaffold/template/README.md.in").read_text(encoding="utf-8")
    replaced = re.findall(r"replace the lines? (.+) by:", TEXT)
    begins = [line.removesuffix("...`").strip("`") for line in " and ".join(replaced).split(" and ")]
    assert len(begins) == 3
    assert all(re.search(rf"^ *{re.escape(line)}", readme, re.MULTILINE) for line in begins)
    given = [block for block in steps() if block.heading.endswith("Publish it") and block.language == "text"]
    lines = [line for block in given for line in block.text.splitlines() if not line.startswith("|")]
    run = {line for block in steps() if block.language in ("toml", "sh") for line in block.text.splitlines()}
    assert (len(lines), set(lines) - run) == (4, set())


def parts_explained() -> Iterator[str]:
    explained = TEXT.partition("## 2. ")[2].partition("## 3. ")[0]
    yield from re.findall(r"^### (.+)$", explained, re.MULTILINE)


def test_each_part_of_the_plugin_is_explained() -> None:
    assert list(parts_explained()) == [
        "Settings",
        "The gate",
        "Batches",
        "State and timer",
        "Token",
        "Results per item",
        "Deletions",
    ]
