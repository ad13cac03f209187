"""How help looks: plain text in one style for every verb, with examples that can be pasted.

The docstring of a verb is its help. What stands behind `Examples:` in it are lines to paste, without the program's name.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from router.cli.endpoint import program

MARK = "Examples:"
NO_TEXT = re.compile("[\ud800-\udfff]")
"""What stands in an argument for bytes that the encoding of the terminal does not know."""


def parts(help: str | None) -> tuple[str, list[str]]:
    """The words of a docstring, and its examples."""
    words, _, examples = inspect.cleandoc(help or "").partition(MARK)
    return words.strip(), [line.strip() for line in examples.splitlines() if line.strip()]


def _shown(param: Any, words: str) -> str:
    """An argument, or an option with what follows it; never a type of Python."""
    if param.param_type_name == "argument":
        return str(param.display_name_raw)
    return re.sub(r"<\w+>", param.name.upper(), words)


class _Plain:
    """What both classes below do in the same way."""

    help: str | None
    get_params: Callable[[Any], list[Any]]

    def get_short_help_str(self, limit: int = 45) -> str:
        """Its first line."""
        return parts(self.help)[0].partition("\n")[0]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        formatter.write_paragraph()
        formatter.write_text(parts(self.help)[0])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments and options with their metavars, without their types."""
        for kind in ("argument", "option"):
            params = [param for param in self.get_params(ctx) if param.param_type_name == kind]
            records = [(param, param.get_help_record(ctx)) for param in params]
            rows = [(_shown(param, told[0]), told[1]) for param, told in records if told]
            if rows:
                with formatter.section(f"{kind.title()}s"):
                    formatter.write_dl(rows)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if examples := parts(self.help)[1]:
            with formatter.section("Examples"):
                for line in examples:
                    formatter.write(f"  {program()} {line}\n")


class Verb(_Plain, TyperCommand):
    """A verb. What is given to it is text, but for the names of files."""

    def invoke(self, ctx: Any) -> Any:
        for param in self.get_params(ctx):
            given = ctx.params.get(param.name)
            for text in given if isinstance(given, list | tuple) else (given,):
                if isinstance(text, str) and NO_TEXT.search(text) and not os.path.lexists(text):
                    raise typer.BadParameter(
                        f"{text!a} is no text in the encoding of this terminal, {sys.getfilesystemencoding()}",
                        ctx,
                        param,
                    )
        return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments as their help names them, then the options."""
        arguments = [param for param in self.get_params(ctx) if param.param_type_name == "argument"]
        names = [(str(param.display_name_raw), param.required) for param in arguments]
        return [*(name if is_required else f"[{name}]" for name, is_required in names), "[OPTIONS]"]


class Verbs(_Plain, TyperGroup):
    """A list of verbs, under the headings that they were given."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        headings: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            verb: Any = self.get_command(ctx, name)
            headings.setdefault(verb.rich_help_panel or "Commands", []).append((name, verb.get_short_help_str()))
        for heading, rows in headings.items():
            with formatter.section(heading):
                formatter.write_dl(rows)
