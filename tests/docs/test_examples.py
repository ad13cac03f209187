"""What the pages show is what happens: their commands run against a real daemon, their Python runs, their TOML loads.

In docs/quick-start.md a `sh` block is run line by line, and a `text` block right behind it is what its last line prints (`...`
stands for anything); README.md shows some of these lines. Indented lines are not run: they would block, take long, or change
the machine.
"""

from __future__ import annotations

import asyncio
import doctest
import itertools
import json
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from router import plugin
from router.config import load
from router.plugin_host import read
from router.plugin_host.discovery import GROUP
from router.testing.vendor import FakeVendor
from tests.docs.pages import ROOT, SHIPPED, Block, blocks
from tests.flow.harness import Daemon, destination, environment, eventually

README, QUICK_START = ROOT / "README.md", ROOT / "docs/quick-start.md"
TUTORIAL, PLUGINS, ADMIN_API = ROOT / "docs/plugin-tutorial.md", ROOT / "docs/plugins.md", ROOT / "docs/admin-api.md"
INGEST, ADMIN = "127.0.0.1:8080", "127.0.0.1:8081"
CLIENTSUCCESS = destination(
    "clientsuccess", "clientsuccess", {"project_id": "PID", "api_key": {"env": "CLIENTSUCCESS_API_KEY"}}, mode="dry-run"
)


class Shipped(Daemon):
    """A daemon with the shipped config.toml, on ports of its own."""

    def write_config(self) -> None:
        words = SHIPPED.read_text(encoding="utf-8")
        words = words.replace(INGEST, f"127.0.0.1:{self.port}").replace(ADMIN, f"127.0.0.1:{self.admin_port}")
        words = words.replace('format = "auto"', 'format = "json"').replace("sqlite:var/router.db", "sqlite:router.db")
        self.config.write_text(words.replace('min_free = "512MB"', 'min_free = "1MB"'), encoding="utf-8")
        run = self.folder / "run"
        run.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m router "$@"\n', encoding="utf-8")
        run.chmod(0o755)

    async def shell(self, line: str) -> tuple[int, str]:
        """Run a line as a newcomer would, in the daemon's folder. Returns exit code and standard output."""
        process = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", line.replace(INGEST, f"127.0.0.1:{self.port}"), cwd=self.folder, env=self.environment(),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, errors = await process.communicate()
        return process.returncode or 0, said.decode() + (errors.decode() if process.returncode else "")

    def environment(self) -> dict[str, str]:
        """As `./run` sets it."""
        return {**environment(), "SEGMENT_ROUTER_CONFIG": str(self.config), "SEGMENT_ROUTER_COMMAND": "./run"}


def shell_lines(page: Path) -> Iterator[tuple[int, str, str]]:
    """(line number, command, what it must print or "") of a page."""
    found = [*blocks(page), Block("", "", 0, "")]
    for block, following in itertools.pairwise(found):
        if block.language == "sh":
            lines = block.text.splitlines()
            for number, line in enumerate(lines):
                last = number == len(lines) - 1 and following.language == "text"
                yield block.line + number, line, following.text if last else ""


def test_the_pages_show_commands_with_what_they_print() -> None:
    for page, least in ((README, 4), (QUICK_START, 13)):
        assert len([line for _, line, _ in shell_lines(page) if line.startswith("./run ")]) >= least
        assert len([printed for _, _, printed in shell_lines(page) if printed]) >= 2


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) < 150


def test_the_commands_of_the_readme_are_some_of_those_of_the_quick_start() -> None:
    """So they run with these, in the same order."""
    run = [(line, printed) for _, line, printed in shell_lines(QUICK_START)]
    for _, line, printed in shell_lines(README):
        run = run[run.index((line, printed)) + 1 :]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
async def test_every_command_of_the_quick_start_works_in_order_and_prints_what_is_shown(tmp_path: Path) -> None:
    same = doctest.OutputChecker().check_output
    async with Shipped(tmp_path, []) as daemon:
        for number, line, printed in shell_lines(QUICK_START):
            code, said = await daemon.shell(line)
            assert code == 0, f"quick-start.md:{number}: {line}\n{said}"
            if printed:
                assert same(printed, said, doctest.ELLIPSIS), f"quick-start.md:{number}: {line}\n{said}"
            await daemon.settled()
        assert (await daemon.ledger())["discarded"] == 0


async def test_segment_s_python_library_is_pointed_at_the_daemon_as_shown(tmp_path: Path) -> None:
    (example,) = [block.text for block in blocks(QUICK_START, "python") if "from segment" in block.text]
    async with Shipped(tmp_path, []) as daemon:
        script = tmp_path / "hello.py"
        script.write_text(example.replace(INGEST, f"127.0.0.1:{daemon.port}"))
        code, said = await daemon.shell(f"'{sys.executable}' {script.name}")
        assert code == 0, said
        assert (await daemon.settled())["accepted"] == 1


