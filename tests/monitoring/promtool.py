"""Asks promtool, where it is installed (Debian: package `prometheus`), whether an alert fires on a tape: the engine of Prometheus itself.

Source: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import yaml  # type: ignore[import-untyped]

from tests.monitoring.rules import Rule
from tests.monitoring.tape import EVERY_S, Labels, Tape

PROMTOOL = shutil.which("promtool")
MISSING = "promtool is not installed (Debian: package prometheus)"


def run(*words: str, folder: Path) -> tuple[int, str]:
    """Its exit code and what it says."""
    assert PROMTOOL is not None
    done = subprocess.run([PROMTOOL, *words], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def check(rule: Rule, tape: Tape, firing: int, folder: Path) -> None:
    """Fails unless the alert fires so many times at the end of the tape."""
    counted = f'count(ALERTS{{alertname="{rule.name}", alertstate="firing"}})'
    expected = [{"labels": "{}", "value": firing}] if firing else []
    alone = {"alert": rule.name, "expr": rule.expr, "for": f"{rule.for_s}s"}  # all of them would take 27 times as long
    (folder / "rule.yml").write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [alone]}]}), encoding="utf-8")
    test = {
        "rule_files": ["rule.yml"],
        "evaluation_interval": f"{EVERY_S}s",
        "tests": [
            {
                "interval": f"{EVERY_S}s",
                "input_series": list(_series(rule, tape)),
                "promql_expr_test": [{"expr": counted, "eval_time": f"{int(tape.end)}s", "exp_samples": expected}],
            }
        ],
    }
    file = folder / f"{rule.name}.promtool.yml"
    file.write_text(yaml.safe_dump(test), encoding="utf-8")
    code, said = run("test", "rules", str(file), folder=folder)
    assert code == 0, f"promtool: {rule.name} should fire {firing} times: {said}"


def _series(rule: Rule, tape: Tape) -> Iterator[dict[str, str]]:
    """What the alert asks for, with a stale mark where a series ends."""
    wanted = {(name, labels) for page in tape.pages for name in rule.series for labels in page.get(name, {})}
    for name, labels in sorted(wanted, key=lambda one: (one[0], sorted(one[1]))):
        values = [page.get(name, {}).get(labels) for page in tape.pages]
        yield {"series": f"{name}{_shown(labels)}", "values": " ".join(_runs(values))}


def _runs(values: list[float | None]) -> Iterator[str]:
    was_there = False
    for value, run in groupby(values):
        n = len(list(run))
        if value is not None:
            yield f"{value!r}+0x{n - 1}" if n > 1 else repr(value)
        else:
            yield "stale" if was_there else "_"
            if n > 1:
                yield f"_x{n - 1}"
        was_there = value is not None


def _shown(labels: Labels) -> str:
    return "{" + ", ".join(f"{name}={json.dumps(value)}" for name, value in sorted(labels)) + "}"
