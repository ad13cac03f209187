"""`cluster` and `reload --everywhere`: a screen of 80 columns, and an exit code that says whether all is well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from router.cli.main import main
from tests.unit.cli.test_cli import FakeDaemon, config, daemon

__all__ = ["config", "daemon"]

AT = "2026-01-02T03:04:05.678Z"


def node(name: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "id": f"id-{name}", "is_this": False, "is_alive": True, "alive_until": AT, "version": "0.3.0", "since": AT,
        "ingest": "http://10.0.0.1:8080", "admin": "http://10.0.0.1:8081", "units": 1, **more,
    }  # fmt: skip


def unit(name: str, **more: Any) -> dict[str, Any]:
    return {
        "destination": name, "shard": 0, "node": "router-a", "node_id": "id-router-a", "epoch": 3, "since": AT, "without_owner_s": 0.0,
        "lag": 12_345, "state": "running", "state_reason": "", "configured_by": "router-a", "configured_at": AT, **more,
    }  # fmt: skip


TOLD = {
    "shared": True,
    "nodes": [node("router-a", is_this=True), node("router-b-in-a-data-centre-with-a-long-name", is_alive=False)],
    "units": [unit("clientsuccess"), unit("braze", node=None, since=None, without_owner_s=45.0, state="breaker_open")],
    "duties": [{"duty": "housekeeping", "node": "router-a"}, {"duty": "notices", "node": None}],
    "differs": [
        {
            "what": "destination braze",
            "active": "new",
            "sides": [{"value": "old", "nodes": ["router-a"]}, {"value": None, "nodes": ["router-c"]}],
        }
    ],
}


def test_all_is_on_a_screen_of_80_columns(
    config: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    daemon.answers["GET /api/cluster"] = (200, TOLD)
    assert main(["cluster"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    words = " ".join(said.split())
    for expected in (
        "router-a * 0.3.0 2026-01-02 03:04 yes 1 http://10.0.0.1:8081",
        "clientsuccess router-a 3 2026-01-02 03:04 12,345 running",
        "braze nobody 3 - 12,345 breaker open",
        "router-a trims the log",
        "! no node has delivered to braze for 45 s",
        "! destination braze differs: not active at router-a; not configured at router-c; no node that lives has the active one",
    ):
        assert expected in words
    assert "no, since" in said


def test_the_json_is_that_of_the_api(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["GET /api/cluster"] = (200, TOLD)
    assert main(["cluster", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == TOLD


def test_a_reload_of_all_nodes_says_what_each_came_to_and_fails_where_one_did(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"added": [], "changed": ["crm"], "removed": [], "sources": [], "warnings": ["crm: no key"]}
    done = {"node": "a", "id": "1", "reloaded": True, **changes}
    same = {"node": "b", "id": "2", "reloaded": True, **{key: [] for key in changes}}
    refused = {
        "node": "b",
        "id": "2",
        "reloaded": False,
        "code": "invalid_config",
        "errors": ["one", "two"],
        "command": None,
    }
    daemon.answers["POST /api/reload?everywhere=true"] = [
        (200, {"reloaded": True, "nodes": [done, same]}),
        (409, {"error": "not reloaded: b", "code": "not_everywhere", "nodes": [done, refused]}),
        (409, {"error": "not reloaded: b", "code": "not_everywhere", "nodes": [done, refused]}),
        (503, {"error": "the database is away", "code": "store_away"}),
    ]
    assert main(["reload", "--everywhere", "--yes"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "a: config.toml is in force: changed crm",
        "b: config.toml is in force: no destination has changed",
    ]
    assert said.err.splitlines() == ["a: warning: crm: no key"]
    assert daemon.changes() == [("/api/reload?everywhere=true", {"yes": True})]
    assert main(["reload", "--everywhere"]) == 1
    assert capsys.readouterr().err.splitlines()[-2:] == ["b: one", "b: two"]
    assert main(["reload", "--everywhere", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["nodes"][1]["code"] == "invalid_config"
    assert main(["reload", "--everywhere"]) == 1
    assert capsys.readouterr().err == "the database is away\n"
