"""`completion`: what a shell needs to complete verbs and options."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from router.cli.lazy import lazy

shells = lazy("typer.completion")

VARIABLE = "_SEGMENT_ROUTER_COMPLETE"
"""The shells' scripts set it when they ask this program for completions."""


class Shell(StrEnum):
    """The shells that are supported."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Your shell.")]) -> None:
    """Print the script that completes verbs and options in a shell.

    bash: add the line `source <(segment-router completion bash)` to ~/.bashrc. zsh: write the script to a file named
    _segment-router in a folder of $fpath. fish: write it to ~/.config/fish/completions/segment-router.fish. It works for
    `segment-router` on the PATH.

    Examples:
        completion bash
    """
    typer.echo(shells.get_completion_script(prog_name="segment-router", complete_var=VARIABLE, shell=shell.value))
