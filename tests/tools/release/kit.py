# SPDX-License-Identifier: MIT
"""Build the porting kit as one file: `make kit`.

    python -m tests.tools.release.kit dist/oauth-device-kit.pyz

The file needs Python 3.10 or later and nothing else. The ports in `clients/` are not in it. The same sources always
give the same bytes (another version of zlib may compress them differently).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .package import LICENSE, build_program, zipped

__all__ = ["kit"]

_FOLDER: Final = Path(__file__).parents[2] / "porting"
_PARTS: Final = ("*.py", "*.md", "*.txt", "scenarios/*.py", "schemas/*.json", "vectors/*.json", "vectors/*.md")


def kit() -> bytes:
    """The kit and its license, as a zip file that Python can run."""
    return zipped(_entries())


def _entries() -> Iterator[tuple[str, str]]:
    yield "LICENSE", LICENSE.read_text("utf-8")
    for part in _PARTS:
        for path in sorted(_FOLDER.glob(part)):
            yield path.relative_to(_FOLDER).as_posix(), path.read_text("utf-8")


def main(argv: Sequence[str]) -> int:
    """Build the given file."""
    return build_program(Path(*argv), kit())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
