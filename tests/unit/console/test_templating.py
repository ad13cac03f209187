"""Templates are compiled beside the event loop, each with what it uses."""

from __future__ import annotations

import threading
from importlib.resources import files

import jinja2
from jinja2 import meta

from router.console.assets import Assets
from router.console.templating import USES, Templates


async def test_a_template_is_compiled_in_another_thread_with_what_it_uses_and_once() -> None:
    read_in: list[tuple[str, bool]] = []

    def source(name: str) -> str:
        read_in.append((name, threading.current_thread() is threading.main_thread()))
        return '{% include "part.html" %}' if name == "whole.html" else "a part"

    templates = Templates(Assets(), jinja2.FunctionLoader(source))
    await templates.compiled("whole.html")
    assert {name for name, _ in read_in} == {"whole.html", "part.html"}
    assert not any(is_main for _, is_main in read_in)
    read_in.clear()
    await templates.compiled("whole.html")
    assert templates.render("whole.html", {}) == "a part"
    assert read_in == []


def test_all_that_a_template_uses_is_found() -> None:
    environment = jinja2.Environment()
    for file in (files("router.console") / "templates").iterdir():
        source = file.read_text(encoding="utf-8")
        named = {name for name in meta.find_referenced_templates(environment.parse(source)) if name is not None}
        assert set(USES.findall(source)) == named, file.name
