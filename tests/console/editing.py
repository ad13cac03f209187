"""A daemon whose config.toml is the commented one that is shipped, and which its pages may change."""

from __future__ import annotations

import difflib
from pathlib import Path

from tests.console.pages import Page, Visitor
from tests.flow.harness import PLUGINS, ROOT, Daemon

SHIPPED = ROOT / "router/config/shipped.toml"


class Commented(Daemon):
    """Runs on the shipped config.toml, with ports of its own."""

    def __init__(self, folder: Path, more: str = "") -> None:
        """`more`: lines at the end of the file."""
        super().__init__(folder, [])
        self._more = more

    def write_config(self) -> None:
        """The shipped file, with what this daemon needs."""
        text = SHIPPED.read_text(encoding="utf-8")
        for old, new in (
            ('"127.0.0.1:8080"', f'"127.0.0.1:{self.port}"'),
            ('"127.0.0.1:8081"', f'"127.0.0.1:{self.admin_port}"'),
            ('"sqlite:var/router.db"', f'"sqlite:{self.store.name}"'),
            ('min_free = "512MB"', 'min_free = "1MB"'),
            ('plugins_dir = ""', f'plugins_dir = "{PLUGINS}"'),
            ('format = "auto"', 'format = "json"'),
            ("\nedit = false", "\nedit = true"),
            ('"dev_website"', '"wk_test_123"'),
        ):
            assert old in text, old
            text = text.replace(old, new)
        self.config.write_text(text + self._more, encoding="utf-8")
        self.config.chmod(0o640)


def changes(before: str, after: str) -> list[str]:
    """The lines that differ, with - and +."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[0] in "+-" and not line.startswith(("+++", "---"))]


async def saved(visitor: Visitor, path: str, **fields: str) -> Page:
    """Fill in a form, look at the review, and say yes."""
    form = await visitor.open(path)
    assert form.status == 200, form.text
    review = await visitor.send(form, "Review the difference", do="review", **fields)
    assert "/settings/reviews/" in review.url, review.text
    return await visitor.send(review, "Write and reload")


async def wanted_errors(daemon: Daemon) -> None:
    """A refused reload is an error in the log, here a wanted one: end the daemon and empty its log."""
    assert await daemon.terminate() == 0
    (daemon.folder / "daemon.log").write_text("")