# ---------------------------------------------------------------- configuration


def toml_blocks() -> list[Block]:
    """The parts of a config.toml that pages for newcomers show. `test_plugin_tutorial.py` has the one with an installed plugin."""
    shown = [block for page in (README, QUICK_START, TUTORIAL) for block in blocks(page, "toml")]
    return [block for block in shown if 'plugin = "pulse"' not in block.text]


def lay_out(folder: Path, text: str) -> Path:
    """A folder in which this config.toml finds what it names."""
    (folder / "secrets").mkdir(exist_ok=True)
    for name in re.findall(r'file = "secrets/(\w+)"', text):
        secret = folder / "secrets" / name
        secret.write_text(f"secret of {name}\n")
        secret.chmod(0o600)
    if "plugins_dir" in text:
        (folder / "plugins.d").mkdir(exist_ok=True)
        for name, code in single_files().items():
            (folder / f"plugins.d/{name}.py").write_text(code)
    path = folder / "config.toml"
    path.write_text(text)
    return path


def single_files() -> dict[str, str]:
    """The plugins of docs/plugin-tutorial.md, by name."""
    found = {re.match(r"# plugins\.d/(\w+)\.py\n", block.text): block.text for block in blocks(TUTORIAL, "python")}
    return {match[1]: text for match, text in found.items() if match}


@pytest.mark.parametrize("block", toml_blocks(), ids=lambda block: f"{block.heading}:{block.line}")
def test_the_configurations_shown_load_with_their_plugins(block: Block, tmp_path: Path) -> None:
    path = lay_out(tmp_path, block.text)
    loaded, destinations = read(path, {})
    assert [warning.words for warning in loaded.warnings] == []
    assert len(destinations) == block.text.count("[[destination]]")


def test_the_shipped_configuration_loads_and_sends_nothing() -> None:
    loaded = load(SHIPPED, {})
    assert [destination.mode for destination in loaded.destinations] == ["dry-run"] * 3


# ---------------------------------------------------------------- plugins


class Announcing(Shipped):
    """A daemon with the first plugin of the tutorial, as its config.toml says, but live; the chat is another server."""

    chat = ""

    def write_config(self) -> None:
        super().write_config()
        (shown,) = [block.text for block in toml_blocks() if 'plugin = "announcer"' in block.text]
        live = shown.replace('mode = "dry-run"', 'mode = "live"')
        lay_out(self.folder, live.replace("https://chat.example.com", self.chat))
        listeners = (
            f'[server]\nlisten = "127.0.0.1:{self.port}"\n[admin]\nlisten = "127.0.0.1:{self.admin_port}"\n'
            '[store]\nurl = "sqlite:router.db"\nmin_free = "1MB"\n[log]\nformat = "json"\n'
        )
        self.config.write_text(self.config.read_text() + listeners)


async def test_the_first_plugin_of_the_tutorial_holds_then_sends_from_a_real_daemon(tmp_path: Path) -> None:
    async with FakeVendor() as chat:
        daemon = Announcing(tmp_path, [])
        daemon.chat = chat.url
        async with daemon:
            await daemon.shell("./run send track --user u1 --event Hello --message-id m1")
            await daemon.becomes("m1", "announcer", "held", "group_unknown")
            assert chat.requests == []
            await daemon.shell('./run send group --user u1 --group acme --name "Acme Inc"')
            await daemon.becomes("m1", "announcer", "delivered")
            (seen,) = chat.requests
            assert (seen.method, seen.url, seen.json()) == ("POST", "/post", {"text": "u1 of Acme Inc: Hello"})
            assert seen.headers["authorization"] == "Bearer secret of announcer"


def test_the_entry_point_shown_is_the_one_that_is_looked_for() -> None:
    (block,) = blocks(PLUGINS, "toml")
    (group,) = tomllib.loads(block.text)["project"]["entry-points"]
    assert group == GROUP


