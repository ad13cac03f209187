"""Scripts and styles: what is of others is what the manifest says, and a first page is light."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import aiohttp
import pytest

from router.console.assets import FOLDER, Assets, manifest
from tests.console.pages import Visitor
from tests.flow.harness import Daemon

STATIC = Path(str(FOLDER))
FIRST_PAGE = ("htmx.min.js", "hx-sse.min.js", "console.js", "console.css", "favicon.svg")


@pytest.mark.parametrize("entry", manifest(), ids=lambda entry: str(entry["name"]))
def test_a_file_of_others_is_the_one_that_the_manifest_names(entry: dict[str, str]) -> None:
    assert hashlib.sha256((STATIC / "vendor" / entry["name"]).read_bytes()).hexdigest() == entry["sha256"]
    assert (STATIC / "vendor" / entry["licence_file"]).read_text(encoding="utf-8").strip()
    assert all(entry[key] for key in ("package", "version", "licence", "source"))


def test_the_manifest_names_every_file_of_others() -> None:
    named = {entry["name"] for entry in manifest()} | {entry["licence_file"] for entry in manifest()}
    assert {file.name for file in (STATIC / "vendor").iterdir()} == named | {"manifest.json"}


def test_our_own_style_sheet_is_below_12_kB_and_our_script_is_one_file() -> None:
    own = [file for file in STATIC.iterdir() if file.is_file()]
    assert sum(file.stat().st_size for file in own if file.suffix == ".css") < 12_000
    assert [file.name for file in own if file.suffix == ".js"] == ["console.js"]


def test_no_template_has_a_script_a_style_or_a_handler_in_it() -> None:
    for template in (STATIC.parent / "templates").iterdir():
        text = template.read_text(encoding="utf-8")
        assert "<style" not in text, template
        assert " style=" not in text, template
        assert "<script>" not in text, template
        assert "|safe" not in text.replace(" ", ""), template
        assert not [word for word in ("onclick", "onload", "onerror", "onchange", "javascript:") if word in text], (
            template
        )


async def test_a_file_goes_out_zipped_and_may_be_kept_for_ever(tmp_path: Path) -> None:
    async with Daemon(tmp_path, []) as daemon, aiohttp.ClientSession(auto_decompress=False) as http:
        address = daemon.admin_url + Assets().address("htmx.min.js")
        async with http.get(address, headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
            assert gzip.decompress(await answer.read()) == (STATIC / "vendor/htmx.min.js").read_bytes()
        async with http.get(address.replace("htmx.min", "nothing")) as answer:
            assert answer.status == 404


async def test_a_first_page_weighs_less_than_60_kB(tmp_path: Path) -> None:
    async with Daemon(tmp_path, []) as daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/")
        files = sum(len(gzip.compress((STATIC / name).read_bytes())) for name in FIRST_PAGE if (STATIC / name).exists())
        vendor = sum(len(gzip.compress((STATIC / "vendor" / name).read_bytes())) for name in FIRST_PAGE[:2])
        assert len(gzip.compress(page.html.encode())) + files + vendor < 60_000
