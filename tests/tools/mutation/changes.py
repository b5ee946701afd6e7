# SPDX-License-Identifier: MIT
"""What a mutant changes, as the smallest piece of code: `"utf-8-sig" -> "UTF-8-SIG"`.

A piece is a run of tokens: comments, layout and the rest of the line are no part of it. Only where two mutants of a
function would get the same name, each name has as many of the tokens before it as it takes to tell them apart, with
"..." for a sentence.
"""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

__all__ = ["Change", "changed", "names"]

_LAYOUT: Final = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})
# The start of an f-string; and one of its fields, or what is between two of them.
_FORMATTED: Final = re.compile("""r?f["']""", re.IGNORECASE)
_FIELD: Final = re.compile(r"\{[^{}]*\}|[^{}]+|[{}]")
_CLOSING: Final = frozenset({")", "]", "}"})


class Change(NamedTuple):
    """The tokens of a function before and after. The first `head` and the last `tail` of them are the same."""

    before: Sequence[str]
    after: Sequence[str]
    head: int
    tail: int

    def piece(self, context: int = 0) -> str:
        """The tokens that differ, before and after, each with the `context` tokens that come first."""
        first = ['"..."' if " " in token else token for token in self.before[self.head - context : self.head]]
        old, new = (
            _code([*first, *tokens[self.head : len(tokens) - self.tail]]) for tokens in (self.before, self.after)
        )
        return f"{old or 'nothing'} -> {new or 'nothing'}"

    @property
    def is_wording(self) -> bool:
        """Whether one string of several words changes its case or gets an XX at both ends, and nothing else differs."""
        if {len(self.before), len(self.after)} != {self.head + 1 + self.tail}:
            return False
        old, new = self.before[self.head], self.after[self.head]
        return bool(re.search(r"\w[,.:;)]? \w", old)) and old.lower() in {new.lower(), new.lower().replace("xx", "")}


def changed(before: str, after: str) -> Change:
    """Compare two versions of a function's source."""
    old, new = list(_tokens(before)), list(_tokens(after))
    head = _common(old, new)
    return Change(old, new, head, _common(old[: head - len(old) - 1 : -1], new[: head - len(new) - 1 : -1]))


def names(changes: Sequence[Change]) -> Sequence[str]:
    """A name for each mutant of one function."""
    contexts = [0] * len(changes)
    while True:
        found = [change.piece(context) for change, context in zip(changes, contexts, strict=True)]
        number = Counter(found)
        longer = [
            context + (number[name] > 1 and context < change.head)
            for name, change, context in zip(found, changes, contexts, strict=True)
        ]
        if longer == contexts:
            return found
        contexts = longer


def _common(some: Sequence[str], others: Sequence[str]) -> int:
    """How many tokens are the same from the start on."""
    pairs = enumerate(zip(some, others, strict=False))
    return next((number for number, (one, other) in pairs if one != other), min(len(some), len(others)))


def _tokens(source: str) -> Iterator[str]:
    """The tokens that count, without the docstring. A `;` ends each statement, and an f-string is several tokens."""
    _, *lines = _lines("if True:\n" + source)
    if len(lines) > 1 and len(lines[1]) == 1 and lines[1][0].endswith('"'):
        del lines[1]
    for line in lines:
        for token, following in zip(line, [*line[1:], ""], strict=True):
            if token == "," and following in _CLOSING:  # layout as well
                continue
            yield from _FIELD.findall(token) if _FORMATTED.match(token) else [token]
        if line[-1] != ":":
            yield ";"


def _lines(source: str) -> Iterator[Sequence[str]]:
    rows, line = source.splitlines(), list[str]()
    start, depth = 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        kind = tokenize.tok_name[token.type]
        if token.type == tokenize.NEWLINE:
            yield line
            line = []
        elif kind.endswith("STRING_START"):  # from Python 3.12 on
            start = token.start[1] if depth == 0 else start
            depth += 1
        elif kind.endswith("STRING_END"):
            depth -= 1
            line += [rows[token.end[0] - 1][start : token.end[1]]] if depth == 0 else []
        elif depth == 0 and token.type not in _LAYOUT:
            line.append(token.string)


def _code(tokens: Sequence[str]) -> str:
    text, last = "", ""
    for token in tokens:
        is_field = any(len(each) > 1 and each[0] == "{" for each in (token, last))
        is_call = token in {"(", "["} and re.fullmatch(r"\w+|\)|\]", last) and not keyword.iskeyword(last)
        is_tight = last in {"", "(", "[", "{", "."} or token in {*_CLOSING, ".", ",", ":", ";"} or is_call or is_field
        text += token if is_tight else f" {token}"
        last = token
    return text.replace("\n", "\\n")
