"""The package that `plugin new` writes: clean by its own tools' settings, whatever its name, and its README knows its settings.

That its tests pass, and that it delivers, is in `tests/flow/test_wheel.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from router.scaffold import NewPackage, write_package
from router.scaffold.package import MAX_NAME
from tests.docs.modules import load_module
from tests.flow.harness import unmeasured
from tests.sampled import every

NAMES = ("x", "acme-crm", "bench", "the-long-name-of-a-tool-1234567890abcdef")


@pytest.fixture(params=NAMES)
def package(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[NewPackage, Path]:
    """A new package and its folder."""
    package = NewPackage.of(request.param)
    write_package(package, tmp_path)
    return package, tmp_path


@pytest.mark.parametrize("words", [["check", "--no-cache", "."], ["format", "--check", "--no-cache", "."]])
def test_ruff_finds_nothing_by_the_settings_of_the_package(package: tuple[NewPackage, Path], words: list[str]) -> None:
    command = [sys.executable, "-m", "ruff", *words]
    done = subprocess.run(command, cwd=package[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", every(3, ["test", "bench", "testrail"]))
def test_a_class_hides_nothing_that_its_tests_use_and_is_no_test(name: str, tmp_path: Path) -> None:
    write_package(NewPackage.of(name), tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "-k", "busy"]
    done = subprocess.run(command, cwd=tmp_path, env=unmeasured(), capture_output=True, text=True, check=False)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("acme-crm", "AcmeCrm"), ("reply", "ToReply"), ("event", "ToEvent"), ("batch", "ToBatch"), ("settings", "ToSettings"),
        ("fake-vendor", "ToFakeVendor"), ("none", "ToNone"), ("value-error", "ToValueError"), ("sequence", "ToSequence"),
    ],
)  # fmt: skip
def test_a_class_name_that_means_something_else_is_avoided(name: str, class_name: str) -> None:
    assert NewPackage.of(name).class_name == class_name


def test_the_settings_refuse_an_address_that_nothing_can_be_sent_to(package: tuple[NewPackage, Path]) -> None:
    names, folder = package
    model = getattr(load_module(folder / "src" / names.package / "destination.py"), names.class_name).settings_model
    assert model(token="t", base_url="https://eu.example.com/v2").base_url == "https://eu.example.com/v2"
    with pytest.raises(ValueError, match="base_url: write an address"):
        model(token="t", base_url="nonsense")


def test_the_readme_names_the_version_of_the_contract_that_the_plugin_asks_for(
    package: tuple[NewPackage, Path],
) -> None:
    names, folder = package
    plugin = getattr(load_module(folder / "src" / names.package / "destination.py"), names.class_name)
    version = ".".join(map(str, plugin.api_version))
    assert f"It needs version {version} of the router's plugin contract." in (folder / "README.md").read_text()


def test_the_longest_name_is_among_these() -> None:
    assert max(map(len, NAMES)) == MAX_NAME


def test_the_readme_has_each_setting_with_its_default_and_meaning(package: tuple[NewPackage, Path]) -> None:
    names, folder = package
    module = load_module(folder / "src" / names.package / "destination.py")
    plugin = getattr(module, names.class_name)
    fields = plugin.settings_model.model_fields
    rows = re.findall(
        r"^\| `(\w+)` \| (.+) \| (.+) \|$", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    default = {name: "required" if field.is_required() else f"`{field.default}`" for name, field in fields.items()}
    assert rows == [(name, default[name], field.description) for name, field in fields.items()]


def test_the_entry_point_leads_to_the_class_and_types_are_shipped(package: tuple[NewPackage, Path]) -> None:
    names, folder = package
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"] == {
        "segment_router.destinations": {names.name: f"{names.package}:{names.class_name}"}
    }
    assert project["dependencies"] == []
    assert (folder / "src" / names.package / "py.typed").is_file()
