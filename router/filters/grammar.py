"""From the text of an expression to its syntax.

The grammar takes more than FQL has (chained comparisons, `and` beside `or`), so that each of these mistakes gets its own words.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

from router.filters.refusal import FilterError
from router.filters.syntax import (
    Boolean,
    Call,
    Comparison,
    Every,
    Everything,
    Listing,
    Literal,
    Not,
    Path,
    Some,
    Truth,
    Value,
)

MAX_BYTES = 5 * 1024
MAX_DEPTH = 32
"""Of parentheses, and of `!` in a row."""
LONGEST_NUMBER = 300
"""Characters: more are beyond a float, and above 4,300 Python reads no integer."""

GRAMMAR = r"""
start: boolean | MISTAKE
boolean: term ((AND | OR) term)*
term: NOT* (group | _value) (comparator (group | _value))*
group: "(" boolean ")"
comparator: COMPARE | IN
_value: STRING | NUMBER | TRUE | FALSE | NULL | PATH | call | list
call: PATH "(" [_value ("," _value)*] ")"
list: "[" [_item ("," _item)*] "]"
_item: STRING | NUMBER | TRUE | FALSE | NULL | PATH

MISTAKE.2: /==|&&|\|\||<>|=>|=</
COMPARE: /!=|<=|>=|=|<|>/
NOT: "!"
STRING: /"[^"]*"|'[^']*'/
NUMBER: /[+-]?[0-9]+(\.[0-9]+)?(?![A-Za-z0-9_.\\])/
PATH: /(?:[A-Za-z_]|\\[\s\S])(?:[A-Za-z0-9_-]|\\[\s\S])*(?:\.(?:[A-Za-z0-9_-]|\\[\s\S])+)*/
%declare AND OR IN TRUE FALSE NULL
%ignore /[ \t\r\n]+/
"""
WORDS = {
    "and": "AND",
    "AND": "AND",
    "or": "OR",
    "OR": "OR",
    "in": "IN",
    "true": "TRUE",
    "false": "FALSE",
    "null": "NULL",
}
CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}
MISTAKES = {
    "==": "=",
    "&&": "and",
    "||": "or",
    "<>": "!=",
    "=>": ">=",
    "=<": "<=",
    "AND": "and",
    "OR": "or",
    "NOT": "!",
}
REMEDIES = {"and": "and", "or": "or", "in": "in", "not": "!( ... )", "like": "match( ..., '*x*' )", "is": "="}
"""Words that look like operators and are paths where they stand."""


def parse(text: str) -> Boolean:
    """The syntax of an expression. Raises FilterError."""
    if not text.strip(" \t\r\n"):
        raise FilterError("empty", "there is no expression; leave the key out", text)
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise FilterError("too_long", f"longer than {MAX_BYTES} bytes; split it into several filters", text)
    try:
        tokens = list(_lark().lex(text))
        _check_depth(tokens, text)
        _check_not(tokens, text)
        tree = _lark().parse(text)
    except UnexpectedCharacters as error:
        raise _bad_character(text, error.pos_in_stream or 0) from None
    except UnexpectedEOF:
        raise FilterError("syntax", "it ends too early; finish it", text, len(text)) from None
    except UnexpectedToken as error:
        raise _bad_token(text, error.token) from None
    return _Reader(text).whole(tree)


@cache
def _lark() -> Lark:
    return Lark(
        GRAMMAR,
        parser="lalr",
        lexer="basic",
        propagate_positions=True,
        maybe_placeholders=False,
        lexer_callbacks={"PATH": _word},
    )


def _word(token: Token) -> Token:
    """A path that is a word of the language becomes that word."""
    kind = WORDS.get(str(token))
    return token if kind is None else Token.new_borrow_pos(kind, str(token), token)


# ---------------------------------------------------------------- what cannot be read


def _check_depth(tokens: list[Token], text: str) -> None:
    depth = in_a_row = 0
    for token in tokens:
        depth += {"LPAR": 1, "RPAR": -1}.get(token.type, 0)
        in_a_row = in_a_row + 1 if token.type == "NOT" else 0
        if depth > MAX_DEPTH or in_a_row > MAX_DEPTH:
            what = "parentheses inside each other" if depth > MAX_DEPTH else '"!" in a row'
            raise FilterError("too_deep", f"more than {MAX_DEPTH} {what}; write it flatter", text, _at(token))


def _check_not(tokens: list[Token], text: str) -> None:
    """`not` before an operand: FQL writes `!`."""
    for token, after in pairwise(tokens):
        if token.type == "PATH" and token.lower() == "not" and after.type in ("LPAR", "PATH", "NOT", "IN"):
            words = 'FQL has no "not"; write !( ... ) around what is to be the opposite'
            raise FilterError("syntax", words, text, _at(token))


def _bad_character(text: str, at: int) -> FilterError:
    char = text[at]
    if char in "\"'":
        return FilterError("unterminated_string", f"this {char} has no end; close the text, or leave it out", text, at)
    if re.match(r"[+-]?[0-9]+\.(?![0-9])", text[at:]):
        words = "a number needs digits after its point; write e.g. 5 or 5.0"
    elif re.match(r"[+-]?[0-9]", text[at:]):
        words = "neither a number nor a name; put a blank after a number, and \\ before a name that begins with a digit"
    elif re.match(r"\.[0-9]", text[at:]):
        words = "a number needs a digit before its point; write e.g. 0.5"
    elif char == "&":
        words = '"&" means nothing in FQL; write and'
    elif char == "|":
        words = '"|" means nothing in FQL; write or'
    else:
        words = f'"{char}" means nothing here; put text between quotes, and \\ before a sign that belongs to a name'
    return FilterError("syntax", words, text, at)


def _bad_token(text: str, token: Token) -> FilterError:
    if token.type == "$END":
        return FilterError("syntax", "it ends too early; finish it, or take the last word away", text, len(text))
    at, shown = _at(token), str(token)
    if token.type == "MISTAKE":
        words = f'FQL has no "{shown}"; write {MISTAKES[shown]}'
    elif token.type == "PATH" and shown.lower() in REMEDIES:
        words = f'"{shown}" is the name of a field here; write {REMEDIES[shown.lower()]}'
    elif token.type in ("LSQB", "PATH", "STRING", "NUMBER", *WORDS.values()):
        words = f"{shown} cannot stand here; join conditions by and, or, and compare by =, !=, <, <=, >, >=, in"
    else:
        words = f'"{shown}" cannot stand here; take it away, or finish what is before it'
    return FilterError("syntax", words, text, at)


def _at(token: Token) -> int:
    assert token.start_pos is not None
    return token.start_pos


# ---------------------------------------------------------------- what was read

Node = Tree[Token] | Token


class _Reader:
    """Turns lark's tree into syntax, and refuses what the grammar took too much."""

    def __init__(self, text: str) -> None:
        self._text = text

    def whole(self, tree: Tree[Token]) -> Boolean:
        (boolean,) = tree.children
        if isinstance(boolean, Token):
            raise _bad_token(self._text, boolean)
        if self._text.strip(" \t\r\n") == "all":
            return Everything()
        return self._boolean(boolean)

    def _boolean(self, tree: Tree[Token]) -> Boolean:
        operators = [node for node in tree.children if isinstance(node, Token)]
        terms = [node for node in tree.children if isinstance(node, Tree)]
        kinds = {operator.type for operator in operators}
        if len(kinds) > 1:
            raise self._mixed(terms, operators)
        read = tuple(self._term(term) for term in terms)
        if not kinds:
            return read[0]
        return Every(read) if kinds == {"AND"} else Some(read)

    def _term(self, tree: Tree[Token]) -> Boolean:
        nodes = list(tree.children)
        negations = [node for node in nodes if isinstance(node, Token) and node.type == "NOT"]
        operands = nodes[len(negations) :]
        found = self._comparison(operands, bool(negations)) if len(operands) > 1 else self._single(operands[0])
        for _ in negations:
            found = Not(found)
        return found

    def _single(self, node: Node) -> Boolean:
        if isinstance(node, Tree) and node.data == "group":
            (inner,) = node.children
            assert isinstance(inner, Tree)
            return self._boolean(inner)
        return Truth(self._value(node))

    def _comparison(self, operands: list[Node], is_negated: bool) -> Boolean:
        left, comparator, right, *more = operands
        at, shown = _start(comparator), self._source(operands[:3])
        if more:
            words = f"a comparison has two sides; write {shown} and ..."
            raise FilterError("syntax", words, self._text, _start(more[0]))
        for side in (left, right):
            if isinstance(side, Tree) and side.data == "group":
                words = 'what is between parentheses cannot be compared; write !( ... ) for "it is false"'
                raise FilterError("syntax", words, self._text, _start(side))
        if is_negated:
            words = f'"!" binds to what follows it, so this would compare an opposite; write !( {shown} )'
            raise FilterError("negated_comparison", words, self._text, at)
        return Comparison(self._value(left), self._source([comparator]), self._value(right), at)

    def _value(self, node: Node) -> Value:
        if isinstance(node, Tree):
            if node.data == "list":
                items = tuple(self._value(item) for item in node.children)
                assert all(isinstance(item, Literal | Path) for item in items)
                return Listing(items, _start(node))  # type: ignore[arg-type]
            name, *arguments = node.children
            assert isinstance(name, Token)
            return Call(str(name), tuple(self._value(argument) for argument in arguments), _at(name))
        text, at = str(node), _at(node)
        match node.type:
            case "STRING":
                return Literal(text[1:-1], at)
            case "NUMBER":
                return Literal(self._number(text, at), at)
            case "PATH":
                return Path(self._keys(text, at), at)
        return Literal(CONSTANTS[node.type], at)

    def _number(self, text: str, at: int) -> int | float:
        if len(text) > LONGEST_NUMBER:
            words = f"a number of more than {LONGEST_NUMBER} characters: no event has one"
            raise FilterError("syntax", words, self._text, at)
        return float(text) if "." in text else int(text)

    def _keys(self, text: str, at: int) -> tuple[str, ...]:
        raw: list[str] = re.findall(r"(?:[^.\\]|\\[\s\S])+", text)
        if raw[0] in WORDS:
            words = f'"{raw[0]}" is a word of FQL; write \\{raw[0]} for a field of that name'
            raise FilterError("syntax", words, self._text, at)
        return tuple(re.sub(r"\\([\s\S])", r"\1", key) for key in raw)

    def _mixed(self, terms: list[Tree[Token]], operators: list[Token]) -> FilterError:
        """Both readings of `and` beside `or`, written out."""
        readings = [self._joined(terms, operators, strong) for strong in ("AND", "OR")]
        words = f"and beside or can be read in two ways; write either {readings[0]} or else {readings[1]}"
        first = next(operator for operator in operators if operator.type != operators[0].type)
        return FilterError("mixed", words, self._text, _at(first))

    def _joined(self, terms: list[Tree[Token]], operators: list[Token], strong: str) -> str:
        """The terms with parentheses around those that the stronger operator joins."""
        groups, weak = [[self._source([terms[0]])]], ""
        for operator, term in zip(operators, terms[1:], strict=True):
            if operator.type == strong:
                groups[-1].append(self._source([term]))
            else:
                groups.append([self._source([term])])
                weak = operator.lower()
        shown = [f" {strong.lower()} ".join(group) for group in groups]
        return f" {weak} ".join(
            f"( {one} )" if len(group) > 1 else one for one, group in zip(shown, groups, strict=True)
        )

    def _source(self, nodes: list[Node]) -> str:
        """The text that these nodes were read from, blanks put together."""
        last = nodes[-1]
        end = last.end_pos if isinstance(last, Token) else last.meta.end_pos
        return " ".join(self._text[_start(nodes[0]) : end].split())


def _start(node: Node) -> int:
    return _at(node) if isinstance(node, Token) else node.meta.start_pos
