# SPDX-License-Identifier: MIT
"""The files and the version of the package, read without importing it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["LICENSE", "PACKAGE", "ROOT", "runtime_files", "version"]

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
