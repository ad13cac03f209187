"""Several nodes on one database: what the runs come to, and the limit that each node has. The runs themselves are slow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from router.bench import quota
from router.bench.cluster import LIMITED, cluster, outcome
from router.bench.cluster_runs import Ran
from router.bench.measure import cpu_s, tree_cpu_s
from router.bench.plan import Plan
from router.bench.quota import limited_to
from router.bench.report import Report
from router.bench.show import markdown
from router.bench.targets import CLUSTER
from tests.unit.bench.runs import conditions

NAMES = ("drain, 1", "ingest, 1", "path, SQLite", "append, 1", "latency")
TWICE = ("drain, 2", "ingest, 2", "path, PostgreSQL", "append, 4")


def runs(**changes: object) -> dict[str, list[Ran]]:
    """One of each; those that are compared take half the time."""
    one = msgspec.structs.replace(Ran(100.0, 2.0, 1.0, 0.001, [], age_ms=(5.0, 50.0)), **changes)
    return {name: [msgspec.structs.replace(one, seconds=1.0) if name in TWICE else one] for name in (*NAMES, *TWICE)}


def test_every_row_has_a_figure() -> None:
    found = {one.id: one.value.median for one in outcome(runs()).measures}
    assert found == {"C1": 2.0, "C2": 2.0, "C3": 2.0, "C4": 1.0, "C5": 10.0, "C6": 2.0, "C7a": 5.0, "C7b": 50.0}
    assert {*found} == {*CLUSTER}


def test_without_a_limit_nothing_is_said_of_two_nodes_beside_one() -> None:
    found = outcome(runs(is_limited=False))
    assert {one.id for one in found.measures} == {*CLUSTER} - {*LIMITED}


def test_what_is_missing_in_a_run_is_a_problem_of_that_run() -> None:
    assert "cluster, latency: one event" in outcome(runs(problems=["one event"])).problems


def test_the_table_of_several_nodes_is_one_of_its_own() -> None:
    rows = markdown(Report(conditions(), measures=outcome(runs()).measures)).splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(CLUSTER)


def test_where_no_limit_can_be_set_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "V1", tmp_path / "none")
    monkeypatch.setattr(quota, "V2", tmp_path / "nothing" / "there")
    with limited_to(0.5, "a") as group:
        group.add(os.getpid())
        assert not group.works


@pytest.mark.parametrize("version", ["V1", "V2"])
def test_a_limit_is_written_where_cgroups_have_it(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder stands for the control groups: to make real ones takes rights that a test has not."""
    for name in ("V1", "V2"):
        monkeypatch.setattr(quota, name, tmp_path if name == version else tmp_path / "none")
    with limited_to(0.35, "a") as group:
        group.add(1)
        [folder] = tmp_path.iterdir()
        written = {file.name: file.read_text() for file in folder.iterdir()}
    assert group.works
    assert written["cgroup.procs"] == "1"
    assert "7000 20000" in written.get("cpu.max", "") or written["cpu.cfs_quota_us"] == "7000"


def test_processor_time_of_a_tree_has_children_that_ended() -> None:
    work = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(3_000_000))']); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", work], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert tree_cpu_s(process.pid) > cpu_s(process.pid)
        process.communicate(b"\n")


@pytest.mark.slow
def test_all_runs_end_in_balance(tmp_path: Path) -> None:
    """Real nodes on a real server."""
    found = cluster(Plan(0.3, 1, tmp_path, lambda words: None, drain=200))
    assert found.problems == []
    assert {one.id for one in found.measures} | {*LIMITED} == {*CLUSTER}
