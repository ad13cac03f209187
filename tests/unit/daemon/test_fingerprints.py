"""What nodes compare of their files: all that decides what is sent, and no secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from router.daemon.fingerprints import fingerprints
from router.plugin_host import read

FILE = """
[log]
level = "{level}"
[[source]]
name = "website"
write_key = {{ env = "WRITE_KEY" }}
{source}
[[destination]]
name = "hook"
plugin = "webhook"
settings = {{ url = "http://127.0.0.1:9", shared_secret = {{ env = "SECRET" }} }}
{destination}
[[destination]]
name = "out"
plugin = "file"
settings = {{ path = "out.jsonl" }}
"""
SECRETS = {"WRITE_KEY": "k1", "SECRET": "0123456789abcdef"}
Told = Callable[..., Mapping[str, str]]


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """What a node with this file would tell the others."""

    def of(environ: Mapping[str, str] = SECRETS, version: str = "", **parts: str) -> Mapping[str, str]:
        path = tmp_path / "config.toml"
        path.write_text(FILE.format(**{"level": "info", "source": "", "destination": "", **parts}))
        config, destinations = read(path, environ)
        if version:
            destinations[0] = replace(destinations[0], plugin_version=version)
        return fingerprints(config, destinations)

    return of


def test_the_same_file_is_the_same(told: Told) -> None:
    assert told() == told()
    assert {"source website", "destination hook", "destination out"} <= told().keys()


def test_another_secret_makes_no_difference_so_that_a_key_can_be_changed_node_by_node(told: Told) -> None:
    assert told({"WRITE_KEY": "k2", "SECRET": "fedcba9876543210"}) == told()
    assert not [hash for hash in told().values() if any(secret in hash for secret in SECRETS.values())]


def test_what_is_a_nodes_own_makes_no_difference(told: Told) -> None:
    assert told(level="debug") == told()


@pytest.mark.parametrize(
    ("parts", "subject"),
    [
        ({"destination": "filter = \"type = 'track'\""}, "destination hook"),
        ({"destination": "enabled = false"}, "destination hook"),
        ({"source": "strict = true"}, "source website"),
    ],
    ids=str,
)
def test_another_value_makes_a_difference_to_what_it_is_about_and_nothing_else(
    told: Told, parts: dict[str, str], subject: str
) -> None:
    before, after = told(), told(**parts)
    assert {one for one in before if before[one] != after.get(one)} == {subject}


def test_another_version_of_the_plugin_makes_a_difference(told: Told) -> None:
    before, after = told(), told(version="99")
    assert {one for one in before if before[one] != after[one]} == {"destination hook"}
