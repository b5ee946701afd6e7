# SPDX-License-Identifier: MIT
"""Build the command line as one file: `make zipapp`.

    python -m tests.tools.release.single_file dist/ytmusic_oauth.pyz

The same sources always give the same bytes (another version of zlib may compress them differently). Comments and
docstrings are left out, which halves the size. Line numbers stay as in the sources.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .package import LICENSE, build_program, runtime_files, zipped

__all__ = ["is_docstring", "single_file", "without_comments"]

# Python 2.7 can compile it. The package would raise an `ImportError`, with a traceback.
_MAIN: Final = """\
import sys

if sys.hexversion < 0x03080000:
    sys.stderr.write("ytmusic_oauth needs Python 3.8 or later; this is Python " + sys.version.split()[0] + "\\n")
    sys.exit(2)

from ytmusic_oauth.__main__ import main

sys.exit(main())
"""


def single_file() -> bytes:
    """The package and its license, as a zip file that Python can run."""
    return zipped(_entries())


def _entries() -> Iterator[tuple[str, str]]:
    yield "__main__.py", _MAIN
    yield "LICENSE", LICENSE.read_text("utf-8")
    for path in runtime_files():
        if path.suffix == ".py":  # py.typed is for type checkers, which do not read zip files
            yield f"ytmusic_oauth/{path.name}", without_comments(path.read_text("utf-8"))


def without_comments(source: str) -> str:
    """Remove comments and docstrings, but not the license. Every line keeps its number."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and "SPDX" not in token.string:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            continue
        for statement in filter(is_docstring, node.body):  # of the node, and of the fields in it
            rest = (statement.end_lineno or statement.lineno) - statement.lineno
            # An empty string stays: the docstring may be the whole body.
            first = " " * statement.col_offset + '""' if statement is node.body[0] else ""
            lines[statement.lineno - 1 : statement.lineno + rest] = [first, *[""] * rest]
    return "\n".join([*lines, ""])


def is_docstring(statement: ast.stmt) -> bool:
    """Whether it is a string that is not used."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return False
    return isinstance(statement.value.value, str)


def main(argv: Sequence[str]) -> int:
    """Build the given file."""
    return build_program(Path(*argv), single_file())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
