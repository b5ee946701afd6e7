# SPDX-License-Identifier: MIT
"""Build the porting kit as one file: `make kit`.

    python -m tests.tools.release.kit dist/oauth-device-kit.pyz

The file needs Python 3.10 or later and nothing else. The ports in `clients/` are not in it. The same sources always
give the same bytes (another version of zlib may compress them differently).
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from .package import LICENSE

__all__ = ["kit"]

_FOLDER: Final = Path(__file__).parents[2] / "porting"
_PARTS: Final = ("*.py", "*.md", "*.txt", "scenarios/*.py", "schemas/*.json", "vectors/*.json", "vectors/*.md")
_SHEBANG: Final = b"#!/usr/bin/env python3\n"


def kit() -> bytes:
    """The kit and its licence, as a zip file that Python can run."""
    whole = io.BytesIO()
    whole.write(_SHEBANG)
    with zipfile.ZipFile(whole, "a") as archive:
        for name, path in _entries():
            entry = zipfile.ZipInfo(name)  # its date is the start of 1980
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, path.read_text("utf-8"), zipfile.ZIP_DEFLATED, 9)
    return whole.getvalue()


def _entries() -> Iterator[tuple[str, Path]]:
    yield "LICENSE", LICENSE
    for part in _PARTS:
        yield from ((path.relative_to(_FOLDER).as_posix(), path) for path in sorted(_FOLDER.glob(part)))


def main(argv: Sequence[str]) -> int:
    """Build the given file."""
    [target] = map(Path, argv)
    content = kit()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(0o755)
    print(f"{target}: {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
