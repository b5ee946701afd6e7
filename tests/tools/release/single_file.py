# SPDX-License-Identifier: MIT
"""The command line as one file: `make zipapp`.

    python -m tests.tools.release.single_file dist/ytmusic_oauth.pyz

The same sources give the same bytes, whoever builds them, when and where (with another zlib, other bytes that unpack to
the same). Comments and docstrings are left out, which halves it; each line that is left has the number that it has in
the sources.
"""

from __future__ import annotations

import ast
import hashlib
import io
import sys
import tokenize
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .package import LICENSE, runtime_files

__all__ = ["single_file", "without_words"]

_SHEBANG: Final = b"#!/usr/bin/env python3\n"
_MAIN: Final = "from ytmusic_oauth.__main__ import main\n\nraise SystemExit(main())\n"


def single_file() -> bytes:
    """All that runs, and the licence, as a zip file that Python can run."""
    whole = io.BytesIO()
    whole.write(_SHEBANG)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, text in _entries():
            entry = zipfile.ZipInfo(name)  # of the first second of 1980
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED, 9)
    return whole.getvalue()


def _entries() -> Iterator[tuple[str, str]]:
    yield "__main__.py", _MAIN
    yield "LICENSE", LICENSE.read_text("utf-8")
    for path in runtime_files():
        if path.suffix == ".py":  # py.typed is for type checkers, which look into no zip file
            yield f"ytmusic_oauth/{path.name}", without_words(path.read_text("utf-8"))


def without_words(source: str) -> str:
    """Take out what only people read, its licence aside, and leave every line where it is."""
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and "SPDX" not in token.string:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            continue
        if ast.get_docstring(node) is not None:
            words = node.body[0]
            rest = (words.end_lineno or words.lineno) - words.lineno
            # Not nothing: it may be all that is there.
            lines[words.lineno - 1 : words.lineno + rest] = [" " * words.col_offset + '""', *[""] * rest]
    return "\n".join([*lines, ""])


def main(argv: Sequence[str]) -> int:
    """Build the file that is named."""
    target = Path(*argv)
    content = single_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o755)
    except OSError as error:
        print(f"make zipapp: {error}", file=sys.stderr)
        return 1
    print(f"{target}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
