"""The templates of the pages, with what they use. A thread compiles each when a page needs it for the first time: all of them
take 0.4 s of processor time, so a start does not wait for them, and the event loop for none."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import jinja2

from router.console import words
from router.console.assets import Assets
from router.in_thread import in_thread

USES = re.compile(r'{% *(?:from|include) "([^"]+)"')
"""How a template names another one."""


class Templates:
    """Those of the package, and those of further loaders."""

    def __init__(self, assets: Assets, *more: jinja2.BaseLoader) -> None:
        self._loader = jinja2.ChoiceLoader([jinja2.PackageLoader("router.console"), *more])
        self._environment = jinja2.Environment(
            loader=self._loader,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            auto_reload=False,  # an update may exchange the files while an older version still runs
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {"asset": assets.address, **words.GLOBALS}
        self._environment.filters |= words.FILTERS
        self._compiled = set[str]()  #: with all that they use

    async def compiled(self, *names: str) -> None:
        """Have these ready, so that to render them holds the event loop no longer than it has to."""
        if not self._compiled.issuperset(names):
            await in_thread(self.compile, *names)

    def compile(self, *names: str) -> None:
        """The same here and now."""
        for name in names:
            if name not in self._compiled:
                source, _, _ = self._loader.get_source(self._environment, name)
                self.compile(*USES.findall(source))
                self._environment.get_template(name)
                self._compiled.add(name)

    def render(self, name: str, values: dict[str, Any]) -> str:
        """A template with these values."""
        return self._environment.get_template(name).render(values)

    def macro(self, name: str, macro: str) -> Callable[..., str]:
        """A macro of a template, for what is shown many times: it takes half as long as a template for each."""
        found: Callable[..., str] = getattr(self._environment.get_template(name).module, macro)
        return found
