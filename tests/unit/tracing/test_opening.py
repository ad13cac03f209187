"""Nothing on costs nothing: without an endpoint, no module of OpenTelemetry is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.flow.harness import environment

pytestmark = pytest.mark.long

PROGRAM = """
import asyncio, random, sys
from router import cli, daemon
from router.config import load
from router.logger import make_log
from router.tracing.opening import open_tracing
import pathlib
config = pathlib.Path("config.toml")
config.write_text('[tracing]\\nendpoint = "%s"\\n')

async def main():
    async with open_tracing(load(config), make_log("error"), random.Random()) as tracing:
        return tracing

tracing = asyncio.run(main())
print(tracing is not None, sorted(name for name in sys.modules if name.startswith(("opentelemetry", "google.protobuf")))[:1])
"""


def run(endpoint: str, folder: object) -> str:
    command = [sys.executable, "-c", PROGRAM % endpoint]
    return subprocess.run(
        command, cwd=str(folder), env=environment(), capture_output=True, text=True, check=True
    ).stdout.strip()


def test_without_an_endpoint_nothing_of_opentelemetry_is_loaded(tmp_path: object) -> None:
    assert run("", tmp_path) == "False []"


def test_with_an_endpoint_it_is(tmp_path: object) -> None:
    assert run("http://127.0.0.1:9", tmp_path).startswith("True ['google.protobuf'")
