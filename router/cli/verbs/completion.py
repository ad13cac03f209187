"""`completion`: what a shell needs to complete verbs and options."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from router.cli.endpoint import program
from router.cli.lazy import lazy

shells = lazy("typer.completion")

VARIABLE = "_SEGMENT_ROUTER_COMPLETE"
"""The shells' scripts set it when they ask this program for completions."""
NAME = "segment-router"

ZSH_FIRST = f"""
if [[ $funcstack[1] == _{NAME} ]]; then _segment_router_completion; fi"""
"""zsh reads the file at the first completion, which would complete nothing."""


class Shell(StrEnum):
    """The shells that are supported."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Your shell.")]) -> None:
    """Print the script that completes verbs and options in a shell.

    bash: add the line `source <(segment-router completion bash)` to ~/.bashrc. zsh: write the script to a file named _segment-router in
    a folder of $fpath. fish: write it to ~/.config/fish/completions/segment-router.fish. The script is for the program as you call it:
    `segment-router` on the PATH, or `./run` of a checkout, by its full path too (`source <(./run completion bash)`).

    Examples:
        completion bash
    """
    script = shells.get_completion_script(prog_name=NAME, complete_var=VARIABLE, shell=shell.value)
    called = program()
    if "/" in called:
        script = _of_path(script, shell, called)
    elif shell is Shell.ZSH:
        script += ZSH_FIRST
    typer.echo(script)


def _of_path(script: str, shell: Shell, called: str) -> str:
    """The script for a program that is called by its path. It runs no other one of that name, wherever the user is by then."""
    path = shlex.quote(str(Path(called).absolute()))
    names = f"{shlex.quote(called)} {path}"
    match shell:
        case Shell.BASH:
            return script.replace("_bash $1 ", f"_bash {path} ").replace(f"_completion {NAME}", f"_completion {names}")
        case Shell.ZSH:
            script = script.replace(f"#compdef {NAME}\n", "").replace(f"_zsh {NAME})", f"_zsh {path})")
            return script.replace(f"_completion {NAME}", f"_completion {names}")
        case Shell.FISH:
            script = script.replace(f"--command {NAME}", f"--path {path}")
            return script.replace(f"(commandline -cp) {NAME}", f"(commandline -cp) {path}")
