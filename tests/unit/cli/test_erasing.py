"""What is to be erased is confirmed at a terminal; any other answer erases nothing."""

from __future__ import annotations

import io
import sys

import pytest

from router.cli.endpoint import Failed
from router.cli.verbs.erasing import _ask


class Terminal(io.StringIO):
    """Somebody who types this."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("typed", ["n\n", "\n", ""])
def test_what_is_not_confirmed_is_not_erased(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    with pytest.raises(Failed, match="nothing was erased"):
        _ask("erase all that is stored of zoe")


def test_a_script_is_told_that_nothing_was_erased_what_would_be_and_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    with pytest.raises(Failed) as refused:
        _ask("erase all that is stored of zoe")
    assert str(refused.value).splitlines() == [
        "nothing was erased: standard input is no terminal, so nobody can be asked",
        "with --yes this command would erase all that is stored of zoe",
    ]


def test_what_is_confirmed_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    _ask("erase all that is stored of zoe")
