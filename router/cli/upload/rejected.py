"""The lines that `--skip-bad` leaves out, in `FILE.rejected`: as they were, so that they can be corrected and sent."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from router.cli.endpoint import Failed


class Rejected:
    """`FILE.rejected`. It is made with the first line that is left out."""

    def __init__(self, name: str, header: bytes, goes_on: bool) -> None:
        """Raises Failed if it is there from another run.

        Args:
            name: of the input file.
            header: the first row of a CSV file, which this file begins with, too.
            goes_on: a run that stopped is continued, and so is its file.
        """
        self.path = Path(f"{name}.rejected" if name != "-" else "stdin.rejected")
        self._header = header
        if not goes_on and self.path.exists():
            raise Failed(f"{self.path} is there from an earlier run; send its lines, or remove it")

    def add(self, lines: Iterable[bytes]) -> None:
        """Raises Failed if it cannot be written."""
        try:
            with self.path.open("ab") as file:
                if file.tell() == 0:
                    file.write(self._header)
                for line in lines:
                    file.write(line if line.endswith(b"\n") else line + b"\n")
        except OSError as error:
            raise Failed(f"{self.path} cannot be written: {error.strerror or error}") from None
