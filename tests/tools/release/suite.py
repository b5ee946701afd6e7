# SPDX-License-Identifier: MIT
"""The tests of this project, laid out around somebody's copy of the package: `make test PACKAGE=path/to/the/copy`.

    python -m tests.tools.release.suite path/to/app/_vendor/oauth build/suite

makes a tree in which `ytmusic_oauth` is that copy, whatever its own name is, and all else is as it is here. There, the
tests cannot meet any other: not in a process that they start, and not where they read the sources.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from .package import PACKAGE, ROOT, version
from .vendoring import MANIFEST

__all__ = ["lay_out"]

_CACHES = shutil.ignore_patterns("__pycache__")


def lay_out(package: Path, tree: Path) -> None:
    """Make the tree, in place of what an earlier call made. Raises `ValueError` if there is no such package."""
    if not (package / "__init__.py").is_file():
        raise ValueError(f"{package} is no copy of the package: it has no __init__.py")
    if tree.resolve() in package.resolve().parents:
        raise ValueError(f"{package} is where the copy that is tested goes: name the copy that it was made from")
    if tree.exists():
        shutil.rmtree(tree)
    tree.mkdir(parents=True)
    for pattern in ("*.md", "LICENSE", "Makefile", "pyproject.toml"):
        for path in ROOT.glob(pattern):
            shutil.copy2(path, tree)
    for name in ("tests", "typings"):
        shutil.copytree(ROOT / name, tree / name, ignore=_CACHES)
    shutil.copytree(package, tree / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__", MANIFEST))


def main(argv: Sequence[str]) -> int:
    package, tree = map(Path, argv)
    try:
        lay_out(package, tree)
        copy_error = version(package)
    except (ValueError, OSError) as error:
        print(f"make test: {error}", file=sys.stderr)
        return 1
    print(f"make test: {package}, which is {copy_error}, with the tests of {version()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
