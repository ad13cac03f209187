"""The author's own answers of the vendor, watched: what they raise is their fault, and none of the plugin."""

from __future__ import annotations

import traceback
from pathlib import Path

from router.errors import RouterError
from router.testing.replies import Answers, Received, Reply, answer_to

__all__ = ["OwnAnswers", "VendorFault"]


class VendorFault(RouterError):
    """The author's function of the vendor's answers raised."""


class OwnAnswers:
    """Answers as the author's do."""

    fault: VendorFault | None = None  #: the first one

    def __init__(self, answers: Answers) -> None:
        self._answers = answers

    def __call__(self, seen: Received) -> Reply:
        """The answer to this request. Raises what the author's code raises."""
        try:
            reply = answer_to(seen, self._answers)
            reply.content()
        except Exception as error:
            self.fault = self.fault or self._fault_of(error)
            raise
        return reply

    def raise_fault(self) -> None:
        """Raises VendorFault if there was one."""
        if self.fault is not None:
            raise self.fault

    def _fault_of(self, error: Exception) -> VendorFault:
        code = getattr(self._answers, "__code__", None)
        where = ""
        if code is not None:
            frames = traceback.walk_tb(error.__traceback__)
            lines = [line for frame, line in frames if frame.f_code.co_filename == code.co_filename]
            where = f" (at {Path(code.co_filename).name}:{[code.co_firstlineno, *lines][-1]})"
        name = getattr(self._answers, "__qualname__", type(self._answers).__name__)
        fault = VendorFault(f"the vendor's answer {name} raised {type(error).__name__}: {error}{where}; mend it first")
        fault.__cause__ = error
        return fault
