"""The Containerfile is checked by reading it: building it needs a base image from the network, which the suite does without."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from router.config import load
from tests.conftest import ROOT

Stage = list[tuple[str, str]]


def stages() -> list[Stage]:
    """The instructions of each stage: name and words, lines joined, comments left out."""
    lines = [line for line in (ROOT / "Containerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    found: list[Stage] = [[]]
    for line in filter(None, joined.splitlines()):
        name, _, words = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, " ".join(words.split())))
    return found[1:]


def words(stage: Stage, name: str) -> list[str]:
    """The words of every instruction of this name."""
    return [said for instruction, said in stage if instruction == name]


BUILD, FINAL = stages()


def test_every_instruction_is_one_there_is() -> None:
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK"}
    assert {name for stage in (BUILD, FINAL) for name, _ in stage} <= known | {"ENTRYPOINT", "CMD"}


def test_what_is_copied_is_there_and_reaches_the_build() -> None:
    sent = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for copy in words(BUILD, "COPY"):
        for source in copy.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source in sent, source


def test_packages_are_pinned_by_hash_and_no_other_address_is_named() -> None:
    assert any("--require-hashes -r requirements/run.txt" in run for run in words(BUILD, "RUN"))
    assert "://" not in (ROOT / "Containerfile").read_text().replace("http://127.0.0.1:8081/healthz", "")


def test_it_runs_as_a_user_of_its_own_that_owns_the_one_volume() -> None:
    (user,) = words(FINAL, "USER")
    (volume,) = words(FINAL, "VOLUME")
    assert int(user) > 0
    assert any(f"-o {user} " in run and run.endswith(volume) for run in words(FINAL, "RUN"))
    assert f"STATE_DIRECTORY={volume}" in words(FINAL, "ENV")[0]
    assert [name for name, _ in FINAL].index("USER") > [name for name, _ in FINAL].index("COPY")


def test_its_commands_are_lists_so_that_signals_reach_the_daemon() -> None:
    assert json.loads(words(FINAL, "ENTRYPOINT")[0]) == ["segment-router"]
    assert json.loads(words(FINAL, "CMD")[0]) == ["serve"]


def test_the_health_check_is_python_that_asks_the_admin_listener(shipped: Path) -> None:
    found = re.search(r"CMD (\[.*\])", words(FINAL, "HEALTHCHECK")[0])
    assert found
    program, option, code = json.loads(found[1])
    assert (program, option) == ("python", "-c")
    ast.parse(code)
    assert f"http://{load(shipped, {}).admin.listen}/healthz" in code


def test_the_ports_are_those_of_the_shipped_configuration(shipped: Path) -> None:
    config = load(shipped, {})
    assert words(FINAL, "EXPOSE") == [f"{config.server.listen.port} {config.admin.listen.port}"]


@pytest.mark.parametrize("secret", ["KEY", "TOKEN", "SECRET"])
def test_no_secret_is_baked_in(secret: str) -> None:
    assert not any(secret in said for stage in (BUILD, FINAL) for said in words(stage, "ENV") + words(stage, "ARG"))
