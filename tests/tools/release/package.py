# SPDX-License-Identifier: MIT
"""The files and the version of the package, read without importing it; and how a program of one file is made."""

from __future__ import annotations

import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

__all__ = ["LICENSE", "PACKAGE", "ROOT", "build_program", "runtime_files", "version", "zipped"]

ROOT: Final = Path(__file__).parents[3]
PACKAGE: Final = ROOT / "ytmusic_oauth"
LICENSE: Final = ROOT / "LICENSE"


def runtime_files() -> Sequence[Path]:
    """The files that a program needs, sorted by name."""
    return sorted([*PACKAGE.glob("*.py"), PACKAGE / "py.typed"], key=lambda path: path.name)


def version(package: Path = PACKAGE) -> str:
    """The `__version__` of a copy."""
    found = re.search(r'^__version__ = "([^"]+)"$', (package / "__init__.py").read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f'{package / "__init__.py"} has no line __version__ = "..."')
    return found[1]


def zipped(entries: Iterable[tuple[str, str]]) -> bytes:
    """A zip file that Python can run. The same entries always give the same bytes."""
    whole = io.BytesIO()
    whole.write(b"#!/usr/bin/env python3\n")
    with zipfile.ZipFile(whole, "a") as archive:
        for name, text in entries:
            entry = zipfile.ZipInfo(name)  # its date is the start of 1980
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, text, zipfile.ZIP_DEFLATED, 9)
    return whole.getvalue()


def build_program(target: Path, content: bytes) -> int:
    """Write a program into a file, and return the exit status."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o755)
    except OSError as error:
        print(f"{target} cannot be built: {error}", file=sys.stderr)
        return 1
    print(f"{target}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
    return 0
