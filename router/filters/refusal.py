"""Why an expression is refused, and where in its text."""

from __future__ import annotations

SHOWN = 100
"""Characters of a line that are shown around the place."""


class FilterError(Exception):
    """An expression cannot be used.

    Attributes:
        code: for programs: `empty`, `too_long`, `too_deep`, `syntax`, `unterminated_string`, `mixed`, `negated_comparison`,
            `type`, `unknown_function`, `arguments`, `never_true` or `pattern`.
        words: the reason, and after a semicolon the remedy.
        line, column: of the place within the expression, counted from 1.
    """

    def __init__(self, code: str, words: str, text: str, at: int = 0) -> None:
        self.code, self.words = code, words
        before = text[:at]
        self.line = before.count("\n") + 1
        self.column = at - (before.rfind("\n") + 1) + 1
        super().__init__(f"line {self.line}, column {self.column}: {words}{self._marked(text)}")

    def _marked(self, text: str) -> str:
        """The line with a mark under the place, both on lines of their own."""
        shown = text.split("\n")[self.line - 1]
        first = max(0, self.column - 1 - SHOWN // 2)
        cut = "".join(char if char.isprintable() else " " for char in shown[first : first + SHOWN])
        if not cut.strip():
            return ""
        return f"\n    {cut}\n    {' ' * (self.column - 1 - first)}^"
