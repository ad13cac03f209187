"""`[tracing]`: off by default, an address, headers that may be secrets, and what to install where the extra is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from router.config import TracingConfig, load
from router.errors import ConfigError
from router.extras import pip_install

Write = Callable[[str], Path]


def problems(path: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    return caught.value.problems


def test_nothing_is_traced_by_default(write_config: Write) -> None:
    assert load(write_config("")).tracing == TracingConfig()
    assert TracingConfig().endpoint == ""


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("https://collector.example.com/", "https://collector.example.com/v1/traces"),
        ("https://collector.example.com/otlp/v1/traces", "https://collector.example.com/otlp/v1/traces"),
    ],
)
def test_an_address_without_a_path_gets_the_one_of_otlp(write_config: Write, written: str, used: str) -> None:
    assert load(write_config(f'[tracing]\nendpoint = "{written}"\n')).tracing.endpoint == used


def test_headers_are_text_or_secrets(write_config: Write, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    text = """
        [tracing]
        endpoint = "http://127.0.0.1:4318"
        headers = { x-api-key = { file = "key" }, x-team = { env = "TEAM" }, x-kind = "traces" }
    """
    tracing = load(write_config(text), {"TEAM": "blue"}).tracing
    assert tracing.headers == {"x-api-key": "s3cret", "x-team": "blue", "x-kind": "traces"}
    assert "s3cret" not in repr(tracing)


def test_what_is_wrong_is_told_with_its_key_and_without_any_value(write_config: Write) -> None:
    text = """
        [tracing]
        endpoint = "http://user:pa55@127.0.0.1:4318"
        headers = { "x key" = "pa55", x-other = { env = "NOT_SET" } }
        sample = 1.5
    """
    found = problems(write_config(text))
    assert [problem.partition(":")[0] for problem in found] == [
        "tracing.headers.x-other", "tracing.endpoint", "tracing.headers", "tracing.sample",
    ]  # fmt: skip
    assert "pa55" not in "".join(found)


@pytest.mark.parametrize("written", ["https://h/v1/traces?api_key=pa55", "https://h/#pa55", "https://h?k=pa55"])
def test_an_address_with_a_query_is_refused_since_it_would_be_shown(write_config: Write, written: str) -> None:
    [problem] = problems(write_config(f'[tracing]\nendpoint = "{written}"\n'))
    assert "keys go into headers" in problem
    assert "pa55" not in problem


def test_without_the_extra_the_error_says_what_to_install(write_config: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[tracing]\nendpoint = "http://127.0.0.1:4318"\n'
    monkeypatch.setattr(sys, "meta_path", [Without("opentelemetry"), *sys.meta_path])
    for name in [name for name in sys.modules if name.split(".")[0] == "opentelemetry"]:
        monkeypatch.delitem(sys.modules, name)
    [problem] = problems(write_config(text))
    assert problem.startswith("tracing.endpoint: traces need OpenTelemetry, which is not installed; install it with")
    assert f"`{pip_install('otel')}`" in problem
    assert load(write_config("[tracing]\nsample = 0.5\n")).tracing.sample == 0.5, (
        "without an endpoint nothing is needed"
    )


class Without:
    """Says of a package that it is not there."""

    def __init__(self, package: str) -> None:
        self._package = package

    def find_spec(self, name: str, *more: object) -> None:
        if name.split(".")[0] == self._package:
            raise ModuleNotFoundError(f"No module named {name!r}")