@pytest.mark.parametrize("block", blocks(PLUGINS, "python"), ids=lambda block: f"plugins.md:{block.line}")
async def test_the_examples_for_authors_run(block: Block, tmp_path: Path) -> None:
    script = tmp_path / "example.py"
    script.write_text(block.text)
    command = (sys.executable, "-W", "error", str(script))
    process = await asyncio.create_subprocess_exec(*command, env=environment(), stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")


@pytest.mark.parametrize(
    "block",
    [one for one in blocks(PLUGINS, "python") if "@hookimpl" in one.text],
    ids=lambda block: f"plugins.md:{block.line}",
)
def test_the_plugins_of_the_reference_load(block: Block, tmp_path: Path) -> None:
    """As the router loads them, which makes an instance."""
    (tmp_path / "shown.py").write_text(block.text)
    config = tmp_path / "config.toml"
    config.write_text(
        f'plugins_dir = "{tmp_path}"\n[[source]]\nname = "website"\nwrite_key = "k"\n[[destination]]\nname = "shown"\n'
        'plugin = "shown"\nmode = "dry-run"\n[destination.settings]\n'
    )
    if "client_secret" in block.text:
        config.write_text(config.read_text() + 'client_secret = "s3cret"\n')
    _, (loaded,) = read(config, {})
    assert "track" in loaded.hooks


def test_the_plugin_in_the_contract_s_docstring_loads_holds_and_maps(tmp_path: Path) -> None:
    assert plugin.__doc__ is not None
    lines = plugin.__doc__.partition("A complete plugin, which the test suite runs:\n")[2].splitlines()
    end = next(number for number, line in enumerate(lines) if line and not line.startswith("    "))
    (tmp_path / "greeter.py").write_text("\n".join(line[4:] for line in lines[:end]))
    config = tmp_path / "config.toml"
    config.write_text(
        f'plugins_dir = "{tmp_path}"\n[[source]]\nname = "website"\nwrite_key = "k"\n[[destination]]\nname = "greeter"\n'
        'plugin = "greeter"\nsettings = { token = "s3cret" }\n'
    )
    _, (greeter,) = read(config, {})
    assert greeter.requires == {"track": (plugin.Group("id", "name"),)}
    now = datetime.fromisoformat("2026-01-02T03:04:05Z")
    hello = plugin.Event(
        type="track", message_id="m1", source="website", user_id="u1", name="Hello",
        timestamp=now, original_timestamp=now, received_at=now,
    )  # fmt: skip
    item = greeter.hooks["track"](hello, plugin.Context(group=plugin.Profile("acme", {"name": "Acme Inc"})))
    assert item == plugin.Item({"who": "u1", "did": "Hello", "company": "Acme Inc"})
    sent = greeter.hooks["request"]([item])
    assert (sent.method, sent.url) == ("POST", "https://greeter.example.com/events")
    assert sent.headers["Authorization"] == "Bearer s3cret"
    assert greeter.redact(sent.headers["Authorization"]) == "Bearer ***"


# ---------------------------------------------------------------- admin API


def shape(value: Any) -> Any:
    """A JSON value without what differs from run to run: keys and kinds are left."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    if isinstance(value, str):
        return "instant" if re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value) else "text"
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else value


ONE_OF = {"/api/events": "?limit=1", "/api/find": "?q=acme", "/api/configuration": "?key=log.level"}
"""What is asked for, so that the answer is what the page shows."""


async def test_the_admin_api_answers_in_the_shapes_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The story that the examples tell: u1 has a group, u2 is held, u3 was dropped, one call could not be used, and the group call
    lacks a trait that the tracking plan requires."""
    monkeypatch.delenv("CLIENTSUCCESS_API_KEY", raising=False)
    group = {"properties": {"traits": {"required": ["plan"]}}}
    rules = [{"type": "TRACK", "key": "Hello", "jsonSchema": {}}, {"type": "GROUP", "key": None, "jsonSchema": group}]
    (tmp_path / "plan.json").write_text(json.dumps(rules))
    story = Daemon(tmp_path, [CLIENTSUCCESS])
    story.source = {"plan": "plan.json"}
    async with story as daemon:
        held = "/api/destinations/clientsuccess/held"
        await daemon.post("track", event="Hello", messageId="bad-1")
        for n in (1, 2, 3):
            await daemon.post("track", userId=f"u{n}", event="Hello", messageId=f"hello-{n}")
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme Inc"}, messageId="group-1")
        await daemon.becomes("hello-3", "clientsuccess", "held")
        await daemon.becomes("hello-1", "clientsuccess", "delivered")
        await eventually(lambda: _is_held(daemon, held, 2))
        status, _ = await daemon.admin("POST", held.replace("held", "release"), {"user": "u3", "drop": True})
        assert status == 200
        await daemon.becomes("hello-3", "clientsuccess", "dead")
        asked, regulation = set(), ""
        for heading, shown in _by_heading().items():
            method, path = heading.split()
            path = (
                path.replace("{name}", "clientsuccess").replace("{message_id}", "hello-1").replace("{id}", regulation)
            )
            path += ONE_OF.get(path, "")
            answer = await daemon.admin(method, path, *(shown[:1] if method == "POST" else []))
            assert answer[0] == 200, (heading, answer)
            regulation = answer[1].get("data", {}).get("regulateId", regulation)
            assert shape(answer[1]) == shape(shown[-1]), heading
            asked.add(heading)
        assert len(asked) > 10


async def _is_held(daemon: Daemon, path: str, n: int) -> bool:
    return bool((await daemon.get(path))["held"] == n)


def _by_heading() -> dict[str, list[Any]]:
    """The JSON shown under each path: a GET's answer; a POST's body and answer."""
    found: dict[str, list[Any]] = {}
    for block in blocks(ADMIN_API, "json"):
        found.setdefault(block.heading, []).append(json.loads(block.text))
    return found
