# SPDX-License-Identifier: MIT
"""How many lines of code a file has. Blank lines, comments and docstrings do not count."""

from __future__ import annotations

import tokenize
from pathlib import Path
from typing import Final

__all__ = ["code_lines"]

_LAYOUT: Final = frozenset({tokenize.ENCODING, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})
_NOTHING: Final = frozenset({tokenize.COMMENT, tokenize.NL})


def code_lines(path: Path) -> int:
    """Count the lines that have a token of code. A string that starts a statement is a docstring."""
    lines: set[int] = set()
    last = tokenize.NEWLINE
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in _NOTHING:
                continue
            is_docstring = token.type == tokenize.STRING and last in _LAYOUT
            if token.type not in _LAYOUT and not is_docstring:
                lines.update(range(token.start[0], token.end[0] + 1))
            last = token.type
    return len(lines)
