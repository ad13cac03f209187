"""The wheel: built from this checkout, installed into an environment of its own, it works without the checkout, and so does a plugin
that was begun with it."""

from __future__ import annotations

import asyncio
import json
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
import yaml  # type: ignore[import-untyped]

from router import __version__
from router.config import load
from router.testing.ports import HeldPort
from router.testing.vendor import FakeVendor, Reply
from tests.conftest import ROOT
from tests.flow.harness import eventually
from tests.flow.installation import Shell, build_wheel, run, share
from tests.patience import HANG_S

PACKAGES = ("router", "plugins")


class Fresh(NamedTuple):
    """A fresh environment with the wheel in it."""

    bin: Path
    environ: dict[str, str]  #: what its processes need

    def run(self, *words: str | Path, folder: Path) -> str:
        """What a command of the environment prints."""
        return run([self.bin / words[0], *words[1:]], folder, self.environ)


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
    run(
        [sys.executable, "-m", "pip", "--python", home / "bin/python", "install", "-q", f"{wheel}[testing]"],
        home,
        shared,
    )
    return Fresh(home / "bin", {**shared, "PATH": f"{home / 'bin'}:{shared['PATH']}"})


def test_it_carries_every_file_of_the_packages_and_the_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    ours = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    wanted = {str(path.relative_to(ROOT)) for path in ours if "__pycache__" not in path.parts}
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
async def test_a_new_plugin_passes_its_own_ci_is_installed_and_delivers(
    wheel: Path, shared: dict[str, str], tmp_path: Path
) -> None:
    """From a bare environment to an event at a real server, with the commands that an author types or copies."""
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
