"""The wheel: built from this checkout, installed into an environment of its own, it works without the checkout, and so does a plugin
that was begun with it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]

from router import __version__
from router.config import load
from router.testing.ports import HeldPort
from router.testing.vendor import FakeVendor, Reply
from tests.conftest import ROOT
from tests.flow.harness import Daemon, destination, eventually
from tests.flow.installation import Shell, build_wheel, plugin_wheel, run, share
from tests.patience import HANG_S

PACKAGES = ("router", "plugins")


class Fresh(NamedTuple):
    """A fresh environment with the wheel in it."""

    bin: Path
    environ: dict[str, str]  #: what its processes need

    def run(self, *words: str | Path, folder: Path) -> str:
        """What a command of the environment prints."""
        return run([self.bin / words[0], *words[1:]], folder, self.environ)

    def install(self, package: str | Path, folder: Path) -> None:
        """Have pip install it here, in place of what was there."""
        words: list[str | Path] = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.bin / "python",
            "install",
            "-q",
            package,
        ]
        run(words, folder, self.environ)


class InstalledDaemon(Daemon):
    """A daemon of a fresh environment."""

    fresh: Fresh

    def spawn(self) -> None:
        """See `Daemon.spawn`."""
        command = [str(self.fresh.bin / "segment-router"), "serve", "--config", str(self.config)]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT, env=self.fresh.environ
            )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build_wheel(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What fresh environments share."""
    return share(tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def installed(wheel: Path, shared: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    """The wheel with the extra for tests, as pip installs it into an environment that knows nothing of the checkout."""
    home = tmp_path_factory.mktemp("venv")
    run([sys.executable, "-m", "venv", "--without-pip", home], home)
    fresh = Fresh(home / "bin", {**shared, "PATH": f"{home / 'bin'}:{shared['PATH']}"})
    fresh.install(f"{wheel}[testing]", home)
    return fresh


def test_it_carries_every_file_of_the_packages_and_the_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    wanted = {str(path.relative_to(ROOT)) for path in ours if "__pycache__" not in path.parts}
    units = ROOT / "systemd"
    wanted |= {f"router/doctor/systemd/{path.relative_to(units)}" for path in units.rglob("*") if path.is_file()}
    assert wanted | {"segment_router.py"} == {name for name in names if ".dist-info/" not in name}
    assert {"router/py.typed", "router/openapi.json", "router/config/shipped.toml", "router/demo/story.py"} <= names
    assert any(name.endswith("/LICENSE") for name in names)


def test_it_runs_outside_the_checkout(installed: Fresh, tmp_path: Path) -> None:
    assert installed.run("segment-router", "--version", folder=tmp_path) == f"segment-router {__version__}\n"
    where = "import router, plugins.braze; print(router.__file__, plugins.braze.__file__)"
    assert str(ROOT) not in installed.run("python", "-c", where, folder=tmp_path)
    installed.run("segment-router", "init", folder=tmp_path)
    assert "config.toml is good" in installed.run("segment-router", "check", folder=tmp_path)
    assert load(tmp_path / "config.toml", {}).sources[0].name == "website"


@pytest.mark.long
async def test_a_plugin_that_pip_upgrades_under_a_running_daemon_needs_a_restart_and_a_reload_says_so(
    installed: Fresh, tmp_path: Path
) -> None:
    installed.install(plugin_wheel(tmp_path, "1.0"), tmp_path)
    async with FakeVendor() as vendor:
        made = InstalledDaemon(tmp_path, [destination("crm", "loud", {"base_url": vendor.url})])
        made.fresh = installed
        async with made as daemon:

            async def sent_to(message_id: str) -> str:
                await daemon.post("track", userId="u1", event="E", messageId=message_id)
                await daemon.becomes(message_id, "crm", "delivered")
                return vendor.requests[-1].url

            async def row() -> tuple[str, bool]:
                [told] = (await daemon.get("/api/destinations"))["destinations"]
                return told["plugin_version"], told["restart_required"]

            def reload() -> dict[str, Any]:
                said: dict[str, Any] = json.loads(installed.run("segment-router", "reload", "--json", folder=tmp_path))
                return said

            assert (reload()["restart_required"], await row()) == ([], ("1.0", False))
            installed.install(plugin_wheel(tmp_path, "2.0"), tmp_path)
            told = reload()
            assert (told["restart_required"], told["changed"]) == (["crm"], [])
            assert (await row(), await sent_to("m1")) == (("1.0", True), "/1.0")
            assert await daemon.terminate() == 0
            await daemon.restart()
            assert (reload()["restart_required"], await row()) == ([], ("2.0", False))
            assert await sent_to("m2") == "/2.0"


async def test_a_new_plugin_passes_its_own_ci_is_installed_and_delivers(
    wheel: Path, shared: dict[str, str], tmp_path: Path
) -> None:
    """From a bare environment to an event at a real server, with the commands that an author types or copies. By default only the tutorial
    is walked through (`tests/docs/test_plugin_tutorial.py`), whose package is another one."""
    shell = Shell(tmp_path, {**shared, "SEGMENT_ROUTER": wheel.as_uri()})
    shell.run("python3 -m venv .venv\n. .venv/bin/activate")
    shell.run('pip install "segment-router[testing] @ $SEGMENT_ROUTER"')
    shell.run("segment-router plugin new acme-crm\ncd segment-router-acme-crm")
    workflow = yaml.safe_load((tmp_path / "segment-router-acme-crm/.github/workflows/test.yml").read_text())
    steps = {line: shell.run(line) for step in workflow["jobs"]["test"]["steps"] if (line := step.get("run"))}
    assert {
        "pytest",
        "mypy",
        "ruff check .",
        "pip install -e .",
        "segment-router plugin check acme-crm --tier gold",
    } < steps.keys()
    assert " passed" in steps["pytest"]
    assert "acme-crm reaches gold" in steps["segment-router plugin check acme-crm --tier gold"]
    tried = json.loads(shell.run("segment-router plugin try acme-crm track --json"))["events"][0]
    assert tried["answered"]["outcomes"] == [{"outcome": "delivered", "reason": "", "detail": ""}]
    # as a user installs it, from a wheel
    shell.run("pip wheel -q --no-deps --wheel-dir dist .\npip uninstall -q -y segment-router-acme-crm")
    shell.run("pip install dist/*.whl\ncd ..")
    listed = json.loads(shell.run("segment-router plugin list --json"))["plugins"]
    assert [one["version"] for one in listed if one["name"] == "acme-crm" and one["loads"]] == ["0.1.0"]
    async with FakeVendor(Reply(200, json={})) as vendor:
        port, admin = HeldPort(), HeldPort()
        config = CONFIG.format(port=port.number, admin=admin.number, vendor=vendor.url)
        (tmp_path / "config.toml").write_text(config)
        assert "config.toml is good" in shell.run("segment-router check")
        await deliver(shell, tmp_path / "daemon.log", port.number, vendor)
    assert [seen.url for seen in vendor.requests] == ["/events"]
    assert vendor.requests[0].headers["authorization"] == "Bearer t0p-secret"
    assert [event["name"] for event in vendor.requests[0].json()["events"]] == ["Hello"]


CONFIG = """
[server]
listen = "127.0.0.1:{port}"
[admin]
listen = "127.0.0.1:{admin}"
[store]
min_free = "1MB"
[[source]]
name = "website"
write_key = "wk"
[[destination]]
name = "acme"
plugin = "acme-crm"
[destination.settings]
base_url = "{vendor}"
token = "t0p-secret"
"""


async def deliver(shell: Shell, log: Path, port: int, vendor: FakeVendor) -> None:
    """Start the daemon, send it one call, and end it when the vendor has a request."""
    daemon, said = shell.start("segment-router serve", log), log.read_text
    try:

        async def taken() -> bool:
            assert daemon.poll() is None, said()
            call = {"userId": "u1", "event": "Hello", "messageId": "m1", "writeKey": "wk"}
            try:
                async with aiohttp.ClientSession() as http:
                    return (await http.post(f"http://127.0.0.1:{port}/v1/track", json=call)).status == 200
            except aiohttp.ClientConnectionError:
                return False

        async def arrived() -> bool:
            return bool(vendor.requests)

        await eventually(taken, what="the daemon takes a call")
        await eventually(arrived, what="the vendor gets the event")
    finally:
        daemon.terminate()
        assert await asyncio.to_thread(daemon.wait, HANG_S) == 0


@pytest.mark.slow
def test_its_demo_runs_outside_the_checkout(installed: Fresh, tmp_path: Path) -> None:
    assert "✗" not in installed.run("segment-router", "demo", folder=tmp_path)
